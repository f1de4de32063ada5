"""GTA-UAV (Ji et al., AAAI 2025): drone photos over a game's map, overlapping its tiles in part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.links import AreaReader, Links, best_tiles, in_order, matches_of, taken
from skyfix.datasets.reader import MissingPartError, Part, inside, require_files
from skyfix.errors import SkyfixError
from skyfix.files import read_json
from skyfix.images import list_images
from skyfix.views import View


class GtaUav(AreaReader):
    """Reader of the published folder: pair tables in JSON and the images they name.

    A photo is linked to tiles of several zooms by the overlap (intersection over union) of both
    footprints; the tables say which are positives and which semi-positives. The gallery is every
    tile in the folder, for both areas. Test photos without a positive are left out, as in the
    authors' evaluation. Positions are metres on the game's map, x right and y down from its upper
    left corner: of a photo the centre of what it shows, of a tile its centre.

    Args:
        root: the folder that holds ``drone``, ``satellite`` and the tables.
        area: ``same`` or ``cross``, whether training and test share the ground.

    Raises:
        SkyfixError: neither of the area's tables is there, or another area.
    """

    NAME: ClassVar[str] = "GTA-UAV"
    PAPER: ClassVar[str] = "Ji et al., AAAI 2025"
    VIEWS: ClassVar[tuple[View, ...]] = ("drone", "satellite")
    CHOICE_OF: ClassVar[str] = "area: training and test on the same ground or apart"
    TABLE: ClassVar[str] = "{}-area-drone2sate-{}.json"
    DRONE_FOLDER: ClassVar[str] = "drone/images"
    TILE_FOLDER: ClassVar[str] = "satellite"
    DRONE_IMAGES: ClassVar[int] = 33_763
    TILES: ClassVar[int] = 14_640
    MAP_PX: ClassVar[int] = 24_576
    METRES_PER_PX: ClassVar[float] = 0.45

    def __init__(self, root: Path | str, area: str) -> None:
        super().__init__(root, area)
        tables = [self._table(split) for split in ("train", "test")]
        if not any(table.is_file() for table in tables):
            raise self._no_table(tables[0])

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds for this area."""
        return (
            Part(self.DRONE_FOLDER, "other", "drone", self._photos, images=self.DRONE_IMAGES),
            self.part("train", "drone"),
            self.part("train", "satellite"),
            self.part("query", "drone"),
            Part(self.TILE_FOLDER, "gallery", "satellite", lambda: self._tiles, images=self.TILES),
        )

    def _read(self, split: Literal["train", "test"]) -> Links:
        table = self._table(split)
        if not table.is_file():
            raise self._no_table(table)
        entries = read_json(table, "table of pairs")
        if not isinstance(entries, list) or not entries:
            raise SkyfixError(f"{table} is not a list of photos. Download it again.")
        tiles = self._tiles
        row_of = {name: row for row, name in enumerate(tiles.places)}
        photos = [
            _photo(entry, row_of, f"{table}, photo {number}")
            for number, entry in enumerate(entries, start=1)
        ]
        if split == "test":
            photos = [photo for photo in photos if not all(semi for *_, semi in photo.links)]
        paths = [self.root / photo.path for photo in photos]
        require_files(paths, table)
        links = [(row, *link) for row, photo in enumerate(photos) for link in photo.links]
        matches = matches_of(len(photos), *(zip(*links, strict=True) if links else ([],) * 4))
        labels = best_tiles(matches)
        images = Images(
            tuple(paths),
            labels,
            tiles.places,
            Positions(np.array([photo.x_y for photo in photos]).reshape(-1, 2), "m"),
            np.array([photo.altitude_m for photo in photos], dtype=np.float64),
            numbers=tiles.numbers,
        )
        order = in_order(labels, paths)
        images, matches = images.take(order), taken(matches, order)
        if split == "train":
            named, columns = np.unique(matches.columns, return_inverse=True)
            tiles, matches = tiles.take(named), replace(matches, columns=columns)
        return Links(images, tiles, matches)

    @cached_property
    def _tiles(self) -> Images:
        """All tiles; a label counts them by zoom, then column, then row."""
        folder = self.root / self.TILE_FOLDER
        if not folder.is_dir():
            raise self.missing(self.TILE_FOLDER, f"{self.TILE_FOLDER}/<zoom>_<column>_<row>.png")
        tiles = sorted((_tile(path), path) for path in list_images(folder))
        if not tiles:
            raise SkyfixError(f"No tile in {folder}. Expected <zoom>_<column>_<row>.png.")
        zoom, column, row = np.array([tile for tile, _ in tiles]).T
        side_m = self.MAP_PX * self.METRES_PER_PX / 2.0**zoom
        centres = np.stack([(column + 0.5) * side_m, (row + 0.5) * side_m], axis=1)
        numbers = np.arange(len(tiles), dtype=np.int64)
        return Images(
            tuple(path for _, path in tiles),
            numbers,
            tuple(path.name for _, path in tiles),
            Positions(centres, "m"),
            numbers=numbers,
        )

    def _photos(self) -> Images:
        """All drone photos in the folder, also those that no table names."""
        folder = self.root / self.DRONE_FOLDER
        if not folder.is_dir():
            raise self.missing(self.DRONE_FOLDER, f"{self.DRONE_FOLDER}/ with images")
        paths = tuple(list_images(folder))
        numbers = np.arange(len(paths), dtype=np.int64)
        return Images(paths, numbers, tuple(path.name for path in paths), numbers=numbers)

    def _table(self, split: str) -> Path:
        return self.root / self.TABLE.format(self.area, split)

    def _no_table(self, table: Path) -> MissingPartError:
        return self.missing(
            table.name, f"{table.name}, {self.DRONE_FOLDER}/ and {self.TILE_FOLDER}/"
        )


@dataclass(frozen=True, eq=False)
class _Photo:
    """One entry of a table; ``links`` are row of the tile, overlap, and whether it is semi."""

    path: PurePosixPath
    x_y: tuple[float, float]
    altitude_m: float
    links: tuple[tuple[int, float, bool], ...]


def _photo(entry: Any, row_of: Mapping[str, int], where: str) -> _Photo:
    try:
        # The list of semi-positives repeats the positives.
        semi = _linked(entry, "pair_pos_semipos")
        links = {name: (overlap, True) for name, overlap in semi}
        links |= {name: (overlap, False) for name, overlap in _linked(entry, "pair_pos")}
        x, y = (float(value) for value in entry["drone_loc_x_y"])
        altitude_m = float(entry.get("drone_metadata", {}).get("height", np.nan))
        path = inside(f"{entry['drone_img_dir']}/{entry['drone_img_name']}", where)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SkyfixError(f"{where} is malformed: {error!r}. Download the table again.") from error
    if not links:
        raise SkyfixError(f"{where} is linked to no tile. Remove it.")
    for name in links:
        if name not in row_of:
            raise SkyfixError(f"{where} names tile {name}, which is not in the folder of tiles.")
    rows = tuple((row_of[name], *link) for name, link in links.items())
    return _Photo(path, (x, y), altitude_m, rows)


def _linked(entry: Mapping[str, Any], kind: str) -> list[tuple[str, float]]:
    names, overlaps = entry[f"{kind}_sate_img_list"], entry[f"{kind}_sate_weight_list"]
    return [(str(name), float(value)) for name, value in zip(names, overlaps, strict=True)]


def _tile(path: Path) -> tuple[int, int, int]:
    """Zoom, column and row of a tile."""
    match = re.fullmatch(r"(\d{1,2})_(\d{1,8})_(\d{1,8})", path.stem)
    if not match:
        raise SkyfixError(f"{path} is not named <zoom>_<column>_<row>. Rename or remove it.")
    return int(match[1]), int(match[2]), int(match[3])
