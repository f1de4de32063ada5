"""VIGOR (Zhu, Yang and Chen, CVPR 2021): panoramas anywhere on overlapping satellite tiles."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.links import AreaReader, Links, in_order, matches_of
from skyfix.datasets.reader import Part, inside, require_files
from skyfix.errors import SkyfixError
from skyfix.views import View

# satellite_<lat>_<lon>.png and <name>,<lat>,<lon>,.jpg
_COORDINATES = re.compile(r"[_,](-?\d{1,3}\.\d+)[_,](-?\d{1,3}\.\d+),?\.\w+$")


class Vigor(AreaReader):
    """Reader of the published folder: split tables and the images they name.

    Every panorama lies in the middle of one tile (its positive) and near the edge of three more
    (semi-positives). The gallery is all tiles of the test cities. Images may lie in
    ``{satellite,ground}/<City>`` or in ``<City>/{satellite,panorama}``.

    Args:
        root: the folder that holds ``splits``.
        area: ``same``, training and test in all four cities, or ``cross``, training in two cities
            and test in the other two.

    Raises:
        SkyfixError: no splits, or another area.
    """

    NAME: ClassVar[str] = "VIGOR"
    PAPER: ClassVar[str] = "Zhu, Yang and Chen, CVPR 2021"
    VIEWS: ClassVar[tuple[View, ...]] = ("satellite", "ground")
    CHOICE_OF: ClassVar[str] = "area: training and test in the same cities or in others"
    CITIES: ClassVar[tuple[str, ...]] = ("Chicago", "NewYork", "SanFrancisco", "Seattle")
    CROSS_CITIES: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("NewYork", "Seattle"),
        "test": ("Chicago", "SanFrancisco"),
    }
    TILE_LIST: ClassVar[str] = "satellite_list.txt"
    TABLES: ClassVar[dict[str, str]] = {
        "same": "same_area_balanced_{}.txt",
        "cross": "pano_label_balanced.txt",
    }
    COLUMNS: ClassVar[int] = 13
    """Panorama, then four times a tile and the panorama's offset from its centre (px)."""
    TILE_COLUMNS: ClassVar[tuple[int, ...]] = (1, 4, 7, 10)
    """The positive and three semi-positives."""
    # A tile's label is its line in its city's list plus this much for every city before it, so
    # that it does not depend on which cities are there.
    CITY_LABELS: ClassVar[int] = 1_000_000

    def __init__(self, root: Path | str, area: str) -> None:
        super().__init__(root, area)
        if not (self.root / "splits").is_dir():
            raise self.missing("splits", f"splits/<City>/{self.TILE_LIST} and the split tables")

    def parts(self) -> tuple[Part, ...]:
        """What there is to read; how many images were published is not known here."""
        return (
            self.part("train", "ground"),
            self.part("train", "satellite"),
            self.part("query", "ground"),
            self.part("gallery", "satellite"),
        )

    def _read(self, split: Literal["train", "test"]) -> Links:
        cities = self.CITIES if self.area == "same" else self.CROSS_CITIES[split]
        tiles = self._tiles(cities)
        row_of = {name: row for row, name in enumerate(tiles.places)}
        panoramas: list[Path] = []
        linked: list[list[int]] = []
        for city in cities:
            table = self.root / "splits" / city / self.TABLES[self.area].format(split)
            folder = self._folder(city, "ground", "panorama")
            known = len(panoramas)
            for where, cells in self._lines(table):
                panoramas.append(folder / inside(cells[0], where))
                linked.append(
                    [_row(row_of, f"{city}/{cells[i]}", where) for i in self.TILE_COLUMNS]
                )
            require_files(panoramas[known:], table)
        columns = np.array(linked, dtype=np.int64).reshape(-1, len(self.TILE_COLUMNS))
        labels = tiles.labels[columns[:, 0]]
        order = in_order(labels, panoramas)
        photos = Images(
            tuple(panoramas), labels, tiles.places, _positions(panoramas), numbers=tiles.numbers
        ).take(order)
        columns = columns[order]
        if split == "train":
            named, columns = np.unique(columns, return_inverse=True)
            tiles = tiles.take(named)
        semi = np.tile(np.arange(len(self.TILE_COLUMNS)) > 0, (len(photos), 1))
        rows = np.repeat(np.arange(len(photos)), len(self.TILE_COLUMNS))
        matches = matches_of(len(photos), rows, columns.ravel(), np.ones(semi.size), semi.ravel())
        return Links(photos, tiles, matches)

    def _tiles(self, cities: tuple[str, ...]) -> Images:
        """All tiles of some cities."""
        paths: list[Path] = []
        labels: list[int] = []
        places: list[str] = []
        for city in cities:
            table = self.root / "splits" / city / self.TILE_LIST
            folder = self._folder(city, "satellite", "satellite")
            listed = [inside(cells[0], where) for where, cells in self._lines(table, columns=1)]
            if len(set(listed)) < len(listed):
                raise SkyfixError(f"{table} lists a tile twice. Remove a line.")
            require_files([folder / name for name in listed], table)
            first = self.CITIES.index(city) * self.CITY_LABELS
            paths += [folder / name for name in listed]
            labels += range(first, first + len(listed))
            places += [f"{city}/{name}" for name in listed]
        numbers = np.array(labels, dtype=np.int64)
        return Images(tuple(paths), numbers, tuple(places), _positions(paths), numbers=numbers)

    def _folder(self, city: str, first: str, second: str) -> Path:
        """``<first>/<City>`` or ``<City>/<second>``, whichever is there."""
        for folder in (self.root / first / city, self.root / city / second):
            if folder.is_dir():
                return folder
        raise self.missing(f"{first}/{city}", f"{first}/{city}/ or {city}/{second}/")

    def _lines(self, table: Path, columns: int = COLUMNS) -> Iterator[tuple[str, list[str]]]:
        """Where each line stands, and its cells."""
        if not table.is_file():
            name = table.relative_to(self.root)
            raise self.missing(str(name), f"{name} of the published splits")
        try:
            lines = table.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SkyfixError(f"Cannot read the split table {table}: {error}.") from error
        if not lines:
            raise SkyfixError(f"The split table {table} is empty. Download it again.")
        for number, line in enumerate(lines, start=1):
            cells = line.split()
            where = f"{table}, line {number}"
            if len(cells) != columns:
                raise SkyfixError(f"{where} has {len(cells)} columns. Expected {columns}.")
            yield where, cells


def _row(row_of: dict[str, int], name: str, where: str) -> int:
    if name not in row_of:
        raise SkyfixError(f"{where} names tile {name}, which no {Vigor.TILE_LIST} lists.")
    return row_of[name]


def _positions(paths: list[Path]) -> Positions:
    """(lon, lat) that the file names tell; they give the latitude first."""
    found = (_COORDINATES.search(path.name) for path in paths)
    values = [(float(match[2]), float(match[1])) if match else (np.nan, np.nan) for match in found]
    return Positions(np.array(values, dtype=np.float64).reshape(-1, 2), "deg")
