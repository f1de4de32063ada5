"""CVUSA (Workman, Souvenir and Jacobs 2015; split of Zhai et al. 2017): panoramas and satellite."""

import csv
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.folders import is_number
from skyfix.datasets.reader import MissingPartError, Part, Reader, inside, require_files
from skyfix.datasets.synthetic_pairs import generate
from skyfix.errors import SkyfixError
from skyfix.views import View

__all__ = ["CVUSA", "generate"]


class CVUSA(Reader):
    """Reader of the published folder: split tables and the images they name.

    A place is a pair of one panorama and one satellite image; its label is the satellite file's
    name as a whole number. Queries and gallery are the places of the test table. Positions are
    given if ``split_locations/all.csv`` is there.

    Args:
        root: the folder that holds ``splits``, ``bingmap`` and ``streetview``.

    Raises:
        SkyfixError: neither split table is there.
    """

    NAME: ClassVar[str] = "CVUSA"
    PAPER: ClassVar[str] = "Workman, Souvenir and Jacobs, ICCV 2015"
    VIEWS: ClassVar[tuple[View, ...]] = ("satellite", "ground")
    TRAIN_TABLE: ClassVar[str] = "splits/train-19zl.csv"
    TEST_TABLE: ClassVar[str] = "splits/val-19zl.csv"
    COLUMNS: ClassVar[dict[View, int]] = {"satellite": 0, "ground": 1}
    """Columns of the tables, which have no header; a third one names an annotation."""
    POSITION_TABLE: ClassVar[str] = "split_locations/all.csv"
    """Row n belongs to place n: lat and lon of the satellite image, then of the photo."""
    POSITION_COLUMNS: ClassVar[dict[View, int]] = {"satellite": 0, "ground": 2}
    # Both numbers are recalled, not verified.
    TRAIN_PLACES: ClassVar[int] = 35_532
    TEST_PLACES: ClassVar[int] = 8_884
    SATELLITE_PX: ClassVar[int] = 750
    PANORAMA_PX: ClassVar[tuple[int, int]] = (224, 1232)
    """(height, width); north lies in the middle."""

    def __init__(self, root: Path | str) -> None:
        super().__init__(root)
        if not any((self.root / table).is_file() for table in (self.TRAIN_TABLE, self.TEST_TABLE)):
            raise self._no_table(self.TRAIN_TABLE)

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

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds."""
        train, test = self.TRAIN_PLACES, self.TEST_PLACES
        return (
            *(self.part("train", view, train, train, certain=False) for view in self.VIEWS),
            *(self.part("query", view, test, test, certain=False) for view in self.VIEWS),
            *(self.part("gallery", view, test, test, certain=False) for view in self.VIEWS),
        )

    def _images(self, table: str, view: View) -> Images:
        if view not in self.COLUMNS:
            raise self.no_view(view)
        pairs = self._pairs(table)
        paths = tuple(self.root / pair[self.COLUMNS[view]] for pair in pairs)
        require_files(paths, self.root / table)
        places = tuple(pair[0].stem for pair in pairs)
        labels = np.array([int(place) for place in places], dtype=np.int64)
        return Images(paths, labels, places, self._positions(labels, view))

    def _positions(self, labels: np.ndarray, view: View) -> Positions | None:
        if self._lat_lon is None:
            return None
        if not 1 <= labels.min() <= labels.max() <= len(self._lat_lon):
            raise SkyfixError(
                f"{self.root / self.POSITION_TABLE} has {len(self._lat_lon)} rows, one a place, "
                f"but there are places {labels.min()} to {labels.max()}. Remove it, or complete it."
            )
        first = self.POSITION_COLUMNS[view]
        return Positions(self._lat_lon[labels - 1, first : first + 2][:, ::-1], "deg")

    @cached_property
    def _lat_lon(self) -> np.ndarray | None:
        """(lat, lon) of the satellite image and of the photo, ``(P, 4)``."""
        table = self.root / self.POSITION_TABLE
        if not table.is_file():
            return None
        try:
            return np.loadtxt(table, delimiter=",", usecols=range(4), ndmin=2, dtype=np.float64)
        except (OSError, ValueError) as error:
            raise SkyfixError(f"Cannot read the table of positions {table}: {error}.") from error

    def _pairs(self, table: str) -> list[tuple[PurePosixPath, PurePosixPath]]:
        """Satellite and ground path of each place, in the order of the places' numbers."""
        path = self.root / table
        if not path.is_file():
            raise self._no_table(table)
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

    def _no_table(self, table: str) -> MissingPartError:
        return self.missing(table, "splits/, bingmap/19/ and streetview/panos/")


def _pair(row: list[str], where: str) -> tuple[PurePosixPath, PurePosixPath]:
    if len(row) < len(CVUSA.COLUMNS):
        raise SkyfixError(f"{where} names no pair. Expected satellite,ground,annotation.")
    satellite, ground = (inside(cell, where) for cell in row[: len(CVUSA.COLUMNS)])
    if not is_number(satellite.stem):
        raise SkyfixError(f"{where}: the satellite image {satellite} is not named by a number.")
    return satellite, ground
