"""CVUSA (Workman, Souvenir and Jacobs 2015; split of Zhai et al. 2017): panoramas and satellite."""

import csv
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.datasets.synthetic_pairs import generate
from skyfix.errors import SkyfixError
from skyfix.views import View

__all__ = ["CVUSA", "generate"]

# An int64 label holds no more digits for sure.
_MOST_DIGITS = 18


class CVUSA:
    """Reader of the published folder: split tables and the images they name.

    A place is a pair of one panorama and one satellite image; its label is the satellite file's
    name as a whole number. Queries and gallery are the places of the test table.

    Args:
        root: the folder that holds ``splits``, ``bingmap`` and ``streetview``.

    Raises:
        SkyfixError: neither split table is there.
    """

    TRAIN_TABLE: ClassVar[str] = "splits/train-19zl.csv"
    TEST_TABLE: ClassVar[str] = "splits/val-19zl.csv"
    COLUMNS: ClassVar[dict[View, int]] = {"satellite": 0, "ground": 1}
    """Columns of the tables, which have no header; a third one names an annotation."""
    TRAIN_PLACES: ClassVar[int] = 35_532
    TEST_PLACES: ClassVar[int] = 8_884
    SATELLITE_PX: ClassVar[int] = 750
    PANORAMA_PX: ClassVar[tuple[int, int]] = (224, 1232)
    """(height, width); north lies in the middle."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise SkyfixError(f"No such folder: {self.root}. See docs/datasets.md.")
        if not any((self.root / table).is_file() for table in (self.TRAIN_TABLE, self.TEST_TABLE)):
            raise self._missing(self.TRAIN_TABLE)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Names of the training places, in the order of their numbers.

        Raises:
            SkyfixError: the table is missing or malformed.
        """
        return tuple(pair[0].stem for pair in self._pairs(self.TRAIN_TABLE))

    def train(self, view: View) -> Images:
        """Training images of one view.

        Raises:
            SkyfixError: an unknown view; a table that is missing or malformed; a missing image.
        """
        return self._images(self.TRAIN_TABLE, view)

    def query(self, view: View) -> Images:
        """Test images that are asked for."""
        return self._images(self.TEST_TABLE, view)

    def gallery(self, view: View) -> Images:
        """Test images that are searched: the same as ``query`` of that view."""
        return self._images(self.TEST_TABLE, view)

    def _images(self, table: str, view: View) -> Images:
        if view not in self.COLUMNS:
            raise SkyfixError(f"CVUSA has no {view} images. Use {' or '.join(self.COLUMNS)}.")
        pairs = self._pairs(table)
        paths = tuple(self.root / pair[self.COLUMNS[view]] for pair in pairs)
        for path in paths:
            if not path.is_file():
                raise SkyfixError(
                    f"{self.root / table} names {path}, which is not there. "
                    "Add the image or remove the row."
                )
        places = tuple(pair[0].stem for pair in pairs)
        return Images(paths, np.array([int(place) for place in places], dtype=np.int64), places)

    def _pairs(self, table: str) -> list[tuple[PurePosixPath, PurePosixPath]]:
        """Satellite and ground path of each place, in the order of the places' numbers."""
        path = self.root / table
        if not path.is_file():
            raise self._missing(table)
        try:
            with path.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.reader(stream) if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SkyfixError(f"Cannot read the split table {path}: {error}.") from error
        pairs = [_pair(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]
        if not pairs:
            raise SkyfixError(f"The split table {path} is empty. Expected one row a place.")
        pairs.sort(key=lambda pair: int(pair[0].stem))
        for (first, _), (second, _) in pairwise(pairs):
            if int(first.stem) == int(second.stem):
                raise SkyfixError(f"{path} names place {second.stem} twice. Remove a row.")
        return pairs

    def _missing(self, table: str) -> SkyfixError:
        return SkyfixError(
            f"Not a CVUSA folder: {self.root} has no {table}. Expected splits/, bingmap/19/ and "
            "streetview/panos/. See docs/datasets.md."
        )


def _pair(row: list[str], where: str) -> tuple[PurePosixPath, PurePosixPath]:
    if len(row) < len(CVUSA.COLUMNS):
        raise SkyfixError(f"{where} names no pair. Expected satellite,ground,annotation.")
    satellite, ground = (PurePosixPath(cell.strip()) for cell in row[: len(CVUSA.COLUMNS)])
    for path in (satellite, ground):
        if path.is_absolute() or ".." in path.parts or "\0" in str(path):
            raise SkyfixError(f"{where} leads out of the data set: {str(path)!r}. Correct it.")
    place = satellite.stem
    if not (place.isascii() and place.isdecimal() and len(place) <= _MOST_DIGITS):
        raise SkyfixError(f"{where}: the satellite image {satellite} is not named by a number.")
    return satellite, ground
