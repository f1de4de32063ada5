"""Evaluation of a system on a data set: embed both sides, rank, score."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np

from skyfix.datasets.contract import Images, LinkedSet, Matches, RetrievalSet, is_linked
from skyfix.errors import SkyfixError
from skyfix.evaluation.changes import Change
from skyfix.evaluation.choices import Direction, Distractors
from skyfix.evaluation.conditions import PLAIN, Condition, Side
from skyfix.evaluation.distances import SDM_AT, distance_figures, first_columns
from skyfix.evaluation.linked import LinkedResult, evaluate_matches
from skyfix.evaluation.metrics import RetrievalResult, evaluate_retrieval
from skyfix.images import ImageError
from skyfix.views import View

_VIEWS: dict[Direction, tuple[View, View]] = {
    "drone2satellite": ("drone", "satellite"),
    "satellite2drone": ("satellite", "drone"),
    "ground2satellite": ("ground", "satellite"),
}


class FileEmbedder(Protocol):
    """What evaluation asks of an embedder; ``skyfix.inference.Embedder`` is one."""

    def embed_files(
        self,
        images: Sequence[Path],
        view: View,
        progress: str | None = None,
        altitude_m: np.ndarray | None = None,
        change: Change | None = None,
    ) -> tuple[np.ndarray, np.ndarray, list[ImageError]]:
        """Descriptors (M, D) of the readable images, their indices (M,), the others' errors."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """Result of one direction, and what it rests on."""

    direction: Direction
    result: RetrievalResult
    unreadable: tuple[ImageError, ...]
    """Images that were left out because they could not be read."""

    @property
    def distractors(self) -> Distractors:
        """Whether gallery places without a query stayed in the ranking."""
        return self.result.distractors

    @property
    def queries(self) -> int:
        """Number of query images that were read."""
        return self.result.queries

    @property
    def gallery(self) -> int:
        """Number of gallery images that were read."""
        return self.result.gallery

    def to_json(self) -> dict[str, Any]:
        """Everything that is reported, with the metrics under their usual names."""
        return {
            "direction": self.direction,
            **self.result.to_json(),
            "unreadable": [str(error) for error in self.unreadable],
        }


@dataclass(frozen=True, eq=False)
class Embedded:
    """One side of a ranking: the images that could be read, and their descriptors (M, D)."""

    images: Images
    descriptors: np.ndarray
    rows: np.ndarray
    """(M,) of each image in the data set's own order."""
    unreadable: tuple[ImageError, ...]

    def take(self, chosen: np.ndarray) -> "Embedded":
        """Some of the images."""
        images = self.images.take(chosen)
        return Embedded(images, self.descriptors[chosen], self.rows[chosen], self.unreadable)


class Extraction:
    """Descriptors of a data set's test images, each undisturbed one computed once.

    Args:
        embedder: makes the descriptors.
        dataset: gives queries and gallery.
    """

    def __init__(self, embedder: FileEmbedder, dataset: RetrievalSet) -> None:
        self.dataset = dataset
        self._embedder = embedder
        self._plain: dict[tuple[Side, View], Embedded] = {}

    def embedded(self, side: Side, view: View, change: Change | None = None) -> Embedded:
        """Descriptors of one side and view, with ``change`` done to the images.

        Raises:
            SkyfixError: a folder that is missing, or no readable image.
        """
        if change is None and (side, view) in self._plain:
            return self._plain[side, view]
        images = self.dataset.query(view) if side == "query" else self.dataset.gallery(view)
        named = "queries" if side == "query" else side
        descriptors, kept, unreadable = self._embedder.embed_files(
            images.paths,
            view,
            progress=f"{view} {named}",
            altitude_m=images.altitude_m,
            change=change,
        )
        if len(kept) == 0:
            first = f" The first: {unreadable[0]}" if unreadable else ""
            raise SkyfixError(
                f"None of the {len(images)} {view} images ({named}) can be read.{first}"
            )
        found = Embedded(images.take(kept), descriptors, kept, tuple(unreadable))
        if change is None:
            self._plain[side, view] = found
        return found


@dataclass(frozen=True)
class Measurement:
    """What one condition gave in one direction.

    Attributes:
        condition, direction: what was asked.
        places: scores by distractors rule, for data sets of places.
        links: score, for data sets whose pairs overlap in part.
        distances: figures in metres and SDM, where positions are known.
        unreadable: images that were left out because they could not be read.
    """

    condition: Condition
    direction: Direction
    places: dict[Distractors, RetrievalResult] = field(default_factory=dict)
    links: LinkedResult | None = None
    distances: dict[str, Any] = field(default_factory=dict)
    unreadable: tuple[ImageError, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything that is reported, with the metrics under their usual names."""
        scores: dict[str, Any] = {rule: result.to_json() for rule, result in self.places.items()}
        if self.links is not None:
            scores["links"] = self.links.to_json()
        return {
            "protocol": self.condition.protocol,
            "condition": self.condition.name,
            "value": self.condition.value,
            "direction": self.direction,
            **scores,
            **({"distances": self.distances} if self.distances else {}),
            "unreadable": [str(error) for error in self.unreadable],
        }


def measure(
    extraction: Extraction,
    direction: Direction = "drone2satellite",
    condition: Condition = PLAIN,
) -> Measurement:
    """Ask under a condition and score the ranking, with distractors kept and dropped.

    Unreadable images are left out, counted and reported: such a query is not asked, such a gallery
    image cannot be found.

    Raises:
        SkyfixError: an unknown direction, a folder that is missing, no readable image on one
            side, or a condition that does not suit the direction.
    """
    asking, searched = views_of(direction)
    if condition.asking not in (None, asking):
        raise SkyfixError(
            f"The protocol {condition.protocol} asks with {condition.asking} images, "
            f"not in the direction {direction}."
        )
    query = extraction.embedded("query", asking, condition.change_of("query", asking))
    gallery = extraction.embedded("gallery", searched, condition.change_of("gallery", searched))
    unreadable = (*query.unreadable, *gallery.unreadable)
    if condition.chosen is not None:
        query = query.take(condition.chosen(query.images))
    if is_linked(extraction.dataset):
        matches = matches_among(extraction.dataset, query, gallery, direction)
        links = evaluate_matches(query.descriptors, gallery.descriptors, matches)
        scores: dict[str, Any] = {"links": links}
    else:
        descriptors, labels = _merged(query, condition.merged)
        sides = (descriptors, labels, gallery.descriptors, gallery.images.labels)
        rules = get_args(Distractors)
        scores = {"places": {rule: evaluate_retrieval(*sides, distractors=rule) for rule in rules}}
    return Measurement(
        condition,
        direction,
        **scores,
        distances={} if condition.merged != "no" else _distances(query, gallery),
        unreadable=unreadable,
    )


def matches_among(
    dataset: LinkedSet, query: Embedded, gallery: Embedded, direction: Direction
) -> Matches:
    """The links between the queries and the gallery images that could be read."""
    asking, searched = views_of(direction)
    size = len(dataset.gallery(searched))
    return dataset.matches(asking).only(query.rows, gallery.rows, size)


def directions_of(dataset: RetrievalSet) -> tuple[Direction, ...]:
    """The directions that a data set is measured in, the usual one first."""
    if "drone" in dataset.views:
        return "drone2satellite", "satellite2drone"
    return ("ground2satellite",)


def views_of(direction: Direction) -> tuple[View, View]:
    """The view that asks and the one that is searched.

    Raises:
        SkyfixError: an unknown direction.
    """
    if direction not in _VIEWS:
        raise SkyfixError(f"Unknown direction {direction!r}. Use {' or '.join(_VIEWS)}.")
    return _VIEWS[direction]


def evaluate(
    embedder: FileEmbedder,
    dataset: RetrievalSet,
    direction: Direction = "drone2satellite",
    distractors: Distractors = "keep",
) -> Evaluation:
    """Embed the queries and the gallery of a data set of places and score the ranking.

    Args:
        embedder: makes the descriptors.
        dataset: gives queries and gallery.
        direction: which view asks and which is searched.
        distractors: see ``evaluate_retrieval``.

    Raises:
        SkyfixError: as ``measure``; an unknown distractors rule, or a data set without places.
    """
    if distractors not in get_args(Distractors):
        # Before the hours of embedding, not after.
        raise SkyfixError(f"Unknown distractors rule {distractors!r}. Use keep or drop.")
    if is_linked(dataset):
        raise SkyfixError(f"{type(dataset).__name__} has links instead of places. Use measure().")
    found = measure(Extraction(embedder, dataset), direction)
    return Evaluation(direction, found.places[distractors], found.unreadable)


def _merged(query: Embedded, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors and labels of the queries, those of a place put together if asked for.

    They are not scaled again, as in SUES-200: it would not change the ranking.
    """
    if how == "no":
        return query.descriptors, query.images.labels
    order = np.argsort(query.images.labels, kind="stable")
    labels, starts = np.unique(query.images.labels[order], return_index=True)
    ordered = query.descriptors[order]
    if how == "maximum":
        return np.maximum.reduceat(ordered, starts), labels
    counts = np.diff(np.append(starts, len(ordered)))
    return np.add.reduceat(ordered, starts) / counts[:, None].astype(np.float32), labels


def _distances(query: Embedded, gallery: Embedded) -> dict[str, Any]:
    first, second = query.images.positions, gallery.images.positions
    if first is None or second is None:
        return {}
    if not (np.isfinite(first.values).all() and np.isfinite(second.values).all()):
        return {}
    columns = first_columns(query.descriptors, gallery.descriptors, max(SDM_AT))
    return distance_figures(first, second, columns)
