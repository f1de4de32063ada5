"""What every reader of a data set gives."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeGuard

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.views import View


@dataclass(frozen=True, eq=False)
class Positions:
    """Where images were taken, or what ground they show.

    Attributes:
        values: ``(N, 2)`` float64; NaN where unknown.
        unit: ``deg`` for (lon, lat) in WGS 84, ``m`` for (x, y) on a map of the data set's own.
    """

    values: np.ndarray
    unit: Literal["deg", "m"] = "deg"


@dataclass(frozen=True, eq=False)
class Images:
    """Image files of one view, in order of place, then of file name.

    Attributes:
        paths: image files.
        labels: ``(N,)`` int64, the place of each image.
        places: names of the places, in the order of their numbers; also those without an image.
        positions: of each image, as far as the data set tells them.
        altitude_m: ``(N,)`` float64 above ground, NaN where unknown.
        numbers: ``(P,)`` int64, the label of each place; ``None`` where it is the name itself as
            a whole number.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    places: tuple[str, ...]
    positions: Positions | None = None
    altitude_m: np.ndarray | None = None
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: np.ndarray) -> "Images":
        """Some of the images, in the order of ``rows`` ``(M,)``; the places stay."""
        positions, altitude_m = self.positions, self.altitude_m
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            labels=self.labels[rows],
            positions=positions and replace(positions, values=positions.values[rows]),
            altitude_m=None if altitude_m is None else altitude_m[rows],
        )

    def only(self, places: Iterable[str]) -> "Images":
        """The images of some of the places.

        Raises:
            SkyfixError: a place that is not among ``self.places``.
        """
        chosen = set(places)
        for unknown in sorted(chosen.difference(self.places)):
            raise SkyfixError(f"No place {unknown} among {len(self.places)} places.")
        rows = [row for row, place in enumerate(self.places) if place in chosen]
        ordered = tuple(self.places[row] for row in rows)
        numbers = None if self.numbers is None else self.numbers[rows]
        labels = [int(place) for place in ordered] if numbers is None else numbers
        kept = self.take(np.flatnonzero(np.isin(self.labels, labels)))
        return replace(kept, places=ordered, numbers=numbers)


@dataclass(frozen=True, eq=False)
class Matches:
    """Gallery images that are true matches, query by query, where a label cannot tell them.

    The matches of query i are ``columns[start[i]:start[i + 1]]``.

    Attributes:
        start: ``(Q + 1,)`` int64, ascending from 0.
        columns: ``(M,)`` int64 rows of the gallery.
        overlap: ``(M,)`` float64, intersection over union of both footprints; 1 where unknown.
        semi: ``(M,)`` bool, true for semi-positives: they overlap, but too little to count.
    """

    start: np.ndarray
    columns: np.ndarray
    overlap: np.ndarray
    semi: np.ndarray

    def only(self, queries: np.ndarray, gallery: np.ndarray, gallery_size: int) -> "Matches":
        """The matches among some queries and some of ``gallery_size`` gallery rows, renumbered."""
        number = np.full(gallery_size, -1, np.int64)
        number[gallery] = np.arange(len(gallery))
        asked = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        rank = np.full(len(self.start) - 1, -1, np.int64)
        rank[queries] = np.arange(len(queries))
        kept = np.flatnonzero((rank[asked] >= 0) & (number[self.columns] >= 0))
        kept = kept[np.argsort(rank[asked[kept]], kind="stable")]
        counts = np.bincount(rank[asked[kept]], minlength=len(queries))
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Matches(start, number[self.columns[kept]], self.overlap[kept], self.semi[kept])


class RetrievalSet(Protocol):
    """A data set with queries and a gallery."""

    @property
    def views(self) -> tuple[View, ...]:
        """What its images were taken from."""
        ...

    def query(self, view: View) -> Images:
        """Images that are asked for."""
        ...

    def gallery(self, view: View) -> Images:
        """Images that are searched."""
        ...


class PlaceSet(RetrievalSet, Protocol):
    """A data set with training places, queries and a gallery."""

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the training places, the same for every view."""
        ...

    def train(self, view: View) -> Images:
        """Training images of one view."""
        ...


class LinkedSet(RetrievalSet, Protocol):
    """A data set whose pairs overlap in part, so that links replace the labels.

    A tile's label is its own; a photo's is that of the tile it overlaps most.
    """

    def train(self, view: View) -> Images:
        """Training images of one view."""
        ...

    def train_matches(self) -> Matches:
        """From the training images of the asking view to those of the satellite view."""
        ...

    def matches(self, query_view: View) -> Matches:
        """From the queries of a view to the gallery of the other one."""
        ...


def is_linked(dataset: RetrievalSet) -> TypeGuard[LinkedSet]:
    """Whether a data set tells its true matches by links and not by labels."""
    return hasattr(dataset, "matches")
