"""PMTiles: web-map tiles in one file (Protomaps, PMTiles specification 3.7).

Directories give each tile a number: levels follow each other, within a level tiles are counted
along a Hilbert curve. The bytes of header and directories are read by the ``pmtiles`` library.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skyfix.geo.geotiff import RasterError
from skyfix.geo.tile_grid import check_level, vector_tiles

MAGIC = b"PMTiles"
_VERSION = 3
_HEADER_BYTES = 127
_MOST_DIRECTORY_BYTES = 8 * 2**20
_MOST_TILE_BYTES = 64 * 2**20
_DEEPEST_DIRECTORY = 3


class PMTiles:
    """Tiles of a PMTiles file; see ``TileStore``.

    Raises:
        RasterError: another version, damaged, compressed in an unknown way, or with vector tiles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("rb")
        self._size = path.stat().st_size
        try:
            self._header = self._read_header()
            entries = np.concatenate([np.empty((0, 4), np.int64), *self._entries()])
        except RasterError:
            self.close()
            raise
        except (EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
            self.close()
            raise self._damaged(str(error)) from error
        entries = entries[np.argsort(entries[:, 0])]
        self._firsts, self._ends, self._offsets, self._lengths = entries.T

    def zooms(self) -> list[int]:
        """Zoom levels that have tiles, ascending."""
        starts = _level_starts()
        return [
            zoom
            for zoom in range(len(starts) - 1)
            if ((self._firsts < starts[zoom + 1]) & (self._ends > starts[zoom])).any()
        ]

    def tiles(self, zoom: int) -> np.ndarray:
        """Column and row of the level's tiles, (T, 2) int64."""
        start, end = _level_starts()[zoom : zoom + 2]
        firsts, ends = self._firsts.clip(start, end), self._ends.clip(start, end)
        runs = ends - firsts
        check_level(self.path, zoom, int(runs.sum()))
        within = np.arange(runs.sum()) - np.repeat(np.cumsum(runs) - runs, runs)
        return _along_hilbert(np.repeat(firsts - start, runs) + within, zoom)

    def read(self, zoom: int, column: int, row: int) -> bytes:
        """The image file of a tile."""
        from pmtiles.tile import zxy_to_tileid

        number = zxy_to_tileid(zoom, column, row)
        entry = int(np.searchsorted(self._firsts, number, side="right")) - 1
        offset = self._header["tile_data_offset"] + int(self._offsets[entry])
        return self._bytes(offset, int(self._lengths[entry]), _MOST_TILE_BYTES)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _read_header(self) -> Any:
        from pmtiles.tile import Compression, TileType, deserialize_header

        start = self._stream.read(_HEADER_BYTES)
        if not start.startswith(MAGIC):
            raise RasterError(f"Not a PMTiles file: {self.path}. Get the file anew.")
        if len(start) < _HEADER_BYTES:
            raise self._damaged("the header is cut short")
        if start[len(MAGIC)] != _VERSION:
            raise RasterError(
                f"{self.path} is PMTiles version {start[len(MAGIC)]}, version {_VERSION} is "
                "supported. Convert it: pmtiles convert old.pmtiles new.pmtiles"
            )
        header = deserialize_header(start)
        kind = header["tile_type"]
        if kind in (TileType.MVT, TileType.MLT):
            raise vector_tiles(self.path)
        if kind not in (TileType.PNG, TileType.JPEG, TileType.WEBP, TileType.UNKNOWN):
            raise RasterError(
                f"{self.path} holds {kind.name} tiles; PNG, JPEG and WebP are supported. "
                "Convert the tiles."
            )
        plain = (Compression.NONE, Compression.UNKNOWN)
        if header["tile_compression"] not in plain or header["internal_compression"] not in (
            *plain,
            Compression.GZIP,
        ):
            raise RasterError(
                f"{self.path} is compressed by {header['internal_compression'].name} and its tiles "
                f"by {header['tile_compression'].name}; gzip and none are supported. Convert it."
            )
        return header

    def _entries(self) -> Iterator[np.ndarray]:
        """Of each directory the tiles: first number, number behind the last, offset, length."""
        header = self._header
        seen: set[int] = set()
        listed = 0
        waiting = [(header["root_offset"], header["root_length"], 0)]
        while waiting:
            offset, length, depth = waiting.pop()
            if offset in seen or depth > _DEEPEST_DIRECTORY:
                raise self._damaged("its directories run in a circle")
            seen.add(offset)
            entries = self._directory(offset, length)
            leaves = header["leaf_directory_offset"]
            waiting += [(leaves + e.offset, e.length, depth + 1)
                        for e in entries if not e.run_length]  # fmt: skip
            tiles = [(e.tile_id, e.tile_id + e.run_length, e.offset, e.length)
                     for e in entries if e.run_length]  # fmt: skip
            listed += len(tiles)
            check_level(self.path, header["max_zoom"], listed)
            yield np.array(tiles, np.int64).reshape(-1, 4)

    def _directory(self, offset: int, length: int) -> list[Any]:
        from pmtiles.tile import Compression, deserialize_directory

        content = self._bytes(offset, length, _MOST_DIRECTORY_BYTES)
        if self._header["internal_compression"] == Compression.GZIP:
            unpacker = zlib.decompressobj(wbits=31)
            content = unpacker.decompress(content, _MOST_DIRECTORY_BYTES)
            if not unpacker.eof:
                raise self._damaged("a directory is cut short or too large")
        # The library takes a compressed directory alone, and would unpack it without a limit.
        return deserialize_directory(gzip.compress(content, compresslevel=1))

    def _bytes(self, offset: int, length: int, most: int) -> bytes:
        if length > most:
            raise self._damaged(f"a piece of {length} bytes is too large")
        if offset < 0 or offset + length > self._size:
            raise self._damaged("the file ends too early")
        self._stream.seek(offset)
        return self._stream.read(length)

    def _damaged(self, cause: str) -> RasterError:
        return RasterError(f"Damaged or truncated PMTiles {self.path}: {cause}. Get the file anew.")


def _level_starts() -> list[int]:
    """Number of the first tile of each zoom."""
    return [(4**zoom - 1) // 3 for zoom in range(33)]


def _along_hilbert(steps: np.ndarray, zoom: int) -> np.ndarray:
    """Column and row after some steps along the curve through a level, (T, 2) int64."""
    column, row, rest = np.zeros_like(steps), np.zeros_like(steps), steps.copy()
    for bit in range(zoom):
        side = 1 << bit
        right = (rest >> 1) & 1
        down = (rest ^ right) & 1
        turned = down == 0
        flipped = turned & (right == 1)
        column[flipped] = side - 1 - column[flipped]
        row[flipped] = side - 1 - row[flipped]
        column[turned], row[turned] = row[turned], column[turned]
        column += side * right
        row += side * down
        rest >>= 2
    return np.stack([column, row], axis=1)
