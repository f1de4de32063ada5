"""A folder of web-map tiles, ``<zoom>/<column>/<row>.<png|jpg|jpeg|webp>``.

Rows count from the north (XYZ), or from the south where a ``tilemapresource.xml`` says that the
folder follows the Tile Map Service specification (OSGeo, TMS 1.0.0), as gdal2tiles writes it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skyfix.geo.geotiff import RasterError
from skyfix.geo.tile_grid import MAX_ZOOM, check_level, vector_tiles

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_VECTOR_SUFFIXES = (".pbf", ".mvt", ".mlt")
_TMS_FILE = "tilemapresource.xml"
_MOST_XML_BYTES = 2**20


def is_tile_folder(path: Path) -> bool:
    """Whether a folder has the layout: a numbered folder with a numbered folder in it."""
    return any(
        next(_numbered(folder), None) is not None
        for zoom, folder in _numbered(path)
        if zoom <= MAX_ZOOM
    )


class TileFolder:
    """Tiles in a folder; see ``TileStore``.

    Raises:
        RasterError: vector tiles, or rows in an order that is not understood.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._south_first = _is_tms(path)
        self._zooms = sorted(zoom for zoom, folder in _numbered(path) if any(_tiles(folder)))
        if not self._zooms and _has_vector_tiles(path):
            raise vector_tiles(path)

    def zooms(self) -> list[int]:
        """Zoom levels that have tiles, ascending."""
        return self._zooms

    def tiles(self, zoom: int) -> np.ndarray:
        """Column and row of the level's tiles, (T, 2) int64."""
        found = []
        for tile in _tiles(self.path / str(zoom)):
            found.append(tile)
            check_level(self.path, zoom, len(found))
        pairs = np.array(found, np.int64).reshape(-1, 2)
        if self._south_first:
            pairs[:, 1] = 2**zoom - 1 - pairs[:, 1]
        return pairs

    def read(self, zoom: int, column: int, row: int) -> bytes:
        """The image file of a tile."""
        if self._south_first:
            row = 2**zoom - 1 - row
        stem = self.path / str(zoom) / str(column) / str(row)
        for suffix in SUFFIXES:
            try:
                return stem.with_suffix(suffix).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise RasterError(f"Cannot read {stem}{suffix}: {error.strerror}.") from error
        raise RasterError(f"{stem}.* has gone while the map was read. Start again.")

    def close(self) -> None:
        """Nothing is held open."""


def tile_files(path: Path) -> Iterator[os.DirEntry[str]]:
    """All tiles of a folder, of every zoom, in no order."""
    for _, zoom in _numbered(path):
        for _, column in _numbered(zoom):
            yield from (e for e in _entries(column) if _number(e.name, SUFFIXES) is not None)


def _tiles(zoom: Path) -> Iterator[tuple[int, int]]:
    for column, folder in _numbered(zoom):
        for entry in _entries(folder):
            row = _number(entry.name, SUFFIXES)
            if row is not None:
                yield column, row


def _numbered(path: Path) -> Iterator[tuple[int, Path]]:
    """Folders whose names are whole numbers as a program writes them."""
    for entry in _entries(path):
        number = _number(entry.name, ("",))
        if number is not None and entry.is_dir():
            yield number, Path(entry.path)


def _number(name: str, suffixes: tuple[str, ...]) -> int | None:
    stem, dot, ending = name.partition(".")
    whole = dot + ending in suffixes and stem.isascii() and stem.isdigit() and len(stem) < 10
    return int(stem) if whole and str(int(stem)) == stem else None


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise RasterError(f"Cannot read the folder {path}: {error.strerror}.") from error


def _has_vector_tiles(path: Path) -> bool:
    return any(
        _number(entry.name, _VECTOR_SUFFIXES) is not None
        for _, zoom in _numbered(path)
        for _, column in _numbered(zoom)
        for entry in _entries(column)
    )


def _is_tms(path: Path) -> bool:
    description = path / _TMS_FILE
    if not description.is_file():
        return False
    with description.open("rb") as stream:
        content = stream.read(_MOST_XML_BYTES)
    if b'profile="mercator"' in content or b'profile="global-mercator"' in content:
        return True
    raise RasterError(
        f"{description} does not name the profile mercator. Make tiles of the web-map grid: "
        "gdal2tiles.py --xyz --profile=mercator map.tif tiles"
    )
