"""Tiles and archives that are no map, or no longer one, are refused in one line."""

import sqlite3
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pmtiles.tile import Entry, TileType, serialize_directory
from pyramids import cut_tiles, encoded, write_folder, write_mbtiles, write_pmtiles
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.geo.maps import open_map

ZOOM, FIRST = 10, (512, 340)
GREY = encoded(np.full((256, 256, 3), 90, np.uint8))
VECTOR = b"\x1a\x05roads"


def refused(path: Path, because: str, read: bool = False) -> None:
    with pytest.raises(SkyfixError, match=because) as caught, open_map(path) as pyramid:
        if read:
            size_px = (pyramid.height_px, pyramid.width_px)
            pyramid.read(0, 0, size_px[1], size_px[0], size_px)
    message = str(caught.value)
    assert "\n" not in message and path.name[:40] in message


def some_tiles() -> dict[tuple[int, int, int], bytes]:
    return cut_tiles(np.moveaxis(texture(512, 512), 0, 2), ZOOM, FIRST)


def test_paths_that_are_no_map(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos" / "2024" / "12").mkdir(parents=True)
    (tmp_path / "zero.mbtiles").touch()
    (tmp_path / "text.mbtiles").write_text("I am a map, and longer than sixteen bytes")
    (tmp_path / "text.pmtiles").write_text("I am a map, and longer than sixteen bytes")
    refused(tmp_path / "empty", "not a folder of map tiles")
    refused(tmp_path / "photos", "not a folder of map tiles")
    refused(tmp_path / "none.mbtiles", "No such raster")
    refused(tmp_path / ("x" * 300), "name too long")
    refused(tmp_path / "zero.mbtiles", "0 bytes")
    refused(tmp_path / "text.mbtiles", "neither MBTiles nor PMTiles")
    refused(tmp_path / "text.pmtiles", "neither MBTiles nor PMTiles")


def test_vector_tiles_are_told_from_imagery(tmp_path: Path) -> None:
    packed = zlib.compress(VECTOR, wbits=31)
    for name, tile in (("bare", VECTOR), ("packed", packed)):
        tiles = {(ZOOM, *FIRST): tile}
        refused(write_folder(tmp_path / name, tiles, ".pbf"), "vector tiles.*imagery is needed")
        refused(write_folder(tmp_path / f"{name}_png", tiles), "vector tiles")
        refused(write_mbtiles(tmp_path / f"{name}.mbtiles", tiles, "pbf"), "vector tiles")
        refused(write_mbtiles(tmp_path / f"{name}_png.mbtiles", tiles), "vector tiles")
        refused(write_pmtiles(tmp_path / f"{name}.pmtiles", tiles, TileType.MVT), "vector tiles")
        refused(write_pmtiles(tmp_path / f"{name}_png.pmtiles", tiles), "vector tiles")


def test_pyramids_without_tiles(tmp_path: Path) -> None:
    (tmp_path / "tiles" / "3" / "4").mkdir(parents=True)
    refused(tmp_path / "tiles", "no image tiles")
    refused(write_mbtiles(tmp_path / "m.mbtiles", {}), "no image tiles")
    whole = write_pmtiles(tmp_path / "m.pmtiles", {(ZOOM, *FIRST): GREY})
    refused(with_directory(whole, []), "no image tiles")


def with_directory(path: Path, entries: list[Entry]) -> Path:
    """The archive with another root directory, put at its end."""
    content, directory = bytearray(path.read_bytes()), serialize_directory(entries)
    content[8:24] = struct.pack("<QQ", len(content), len(directory))
    path.write_bytes(content + directory)
    return path


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_archives_cut_short(tmp_path: Path, share: float) -> None:
    whole = write_mbtiles(tmp_path / "whole.mbtiles", some_tiles())
    content = whole.read_bytes()
    (tmp_path / "m.mbtiles").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "m.mbtiles", "Damaged or truncated MBTiles", read=True)
    whole = write_pmtiles(tmp_path / "whole.pmtiles", some_tiles())
    content = whole.read_bytes()
    (tmp_path / "m.pmtiles").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "m.pmtiles", "Damaged or truncated PMTiles", read=True)
    (tmp_path / "stub.pmtiles").write_bytes(content[:60])
    refused(tmp_path / "stub.pmtiles", "header is cut short")


def test_an_sqlite_file_that_is_no_mbtiles(tmp_path: Path) -> None:
    path = tmp_path / "notes.mbtiles"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text)")
    refused(path, "not MBTiles")
    odd = write_mbtiles(tmp_path / "odd.mbtiles", {(ZOOM, *FIRST): GREY})
    with sqlite3.connect(odd) as database:
        database.execute("UPDATE tiles SET tile_column = 'left'")
    refused(odd, "no whole numbers")
    with sqlite3.connect(odd) as database:
        database.execute("UPDATE tiles SET tile_column = 3, tile_data = NULL")
    refused(odd, "has no image")
    with sqlite3.connect(odd) as database:
        database.execute("UPDATE tiles SET zoom_level = 'deep'")
    refused(odd, "zoom levels that are no numbers")
    with sqlite3.connect(odd) as database:
        database.execute("UPDATE tiles SET zoom_level = 4, tile_column = 16")
    refused(odd, "outside the grid of zoom 4")


def test_pmtiles_of_other_kinds(tmp_path: Path) -> None:
    def changed(name: str, byte: int, value: int) -> Path:
        path = write_pmtiles(tmp_path / name, {(ZOOM, *FIRST): GREY})
        content = bytearray(path.read_bytes())
        content[byte] = value
        path.write_bytes(content)
        return path

    refused(changed("two.pmtiles", 7, 2), "version 2, version 3 is supported")
    refused(changed("avif.pmtiles", 99, TileType.AVIF.value), "AVIF tiles")
    refused(changed("brotli.pmtiles", 98, 3), "compressed by")
    refused(changed("odd.pmtiles", 99, 77), "Damaged")


def test_directories_that_run_in_a_circle(tmp_path: Path) -> None:
    path = write_pmtiles(tmp_path / "m.pmtiles", {(ZOOM, *FIRST): GREY})
    content = path.read_bytes()
    (leaves,) = struct.unpack("<Q", content[40:48])
    looped = [Entry(0, len(content) - leaves, 20, 0)]
    length = len(serialize_directory(looped))
    looped = [Entry(0, len(content) - leaves, length, 0)]
    refused(with_directory(path, looped), "circle")


def test_a_directory_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = write_pmtiles(tmp_path / "m.pmtiles", {(ZOOM, *FIRST): GREY})
    content, bomb = bytearray(path.read_bytes()), zlib.compress(bytes(50_000_000), wbits=31)
    content[8:24] = struct.pack("<QQ", len(content), len(bomb))
    path.write_bytes(content + bomb)
    refused(path, "too large")


def test_an_absurd_number_of_tiles(tmp_path: Path) -> None:
    """One entry of a directory may claim a run of any length."""
    path = write_pmtiles(tmp_path / "m.pmtiles", {(ZOOM, *FIRST): GREY})
    first = (4**20 - 1) // 3
    refused(with_directory(path, [Entry(first, 0, len(GREY), 10**9)]), "1000 million tiles")


def test_tiles_that_cannot_be_read(tmp_path: Path) -> None:
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + huge + chunk(b"IDAT", zlib.compress(bytes(1000)))
    Image.fromarray(np.zeros((256, 256), np.uint16)).save(tmp_path / "deep.png")
    whole = encoded(np.moveaxis(texture(256, 256), 0, 2))
    kinds = {
        "empty": (b"", "0 bytes"),
        "text": (b"not found", "Not an image"),
        "half": (whole[: len(whole) // 2], "Damaged or truncated image"),
        "bomb": (bomb, "too large"),
        "size": (encoded(np.zeros((300, 200, 3), np.uint8)), "200 x 300 px, expected 256 x 256"),
        "deep": ((tmp_path / "deep.png").read_bytes(), "more than 8 bits"),
    }
    for kind, (content, because) in kinds.items():
        tiles = {(ZOOM, FIRST[0], FIRST[1]): GREY, (ZOOM, FIRST[0] + 1, FIRST[1]): content}
        path = write_mbtiles(tmp_path / f"{kind}.mbtiles", tiles)
        refused(path, because, read=True)
        with pytest.raises(SkyfixError, match=f"{ZOOM}/{FIRST[0] + 1}/{FIRST[1]}"):
            open_map(path).read(256, 0, 256, 256, (256, 256))
        refused(write_folder(tmp_path / kind, {(ZOOM, *FIRST): content}), because)


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def test_grids_that_are_not_the_usual_one(tmp_path: Path) -> None:
    deep = write_mbtiles(tmp_path / "deep.mbtiles", {(30, 5, 5): GREY})
    refused(deep, "zoom level 30")
    beyond = write_folder(tmp_path / "beyond", {(3, 8, 0): GREY})
    refused(beyond, "outside the grid of zoom 3")
    geodetic = write_folder(tmp_path / "geodetic", {(3, 2, 1): GREY})
    (geodetic / "tilemapresource.xml").write_text('<TileSets profile="geodetic"/>')
    with pytest.raises(SkyfixError, match="profile mercator"):
        open_map(geodetic)


def test_bands_cannot_be_chosen_of_tiles(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "tiles", {(ZOOM, *FIRST): GREY})
    with pytest.raises(SkyfixError, match="no bands can be chosen"):
        open_map(path, (3, 2, 1))


def test_a_link_that_leads_nowhere_is_no_column(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "tiles", {(ZOOM, *FIRST): GREY})
    (path / str(ZOOM) / str(FIRST[0])).rename(tmp_path / "away")
    (path / str(ZOOM) / str(FIRST[0])).symlink_to(tmp_path / "nowhere")
    with pytest.raises(SkyfixError, match="not a folder of map tiles"):
        open_map(path)


def test_a_geotiff_is_still_a_map_whatever_its_name(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.bin", texture(40, 30))
    with open_map(path) as raster:
        assert (raster.width_px, raster.height_px) == (40, 30)
