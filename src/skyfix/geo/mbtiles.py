"""MBTiles: web-map tiles in one SQLite file (Mapbox, MBTiles specification 1.3).

Rows of the table count from the south, as in TMS; here they are turned to count from the north.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from skyfix.geo.geotiff import RasterError
from skyfix.geo.tile_grid import check_level, vector_tiles

MAGIC = b"SQLite format 3\0"
_PAIR = np.dtype([("column", np.int64), ("row", np.int64)])


class MBTiles:
    """Tiles of an MBTiles file; see ``TileStore``.

    Raises:
        RasterError: not an MBTiles file, damaged, or with vector tiles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = _connect(path)
        try:
            self._check_format()
            self._zooms = [zoom for (zoom,) in self._rows("SELECT DISTINCT zoom_level FROM tiles")]
            if not all(isinstance(zoom, int) for zoom in self._zooms):
                raise RasterError(f"{path} has zoom levels that are no numbers. Get the file anew.")
        except RasterError:
            self.close()
            raise

    def zooms(self) -> list[int]:
        """Zoom levels that have tiles, ascending."""
        return sorted(self._zooms)

    def tiles(self, zoom: int) -> np.ndarray:
        """Column and row of the level's tiles, (T, 2) int64."""
        ((count,),) = self._rows("SELECT count(*) FROM tiles WHERE zoom_level = ?", zoom)
        check_level(self.path, zoom, count)
        listed = self._rows("SELECT tile_column, tile_row FROM tiles WHERE zoom_level = ?", zoom)
        try:
            pairs = np.array(listed, _PAIR)
        except (TypeError, ValueError, OverflowError) as error:
            raise RasterError(
                f"{self.path} has tile positions that are no whole numbers. Get the file anew."
            ) from error
        return np.stack([pairs["column"], 2**zoom - 1 - pairs["row"]], axis=1)

    def read(self, zoom: int, column: int, row: int) -> bytes:
        """The image file of a tile."""
        found = self._rows(
            "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
            zoom,
            column,
            2**zoom - 1 - row,
        )
        if not found or not isinstance(found[0][0], bytes):
            raise RasterError(
                f"Tile {zoom}/{column}/{row} of {self.path} has no image. Get the file anew."
            )
        return bytes(found[0][0])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _check_format(self) -> None:
        tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master")}
        if "tiles" not in tables:
            raise RasterError(
                f"{self.path} is an SQLite file without a table of tiles, not MBTiles. "
                "Give a map in MBTiles."
            )
        if "metadata" in tables:
            formats = self._rows("SELECT value FROM metadata WHERE name = 'format'")
            if formats and str(formats[0][0]).lower() in ("pbf", "mvt"):
                raise vector_tiles(self.path)

    def _rows(self, query: str, *values: int) -> Sequence[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise RasterError(
                f"Damaged or truncated MBTiles {self.path}: {error}. Get the file anew."
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    # "immutable" keeps SQLite from putting files of its own beside the map; a write-ahead log that
    # is already there has to be read, though.
    immutable = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    address = f"file:{quote(str(path.resolve()))}?mode=ro{immutable}"
    try:
        # A build opens the map in one thread and may close it in another.
        database = sqlite3.connect(address, uri=True, check_same_thread=False)
        # Views in the file may then call no function that reaches outside it.
        database.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error as error:
        raise RasterError(f"Cannot open MBTiles {path}: {error}. Get the file anew.") from error
    return database
