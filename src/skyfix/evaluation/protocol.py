"""Evaluation of a system on a data set: embed both sides, rank, score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from skyfix.datasets.contract import Images, RetrievalSet
from skyfix.errors import SkyfixError
from skyfix.evaluation.metrics import Distractors, RetrievalResult, evaluate_retrieval
from skyfix.images import ImageError
from skyfix.views import View

Direction = Literal["drone2satellite", "satellite2drone", "ground2satellite"]
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


def evaluate(
    embedder: FileEmbedder,
    dataset: RetrievalSet,
    direction: Direction = "drone2satellite",
    distractors: Distractors = "keep",
) -> Evaluation:
    """Embed the queries and the gallery of a data set and score the ranking.

    Unreadable images are left out, counted and reported: such a query is not asked, such a gallery
    image cannot be found.

    Args:
        embedder: makes the descriptors.
        dataset: gives queries and gallery.
        direction: which view asks and which is searched.
        distractors: see ``evaluate_retrieval``.

    Raises:
        SkyfixError: an unknown direction, a folder that is missing, or no readable image on one
            side.
    """
    if direction not in _VIEWS:
        raise SkyfixError(f"Unknown direction {direction!r}. Use {' or '.join(_VIEWS)}.")
    if distractors not in get_args(Distractors):
        # Before the hours of embedding, not after.
        raise SkyfixError(f"Unknown distractors rule {distractors!r}. Use keep or drop.")
    query_view, gallery_view = _VIEWS[direction]
    query, gallery = dataset.query(query_view), dataset.gallery(gallery_view)
    query_descriptors, query_labels, query_errors = _embed(embedder, query, query_view, "queries")
    descriptors, labels, errors = _embed(embedder, gallery, gallery_view, "gallery")
    result = evaluate_retrieval(
        query_descriptors, query_labels, descriptors, labels, distractors=distractors
    )
    return Evaluation(direction, result, (*query_errors, *errors))


def _embed(
    embedder: FileEmbedder, images: Images, view: View, side: str
) -> tuple[np.ndarray, np.ndarray, list[ImageError]]:
    descriptors, kept, unreadable = embedder.embed_files(
        images.paths, view, progress=f"{view} {side}", altitude_m=images.altitude_m
    )
    if len(kept) == 0:
        first = f" The first: {unreadable[0]}" if unreadable else ""
        raise SkyfixError(f"None of the {len(images)} {view} images ({side}) can be read.{first}")
    return descriptors, images.labels[kept], unreadable
