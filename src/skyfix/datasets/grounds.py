"""Ground that training pairs are taken from: real pairs, and pictures that pairs are cut from.

A folder holds ``sources.csv`` and one folder for each source. A source of **pairs** has a table
``pairs.csv``, one row a photo; a source of **grounds** has a table ``grounds.csv``, one row a
picture of ground that is large enough to cut tiles from.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.errors import SkyfixError
from skyfix.views import View

SOURCE_TABLE, PAIR_TABLE, GROUND_TABLE = "sources.csv", "pairs.csv", "grounds.csv"
SOURCE_COLUMNS = ("folder", "share", "together")
PAIR_COLUMNS = ("satellite", "drone", "place", "cluster", "apart")
GROUND_COLUMNS = ("file", "other", "least_px", "most_px")


@dataclass(frozen=True)
class Pair:
    """A satellite image and a photo of one place.

    Attributes:
        satellite, drone: image files.
        place: pairs of one place show the same ground, so they may not meet in a batch.
        cluster: places of one cluster lie beside each other and meet in a batch on purpose.
    """

    satellite: Path
    drone: Path
    place: str
    cluster: str


@dataclass(frozen=True)
class Ground:
    """A picture of ground, seen from above.

    Attributes:
        file: what tiles are cut from.
        other: another picture of the same ground, pixel for pixel, that photos are made from;
            None takes ``file`` for both.
        least_px, most_px: side of a tile in px of the picture.
    """

    file: Path
    other: Path | None
    least_px: int
    most_px: int


@dataclass(frozen=True)
class Source:
    """One kind of training ground.

    Attributes:
        name: of its folder.
        share: of the pairs of a batch.
        together: how many places of a cluster, or tiles of a ground, meet in a batch.
        items: pairs or grounds, never both.
    """

    name: str
    share: float
    together: int
    items: tuple[Pair, ...] | tuple[Ground, ...]


class Grounds:
    """Reader of such a folder. Pairs that are marked ``apart`` are for validation only.

    Args:
        root: the folder that holds ``sources.csv``.

    Raises:
        SkyfixError: a table is missing or malformed, or a source is empty.
    """

    views: tuple[View, ...] = ("satellite", "drone")

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._apart: list[Pair] = []
        self._searched: dict[Path, str] = {}
        self.sources = tuple(self._source(row) for row in _rows(self.root / SOURCE_TABLE))
        if not self.sources:
            raise SkyfixError(f"{self.root / SOURCE_TABLE} names no source. Add one.")

    def query(self, view: View) -> Images:
        """Photos, or satellite images, of the pairs that are kept apart."""
        if view == "satellite":
            return self._images({pair.satellite: pair.place for pair in self._apart})
        return self._images({pair.drone: pair.place for pair in self._apart})

    def gallery(self, view: View) -> Images:
        """What is searched: of the satellite view, the training places too."""
        return self._images(self._searched) if view == "satellite" else self.query(view)

    def _images(self, places: dict[Path, str]) -> Images:
        names = tuple(sorted(set(self._searched.values())))
        numbers = np.arange(len(names), dtype=np.int64)
        labels = np.searchsorted(names, list(places.values())).astype(np.int64)
        return Images(tuple(places), labels, names, numbers=numbers)

    def _source(self, row: dict[str, str]) -> Source:
        folder = self.root / row["folder"]
        share, together = _number(row, "share"), _count(row, "together")
        if (folder / PAIR_TABLE).exists():
            return Source(folder.name, share, together, self._pairs(folder))
        grounds = tuple(
            Ground(
                folder / one["file"],
                folder / one["other"] if one["other"] else None,
                _count(one, "least_px"),
                _count(one, "most_px"),
            )
            for one in _rows(folder / GROUND_TABLE)
        )
        if not grounds:
            raise SkyfixError(f"{folder / GROUND_TABLE} is empty. Add a picture of ground.")
        return Source(folder.name, share, together, grounds)

    def _pairs(self, folder: Path) -> tuple[Pair, ...]:
        kept: list[Pair] = []
        rows = _rows(folder / PAIR_TABLE)
        held_out = any(row["apart"] == "1" for row in rows)
        for row in rows:
            pair = Pair(folder / row["satellite"], folder / row["drone"], row["place"],
                        row["cluster"])  # fmt: skip
            if held_out:
                self._searched[pair.satellite] = pair.place
            (self._apart if row["apart"] == "1" else kept).append(pair)
        if not kept:
            raise SkyfixError(f"{folder / PAIR_TABLE} holds no training pair. Add some.")
        return tuple(kept)


def _rows(path: Path) -> Sequence[dict[str, str]]:
    wanted = {SOURCE_TABLE: SOURCE_COLUMNS, PAIR_TABLE: PAIR_COLUMNS, GROUND_TABLE: GROUND_COLUMNS}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(
            f"Cannot read {path}: {error}. Write it with benchmarks/skyfix_s_data.py."
        ) from error
    columns = wanted[path.name]
    for number, row in enumerate(rows, 2):
        if any(row.get(column) is None for column in columns):
            raise SkyfixError(f"{path}, line {number}: give {', '.join(columns)}.")
    return rows


def _number(row: dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise SkyfixError(f"{column} is no number above 0: {row[column]!r}. Correct the table.")
    return value


def _count(row: dict[str, str], column: str) -> int:
    """A number of at least one, in whole steps."""
    return math.ceil(_number(row, column))
