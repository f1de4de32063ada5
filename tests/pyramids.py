"""Small pyramids of web-map tiles for tests, in a folder, in MBTiles and in PMTiles."""

import io
import sqlite3
from pathlib import Path

import numpy as np
from PIL import Image
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
Tile = tuple[int, int, int]


def encoded(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    """An image file of (h, w, 3) or, with alpha, (h, w, 4)."""
    stream = io.BytesIO()
    options = {".jpg": {"quality": 95}, ".webp": {"lossless": True, "exact": True}}
    Image.fromarray(pixels).save(stream, FORMATS[suffix], **options.get(suffix, {}))
    return stream.getvalue()


def cut_tiles(
    pixels: np.ndarray,
    zoom: int,
    first: tuple[int, int],
    levels: int = 1,
    tile_px: int = 256,
    suffix: str = ".png",
) -> dict[Tile, bytes]:
    """Tiles of an image (h, w, 3 or 4) whose upper left corner is that of tile ``first``.

    Args:
        pixels: whole tiles.
        zoom: the deepest zoom level.
        first: (column, row) of the upper left tile, divisible by 2**(levels - 1).
        levels: zoom levels, each averaged from the one below.
    """
    tiles = {}
    for level in range(levels):
        height, width = pixels.shape[0] // tile_px, pixels.shape[1] // tile_px
        for row, column in np.ndindex(height, width):
            part = pixels[row * tile_px :, column * tile_px :][:tile_px, :tile_px]
            place = (zoom - level, (first[0] >> level) + column, (first[1] >> level) + row)
            tiles[place] = encoded(part, suffix)
        halves = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, -1)
        pixels = (halves.mean(axis=(1, 3)) + 0.5).astype(np.uint8)
    return tiles


def write_folder(path: Path, tiles: dict[Tile, bytes], suffix: str = ".png") -> Path:
    """As ``<zoom>/<column>/<row>.png``."""
    for (zoom, column, row), content in tiles.items():
        folder = path / str(zoom) / str(column)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row}{suffix}").write_bytes(content)
    return path


def write_mbtiles(path: Path, tiles: dict[Tile, bytes], image_format: str = "png") -> Path:
    """As one SQLite file; rows count from the south."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE metadata (name text, value text)")
        database.execute("INSERT INTO metadata VALUES ('format', ?)", (image_format,))
        database.execute(
            "CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, "
            "tile_data blob)"
        )
        database.execute(
            "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)"
        )
        database.executemany(
            "INSERT INTO tiles VALUES (?, ?, ?, ?)",
            [(z, x, 2**z - 1 - y, content) for (z, x, y), content in tiles.items()],
        )
    database.close()
    return path


def write_pmtiles(path: Path, tiles: dict[Tile, bytes], kind: TileType = TileType.PNG) -> Path:
    """As one PMTiles file."""
    with write(path) as writer:
        for number, content in sorted((zxy_to_tileid(*t), content) for t, content in tiles.items()):
            writer.write_tile(number, content)
        header = {"tile_type": kind, "tile_compression": Compression.NONE}
        writer.finalize(header, {})
    return path
