"""Who was found for whom: the undisturbed ranking, query by query."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from skyfix.datasets.contract import Images, is_linked
from skyfix.evaluation.distances import distances_m
from skyfix.evaluation.metrics import JUNK
from skyfix.evaluation.protocol import (
    Direction,
    Embedded,
    Extraction,
    Measurement,
    matches_among,
    views_of,
)
from skyfix.evaluation.ranks import LabelMatches, LinkMatches, MatchRows

Verdict = Literal["right", "near", "wrong"]
_ORDER: tuple[Verdict, ...] = ("wrong", "near", "right")
"""Of equal scores, as ``evaluation.ranks`` has it."""


@dataclass(frozen=True)
class Hit:
    """A gallery image as the answer to a query.

    Attributes:
        column: its row in the gallery.
        score: dot product of the descriptors.
        verdict: ``near`` is a semi-positive.
        away_m: metres from the query, where positions are known.
    """

    column: int
    score: float
    verdict: Verdict
    away_m: float | None


@dataclass(frozen=True, eq=False)
class Ranking:
    """The ranking of one direction, distractors kept.

    Attributes:
        first_rank: ``(Q,)``, see ``RetrievalResult.first_rank``.
        matches: which gallery images are true.
        ranked: ``(G,)`` bool, gallery images that are no junk.
    """

    direction: Direction
    query: Embedded
    gallery: Embedded
    first_rank: np.ndarray
    matches: MatchRows
    ranked: np.ndarray

    def best(self, row: int, count: int) -> list[Hit]:
        """The first ``count`` answers to query ``row``."""
        scores, verdicts = self._judged(row)
        order = np.lexsort((verdicts, -scores))
        return [self._hit(row, int(column), scores, verdicts) for column in order[:count]]

    def truth(self, row: int) -> Hit | None:
        """The best of the true matches of query ``row``, None if there is none."""
        scores, verdicts = self._judged(row)
        true = np.flatnonzero(verdicts == _ORDER.index("right"))
        if not len(true):
            return None
        return self._hit(row, int(true[scores[true].argmax()]), scores, verdicts)

    @cached_property
    def query_places(self) -> list[str]:
        """Name of each query's place."""
        return _place_names(self.query.images)

    @cached_property
    def gallery_places(self) -> list[str]:
        """Name of each gallery image's place."""
        return _place_names(self.gallery.images)

    def query_file(self, row: int) -> Path:
        """Image file of a query."""
        return self.query.images.paths[row]

    def gallery_file(self, column: int) -> Path:
        """Image file of a gallery image."""
        return self.gallery.images.paths[column]

    def _judged(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and verdicts ``(G,)``, minus infinity for junk."""
        scores = self.gallery.descriptors @ self.query.descriptors[row]
        columns, valid, semi = (part[0].numpy() for part in self.matches.rows(slice(row, row + 1)))
        verdicts = np.full(len(scores), _ORDER.index("wrong"))
        verdicts[columns[valid & ~semi]] = _ORDER.index("right")
        verdicts[columns[valid & semi]] = _ORDER.index("near")
        verdicts[~self.ranked] = _ORDER.index("wrong")
        return np.where(self.ranked, scores, -np.inf), verdicts

    def _hit(self, row: int, column: int, scores: np.ndarray, verdicts: np.ndarray) -> Hit:
        away_m = None
        first, second = self.query.images.positions, self.gallery.images.positions
        if first is not None and second is not None:
            found = self.query.images.take(np.array([row])).positions
            metres = float(distances_m(found or first, second, np.array([[column]]))[0, 0])
            away_m = metres if np.isfinite(metres) else None
        return Hit(column, float(scores[column]), _ORDER[verdicts[column]], away_m)


def ranking_of(extraction: Extraction, plain: Measurement) -> Ranking:
    """The ranking that an undisturbed measurement has scored."""
    asking, searched = views_of(plain.direction)
    query = extraction.embedded("query", asking)
    gallery = extraction.embedded("gallery", searched)
    labels = gallery.images.labels
    matches: MatchRows
    if is_linked(extraction.dataset):
        links = matches_among(extraction.dataset, query, gallery, plain.direction)
        matches, ranked = LinkMatches(links), np.ones(len(labels), bool)
    else:
        matches, ranked = LabelMatches(query.images.labels, labels), labels != JUNK
    first_rank = (plain.links or plain.places["keep"]).first_rank
    return Ranking(plain.direction, query, gallery, first_rank, matches, ranked)


def _place_names(images: Images) -> list[str]:
    numbers = images.numbers
    labels = map(int, images.places) if numbers is None else numbers.tolist()
    names = dict(zip(labels, images.places, strict=True))
    return [names.get(label, "no place") for label in images.labels.tolist()]
