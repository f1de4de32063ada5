"""DenseUAV (Dai et al., TIP 2023): dense low flights over campuses, with positions."""

import re
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.reader import Part
from skyfix.datasets.split_folders import SIDES, Side, SplitFolders
from skyfix.errors import SkyfixError
from skyfix.views import View

# path E<lon> N<lat> height
_LINE = re.compile(r"(\S.*?)\s+E(-?[\d.]+)\s+N(-?[\d.]+)(?:\s+\S+)?\s*")


class DenseUAV(SplitFolders):
    """Reader of the folder that its authors publish.

    The galleries hold the training places too. A place has one position, which the text files
    tell; where they tell it twice, the last line counts, as in the authors' evaluation. Altitudes
    are those of the file names: ``H80.JPG`` was taken at 80 m.

    Args:
        root: the folder that holds ``train``, ``test`` and ``Dense_GPS_ALL.txt``.

    Raises:
        SkyfixError: neither half is there.
    """

    NAME: ClassVar[str] = "DenseUAV"
    PAPER: ClassVar[str] = "Dai et al., TIP 2023"
    VIEWS: ClassVar[tuple[View, ...]] = ("drone", "satellite")
    VIEW_FOLDERS: ClassVar[dict[View, str]] = {"drone": "drone", "satellite": "satellite"}
    TABLES: ClassVar[tuple[str, ...]] = (
        "Dense_GPS_ALL.txt",
        "Dense_GPS_train.txt",
        "Dense_GPS_test.txt",
    )
    """``ALL`` alone is enough, and so are the other two."""
    ALTITUDES_M: ClassVar[tuple[int, ...]] = (80, 90, 100)
    PLACES: ClassVar[dict[Side, int]] = {"train": 2_256, "query": 777, "gallery": 3_033}
    IMAGES: ClassVar[dict[View, int]] = {"drone": 3, "satellite": 6}
    """Per place: one photo at each altitude, and satellite images of three scales and two years."""

    def __init__(self, root: Path | str) -> None:
        super().__init__(root)
        self._require_half()

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds."""
        return tuple(
            self._part(side, view, self.PLACES[side] * self.IMAGES[view], self.PLACES[side])
            for side in SIDES
            for view in self.VIEWS
        )

    @cached_property
    def _lon_lat(self) -> dict[str, tuple[float, float]]:
        found = [self.root / name for name in self.TABLES if (self.root / name).is_file()]
        if not found:
            raise self.missing(self.TABLES[0], f"{self.TABLES[0]} with the place's positions")
        return {place: lon_lat for table in found for place, lon_lat in _positions(table)}

    def _described(self, images: Images, view: View) -> Images:
        known = self._lon_lat
        for place in images.places:
            if place not in known:
                raise SkyfixError(
                    f"The files {self.root}/Dense_GPS_*.txt tell no position of place {place}. "
                    "Add its line, or remove its folders."
                )
        values = np.array([known[path.parent.name] for path in images.paths], dtype=np.float64)
        positioned = replace(images, positions=Positions(values, "deg"))
        if view == "satellite":
            return positioned
        names = (re.fullmatch(r"H(\d{1,4})", path.stem) for path in images.paths)
        altitudes = [float(name[1]) if name else np.nan for name in names]
        return replace(positioned, altitude_m=np.array(altitudes))


def _positions(table: Path) -> list[tuple[str, tuple[float, float]]]:
    """Place and (lon, lat) of every line."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SkyfixError(f"Cannot read the table of positions {table}: {error}.") from error
    return [
        _position(line, f"{table}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _position(line: str, where: str) -> tuple[str, tuple[float, float]]:
    match = _LINE.fullmatch(line)
    place = PurePosixPath(match[1]).parent.name if match else ""
    try:
        lon, lat = (float(match[2]), float(match[3])) if match else (np.nan, np.nan)
    except ValueError:
        lon = lat = np.nan
    if not place or not (abs(lon) <= 180 and abs(lat) <= 90):
        raise SkyfixError(f"{where} is not a position. Expected path E<lon> N<lat> height.")
    return place, (lon, lat)
