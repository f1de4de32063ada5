"""Links between photos and tiles, and the readers' base class that serves them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from skyfix.datasets.contract import Images, Matches
from skyfix.datasets.reader import Reader
from skyfix.errors import SkyfixError
from skyfix.views import View


@dataclass(frozen=True, eq=False)
class Links:
    """Photos and tiles of one split, and which show the same ground."""

    photos: Images
    tiles: Images
    matches: Matches
    """From the photos to the tiles."""


def matches_of(
    queries: int,
    rows: Sequence[int] | np.ndarray,
    columns: Sequence[int] | np.ndarray,
    overlap: Sequence[float] | np.ndarray,
    semi: Sequence[bool] | np.ndarray,
) -> Matches:
    """Matches from M links in any order.

    Args:
        queries: number of queries Q.
        rows: ``(M,)`` query of each link.
        columns: ``(M,)`` gallery image of each link.
        overlap: ``(M,)`` intersection over union, 1 where unknown.
        semi: ``(M,)`` whether the link is a semi-positive.
    """
    row, column = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    order = np.lexsort((column, row))
    return Matches(
        start=np.searchsorted(row[order], np.arange(queries + 1)).astype(np.int64),
        columns=column[order],
        overlap=np.asarray(overlap, dtype=np.float64)[order],
        semi=np.asarray(semi, dtype=bool)[order],
    )


def rows_of(matches: Matches) -> np.ndarray:
    """Query of each link, ``(M,)`` int64."""
    return np.repeat(np.arange(len(matches.start) - 1), np.diff(matches.start))


def turned(matches: Matches, gallery: int) -> Matches:
    """The same links asked from the other side; ``gallery`` is the number of its images."""
    return matches_of(gallery, matches.columns, rows_of(matches), matches.overlap, matches.semi)


def taken(matches: Matches, queries: np.ndarray) -> Matches:
    """The links of some of the queries, in the order of ``queries`` ``(N,)``."""
    counts = np.diff(matches.start)[queries]
    begin = np.repeat(matches.start[queries] - np.cumsum(counts) + counts, counts)
    links = begin + np.arange(int(counts.sum()))
    return Matches(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        columns=matches.columns[links],
        overlap=matches.overlap[links],
        semi=matches.semi[links],
    )


def with_positive(matches: Matches) -> np.ndarray:
    """Queries that have a match which is not a semi-positive, ascending."""
    return np.unique(rows_of(matches)[~matches.semi])


def best_tiles(matches: Matches) -> np.ndarray:
    """Gallery image that each query overlaps most, positives first, ``(Q,)``; -1 without links."""
    order = np.lexsort((-matches.overlap, matches.semi, rows_of(matches)))
    best = np.full(len(matches.start) - 1, -1, dtype=np.int64)
    linked = np.diff(matches.start) > 0
    best[linked] = matches.columns[order[matches.start[:-1][linked]]]
    return best


def in_order(labels: np.ndarray, paths: Sequence[Path]) -> np.ndarray:
    """Rows in order of label, then of path."""
    return np.lexsort((np.array([str(path) for path in paths], dtype=np.str_), labels))


class LinkReader(Reader):
    """Base of the readers whose pairs are links; satellite tiles are one of the two views."""

    @property
    def photo_view(self) -> View:
        """What the photos, which are linked to tiles, were taken from."""
        return next(view for view in self.views if view != "satellite")

    @abstractmethod
    def links(self, split: Literal["train", "test"]) -> Links:
        """Photos, tiles and links of a split."""

    def train(self, view: View) -> Images:
        """Training images of one view; tiles are those that a training photo is linked to.

        Raises:
            SkyfixError: an unknown view, or a split that is missing or malformed.
        """
        return self._side("train", view)

    def train_matches(self) -> Matches:
        """From the training photos to the training tiles."""
        return self.links("train").matches

    def query(self, view: View) -> Images:
        """Test images that are asked for: those with a true match.

        Raises:
            SkyfixError: as ``train``.
        """
        return self._side("test", view).take(self._asking(view))

    def gallery(self, view: View) -> Images:
        """Test images that are searched: all of them."""
        return self._side("test", view)

    def matches(self, query_view: View) -> Matches:
        """From the queries of a view to the gallery of the other one."""
        return taken(self._matches(query_view), self._asking(query_view))

    def _asking(self, view: View) -> np.ndarray:
        return with_positive(self._matches(view))

    def _matches(self, view: View) -> Matches:
        links = self.links("test")
        if view == "satellite":
            return turned(links.matches, len(links.tiles))
        return links.matches

    def _side(self, split: Literal["train", "test"], view: View) -> Images:
        if view not in self.views:
            raise self.no_view(view)
        links = self.links(split)
        return links.tiles if view == "satellite" else links.photos


class AreaReader(LinkReader):
    """Base of the linked data sets whose training and test lie on the same ground or apart.

    Args:
        root: the folder of the data set.
        area: one of ``CHOICES``.

    Raises:
        SkyfixError: there is no such folder, or another area.
    """

    CHOICES: ClassVar[tuple[str, ...]] = ("same", "cross")

    def __init__(self, root: Path | str, area: str) -> None:
        super().__init__(root)
        if area not in self.CHOICES:
            raise SkyfixError(f"{self.NAME} has no area {area!r}. Use {' or '.join(self.CHOICES)}.")
        self.area = area
        self._links: dict[str, Links] = {}

    def links(self, split: Literal["train", "test"]) -> Links:
        """Photos, tiles and links of a split, read once; test tiles are all tiles.

        Raises:
            SkyfixError: a list or table that is missing or malformed, or a missing image.
        """
        if split not in self._links:
            self._links[split] = self._read(split)
        return self._links[split]

    @abstractmethod
    def _read(self, split: Literal["train", "test"]) -> Links: ...
