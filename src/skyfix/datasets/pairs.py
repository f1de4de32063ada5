"""A user's own table of photos and the satellite tiles that show the same ground."""

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.links import (
    LinkReader,
    Links,
    best_tiles,
    in_order,
    matches_of,
    rows_of,
    taken,
)
from skyfix.datasets.pairs_table import SPLITS, PairRow, Split, read_pairs
from skyfix.datasets.reader import MissingPartError, Part, Reader, Role, require_files
from skyfix.views import View


class Pairs(LinkReader):
    """Reader of a CSV with the columns ``query`` and ``positives``, and what else is known.

    Paths are relative to the table; several positives are separated by ``;``. The columns ``lon``
    and ``lat`` tell where a photo was taken, ``split`` is ``train`` or ``test`` (without it, every
    row is for testing). A test row without a query adds tiles that nobody asks for to the gallery.

    ``Pairs.open`` gives the simpler ``PairPlaces`` where the rows form places.

    Args:
        root: the table, or a folder that holds ``pairs.csv``.
        view: what the queries were taken from: ``drone`` or ``ground``.

    Raises:
        SkyfixError: a table that is missing or malformed, or a missing image.
    """

    NAME: ClassVar[str] = "table of pairs"
    PAPER: ClassVar[str] = "your own images"
    VIEWS: ClassVar[tuple[View, ...]] = ("drone", "satellite")
    CHOICES: ClassVar[tuple[str, ...]] = ("drone", "ground")
    TABLE: ClassVar[str] = "pairs.csv"

    def __init__(self, root: Path | str, view: View = "drone") -> None:
        table = Path(root)
        self.table = table / self.TABLE if table.is_dir() else table
        super().__init__(self.table.parent)
        self.views = (view, "satellite")
        rows = read_pairs(self.table)
        tiles = {name for row in rows for name in row.tiles}
        require_files(
            [self.root / name for name in sorted(tiles.union(row.query for row in rows) - {""})],
            self.table,
        )
        self._tiles = tuple(sorted(tiles))
        self._links: dict[str, Links] = {
            split: self._linked([row for row in rows if row.split == split])
            for split in SPLITS
            if any(row.split == split for row in rows)
        }

    @classmethod
    def open(cls, root: str, choice: str) -> Reader:
        """The table as places if labels can tell its matches, else as links."""
        pairs = super().open(root, choice)
        assert isinstance(pairs, Pairs)
        return PairPlaces(pairs) if pairs.forms_places() else pairs

    def links(self, split: Split) -> Links:
        """Photos, tiles and links of a split.

        Raises:
            SkyfixError: no row is of that split.
        """
        if split not in self._links:
            raise MissingPartError(
                f"No row of {self.table} is for {split}ing. Say in a column split which rows are "
                "train and which are test."
            )
        return self._links[split]

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that the table has rows of."""
        return tuple(self._links)

    def forms_places(self) -> bool:
        """Whether photos that share a tile share all, so that labels can tell the matches."""
        for links in self._links.values():
            matches = links.matches
            shown: dict[int, bytes] = {}
            for begin, end in pairwise(matches.start.tolist()):
                columns = matches.columns[begin:end]
                for column in columns.tolist():
                    if shown.setdefault(column, columns.tobytes()) != columns.tobytes():
                        return False
        return True

    def parts(self) -> tuple[Part, ...]:
        """What the table names; nothing was published to compare it with."""
        return _parts(self, self.splits)

    def _linked(self, rows: list[PairRow]) -> Links:
        names = sorted({name for row in rows for name in row.tiles})
        row_of = {name: row for row, name in enumerate(names)}
        numbers = np.searchsorted(self._tiles, names).astype(np.int64)
        tiles = Images(
            tuple(self.root / name for name in names), numbers, tuple(names), numbers=numbers
        )
        photos = [row for row in rows if row.query]
        links = [(row, row_of[name]) for row, photo in enumerate(photos) for name in photo.tiles]
        asking, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
        one, never = np.ones(len(links)), np.zeros(len(links), dtype=bool)
        matches = matches_of(len(photos), asking, columns, one, never)
        paths = tuple(self.root / photo.query for photo in photos)
        lon_lat = np.array([photo.lon_lat for photo in photos], dtype=np.float64).reshape(-1, 2)
        labels = numbers[best_tiles(matches)]
        order = in_order(labels, paths)
        positions = None if np.isnan(lon_lat).all() else Positions(lon_lat, "deg")
        images = Images(paths, labels, tiles.places, positions, numbers=numbers)
        return Links(images.take(order), tiles, taken(matches, order))


class PairPlaces(Reader):
    """A table of pairs whose photos form places, so that every system can train with it.

    A place is what shares its tiles; its name is that of its first tile.

    Args:
        pairs: a table for which ``forms_places`` holds.
    """

    NAME: ClassVar[str] = Pairs.NAME
    PAPER: ClassVar[str] = Pairs.PAPER
    VIEWS: ClassVar[tuple[View, ...]] = Pairs.VIEWS

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs.root)
        self.views = pairs.views
        self._pairs = pairs

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the training places."""
        return self.train("satellite").places

    def train(self, view: View) -> Images:
        """Training images of one view.

        Raises:
            SkyfixError: an unknown view, or no row for training.
        """
        return self._images("train", view)

    def query(self, view: View) -> Images:
        """Test images that are asked for: those with a true match."""
        photos = self._images("test", self._pairs.photo_view)
        images = self._images("test", view)
        return images.take(np.flatnonzero(np.isin(images.labels, photos.labels)))

    def gallery(self, view: View) -> Images:
        """Test images that are searched."""
        return self._images("test", view)

    def parts(self) -> tuple[Part, ...]:
        """What the table names; nothing was published to compare it with."""
        return _parts(self, self._pairs.splits)

    def _images(self, split: Split, view: View) -> Images:
        if view not in self.views:
            raise self.no_view(view)
        links = self._pairs.links(split)
        first = np.arange(len(links.tiles))
        first[links.matches.columns] = best_tiles(links.matches)[rows_of(links.matches)]
        kept = np.unique(first)
        names = tuple(links.tiles.places[row] for row in kept.tolist())
        numbers = links.tiles.labels[kept]
        images = links.photos
        if view == "satellite":
            images = replace(links.tiles, labels=links.tiles.labels[first])
            images = images.take(in_order(images.labels, images.paths))
        return replace(images, places=names, numbers=numbers)


def _parts(reader: Pairs | PairPlaces, splits: Collection[str]) -> tuple[Part, ...]:
    roles: tuple[tuple[str, Role], ...] = (
        ("train", "train"),
        ("test", "query"),
        ("test", "gallery"),
    )
    return tuple(
        reader.part(role, view) for split, role in roles if split in splits for view in reader.views
    )
