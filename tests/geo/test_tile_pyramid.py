"""Web-map tiles, however they are kept, are read like a GeoTIFF of the same pixels.

Longer than other files, as three containers go through the same tests.
"""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pmtiles.tile import tileid_to_zxy
from pyramids import cut_tiles, encoded, write_folder, write_mbtiles, write_pmtiles
from rasterio.enums import Resampling
from rasters import texture, write_map

from skyfix.geo import tile_pyramid
from skyfix.geo.maps import open_map
from skyfix.geo.pmtiles_archive import PMTiles
from skyfix.geo.tile_folder import TileFolder
from skyfix.geo.tile_pyramid import TilePyramid

ZOOM, FIRST = 19, (139_772, 215_520)
"""Somewhere in southern Spain; columns and rows divide by 4."""
WRITERS: dict[str, Callable[..., Path]] = {
    "tiles": write_folder,
    "m.mbtiles": write_mbtiles,
    "m.pmtiles": write_pmtiles,
}


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """(h, w, 3) of smooth blobs without black."""
    return np.maximum(np.moveaxis(texture(width, height, seed=seed), 0, 2), 1)


def read_all(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_map(path) as pyramid:
        height, width = pyramid.height_px, pyramid.width_px
        return pyramid.read(0, 0, width, height, (height, width))


def corner(zoom: int, column: int, row: int) -> tuple[float, float]:
    """Longitude and latitude of a tile's upper left corner, by the usual formula on the sphere."""
    north = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * row / 2**zoom))))
    return column / 2**zoom * 360 - 180, float(north)


@pytest.mark.parametrize("kept", WRITERS)
def test_pixels_and_positions_are_those_of_the_tiles(tmp_path: Path, kept: str) -> None:
    pixels = picture(768, 512)
    path = WRITERS[kept](tmp_path / kept, cut_tiles(pixels, ZOOM, FIRST))
    rgb, valid = read_all(path)
    np.testing.assert_array_equal(rgb, pixels)
    assert valid.all()
    with open_map(path) as pyramid:
        assert (pyramid.width_px, pyramid.height_px) == (768, 512)
        assert pyramid.path == path and pyramid.geo.crs.to_epsg() == 3857
        lon, lat = pyramid.geo.lonlat(np.array([0.0, 256, 768]), np.array([0.0, 256, 512]))
        expected = [
            corner(ZOOM, FIRST[0] + dx, FIRST[1] + dy) for dx, dy in ((0, 0), (1, 1), (3, 2))
        ]
        np.testing.assert_allclose(np.stack([lon, lat], axis=1), expected, atol=1e-9)
        np.testing.assert_allclose(pyramid.geo.pixel(lon, lat), [[0, 256, 768], [0, 256, 512]],
                                   atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("tile_px", [256, 512])
def test_every_format_and_tile_size(tmp_path: Path, suffix: str, tile_px: int) -> None:
    pixels = picture(1024, 512)
    tiles = cut_tiles(pixels, ZOOM, FIRST, tile_px=tile_px, suffix=suffix)
    rgb, valid = read_all(write_folder(tmp_path / "tiles", tiles, suffix))
    assert rgb.shape == pixels.shape and valid.all()
    off = np.abs(rgb.astype(int) - pixels).mean()
    assert off < 2 if suffix == ".jpg" else off == 0


def test_a_folder_of_the_tile_map_service_counts_rows_from_the_south(tmp_path: Path) -> None:
    pixels = picture(256, 768)
    turned = {
        (z, x, 2**z - 1 - y): tile for (z, x, y), tile in cut_tiles(pixels, ZOOM, FIRST).items()
    }
    path = write_folder(tmp_path / "tiles", turned)
    (path / "tilemapresource.xml").write_text('<TileMap><TileSets profile="mercator"/></TileMap>')
    rgb, _ = read_all(path)
    np.testing.assert_array_equal(rgb, pixels)
    with open_map(path) as pyramid:
        assert pyramid.geo.lonlat(0.0, 0.0)[1] == pytest.approx(corner(ZOOM, *FIRST)[1])


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pyramid of one level with a missing tile, and a GeoTIFF of the same pixels."""
    folder = tmp_path_factory.mktemp("twins")
    pixels = picture(1024, 768)
    pixels[256:512, 512:768] = 0
    tiles = cut_tiles(pixels, ZOOM, FIRST)
    del tiles[ZOOM, FIRST[0] + 2, FIRST[1] + 1]
    path = write_folder(folder / "tiles", tiles)
    with open_map(path) as pyramid:
        transform = pyramid.geo.transform
    image = np.moveaxis(pixels, 2, 0)
    tif = write_map(folder / "m.tif", image, "EPSG:3857", nodata=0, transform=transform)
    return path, tif


@settings(max_examples=40)
@given(
    st.floats(0, 800), st.floats(0, 500), st.floats(20, 224), st.floats(20, 268),
    st.floats(0.15, 2.5),
)  # fmt: skip
def test_windows_are_resampled_like_those_of_a_geotiff(
    twins: tuple[Path, Path], column: float, row: float, width: float, height: float, zoom: float
) -> None:
    size_px = (max(2, round(height * zoom)), max(2, round(width * zoom)))
    with open_map(twins[0]) as pyramid, open_map(twins[1]) as raster:
        rgb, valid = pyramid.read(column, row, width, height, size_px)
        expected, expected_valid = raster.read(column, row, width, height, size_px)
    assert (valid == expected_valid).mean() > 0.9
    off = np.abs(rgb.astype(int) - expected)[valid & expected_valid]
    assert not off.size or off.mean() < 4
    assert not rgb[~valid].any()


@pytest.mark.parametrize(
    ("window", "side_px"),
    [
        ((10, 10, 400, 400), 100), ((10.5, 10.5, 400, 400), 100),
        ((10.5, 10.25, 234.4, 234.4), 200), ((10.5, 10.75, 200, 200), 200),
        ((10.5, 10.5, 100, 100), 200),
        ((10.5, 10.5, 200.0001, 200.0001), 200),
    ],
)  # fmt: skip
def test_resampling_shifts_nothing(
    tmp_path: Path, window: tuple[float, float, float, float], side_px: int
) -> None:
    """Waves to the right in red and down in green; their phase tells a shift to 0.1 px."""
    wave = 128 + 100 * np.sin((np.arange(512) + 0.5) / 25)
    pixels = np.stack(np.broadcast_arrays(wave[None, :], wave[:, None], 128), axis=2)
    tiles = cut_tiles(np.round(pixels).astype(np.uint8), ZOOM, FIRST)
    with open_map(write_folder(tmp_path / "tiles", tiles)) as pyramid:
        rgb, _ = pyramid.read(*window, (side_px, side_px))
    centres = (np.arange(side_px) + 0.5) / side_px
    for start, extent, profile in (
        (window[0], window[2], rgb[side_px // 2, :, 0]),
        (window[1], window[3], rgb[:, side_px // 2, 1]),
    ):
        phase = (start + centres * extent) / 25
        slope = 4 * np.cos(phase)
        profile = profile.astype(float)
        shift_px = (slope * (profile - 128 - 100 * np.sin(phase)))[5:-5].sum() / (slope**2)[
            5:-5
        ].sum()
        assert abs(shift_px) < 0.1


def test_whole_windows_are_exact_and_reductions_are_averages(twins: tuple[Path, Path]) -> None:
    pixels = np.moveaxis(rasterio.open(twins[1]).read(), 0, 2)
    with open_map(twins[0]) as pyramid:
        rgb, valid = pyramid.read(300, 100, 500, 300, (300, 500))
        halved, _ = pyramid.read(0, 0, 512, 256, (128, 256))
    np.testing.assert_array_equal(rgb, pixels[100:400, 300:800])
    np.testing.assert_array_equal(valid, (pixels[100:400, 300:800] != 0).any(axis=2))
    average = pixels[:256, :512].reshape(128, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - average).max() <= 1


def test_transparent_pixels_and_missing_tiles_are_not_valid(tmp_path: Path) -> None:
    pixels = picture(512, 512)
    alpha = np.full((512, 512, 1), 255, np.uint8)
    alpha[100:200, 50:300] = 0
    tiles = cut_tiles(np.concatenate([pixels, alpha], axis=2), ZOOM, FIRST, suffix=".webp")
    del tiles[ZOOM, FIRST[0] + 1, FIRST[1] + 1]
    rgb, valid = read_all(write_folder(tmp_path / "tiles", tiles, ".webp"))
    shown = alpha[..., 0] > 0
    shown[256:, 256:] = False
    np.testing.assert_array_equal(valid, shown)
    np.testing.assert_array_equal(rgb, np.where(shown[..., None], pixels, 0))


def test_large_windows_come_from_a_complete_lower_zoom_alone(tmp_path: Path) -> None:
    """The lower zoom is painted red to tell where pixels come from."""
    tiles = cut_tiles(picture(1024, 1024), ZOOM, FIRST, levels=3)
    red = encoded(np.broadcast_to(np.array([200, 0, 0], np.uint8), (256, 256, 3)).copy())
    painted = {place: red if place[0] == ZOOM - 2 else tile for place, tile in tiles.items()}
    with open_map(write_pmtiles(tmp_path / "whole.pmtiles", painted)) as pyramid:
        reduced, valid = pyramid.read(0, 0, 1024, 1024, (256, 256))
        above, _ = pyramid.read(0, 0, 1024, 1024, (512, 512))
    assert (reduced == (200, 0, 0)).all() and valid.all()
    assert (above != (200, 0, 0)).any()
    painted[ZOOM - 1, FIRST[0] // 2, FIRST[1] // 2] = red
    del painted[ZOOM - 1, FIRST[0] // 2 + 1, FIRST[1] // 2]
    with open_map(write_mbtiles(tmp_path / "holed.mbtiles", painted)) as pyramid:
        halved, _ = pyramid.read(0, 0, 1024, 1024, (512, 512))
    average = picture(1024, 1024).reshape(512, 2, 512, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - average).max() <= 1


def test_black_of_a_lower_zoom_is_not_taken_for_ground(tmp_path: Path) -> None:
    """JPEG has no alpha: where the deepest zoom has no tile its parent is black."""
    pixels = picture(512, 512)
    pixels[:256, 256:] = 0
    tiles = cut_tiles(pixels, ZOOM, FIRST, levels=2, suffix=".jpg")
    del tiles[ZOOM, FIRST[0] + 1, FIRST[1]]
    with open_map(write_folder(tmp_path / "tiles", tiles, ".jpg")) as pyramid:
        _, valid = pyramid.read(0, 0, 512, 512, (256, 256))
    expected = np.ones((256, 256), bool)
    expected[:128, 128:] = False
    np.testing.assert_array_equal(valid, expected)


@pytest.mark.parametrize("kept", WRITERS)
def test_tiles_on_both_sides_of_the_antimeridian_are_one_map(tmp_path: Path, kept: str) -> None:
    pixels = picture(512, 256)
    tiles = {
        (12, column % 4096, row): tile
        for (_, column, row), tile in cut_tiles(pixels, 12, (4095, 2200)).items()
    }
    path = WRITERS[kept](tmp_path / kept, tiles)
    rgb, valid = read_all(path)
    np.testing.assert_array_equal(rgb, pixels)
    assert valid.all()
    with open_map(path) as pyramid:
        columns = np.array([10.0, 250.0, 262.0, 500.0])
        lon, lat = pyramid.geo.lonlat(columns, np.full(4, 30.0))
        back, _ = pyramid.geo.pixel(lon, lat)
    assert (lon[:2] > 179.9).all() and (lon[2:] < -179.9).all()
    np.testing.assert_allclose(back, columns, atol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 12), st.data())
def test_numbers_along_the_curve_are_those_of_the_library(zoom: int, data: st.DataObject) -> None:
    from skyfix.geo.pmtiles_archive import _along_hilbert

    steps = data.draw(st.lists(st.integers(0, 4**zoom - 1), min_size=1, max_size=30))
    first = (4**zoom - 1) // 3
    expected = [tileid_to_zxy(first + step)[1:] for step in steps]
    np.testing.assert_array_equal(_along_hilbert(np.array(steps), zoom), expected)


def test_runs_of_equal_tiles_in_pmtiles_are_all_there(tmp_path: Path) -> None:
    """Equal neighbours along the curve share one entry of the directory."""
    grey = encoded(np.full((256, 256, 3), 90, np.uint8))
    tiles = {(5, column, row): grey for column in range(8) for row in range(8)}
    store = PMTiles(write_pmtiles(tmp_path / "m.pmtiles", tiles))
    found = store.tiles(5)
    store.close()
    assert sorted(map(tuple, found.tolist())) == sorted(place[1:] for place in tiles)


def test_thousands_of_tiles_in_leaf_directories(tmp_path: Path) -> None:
    tiles = {
        (9, column, row): encoded(np.full((256, 256, 3), (column, row, 9), np.uint8))
        for column, row in ((0, 0), (200, 17), (255, 255), (254, 255))
    }
    filler = {(8, column, row): bytes([column, row]) for column in range(120) for row in range(120)}
    store = PMTiles(write_pmtiles(tmp_path / "m.pmtiles", {**tiles, **filler}))
    assert store.zooms() == [8, 9]
    assert len(store.tiles(8)) == len(filler)
    for (zoom, column, row), content in [*tiles.items(), *list(filler.items())[::997]]:
        assert store.read(zoom, column, row) == content
    store.close()


class Counting(TileFolder):
    """Counts how often tiles are read."""

    reads = 0

    def read(self, zoom: int, column: int, row: int) -> bytes:
        self.reads += 1
        return super().read(zoom, column, row)


def test_strips_that_share_tiles_decode_them_once(tmp_path: Path) -> None:
    tiles = cut_tiles(picture(1024, 512), ZOOM, FIRST)
    with TilePyramid(Counting(write_folder(tmp_path / "tiles", tiles))) as pyramid:
        pyramid._store.reads = 0
        for row in range(0, 512, 64):
            pyramid.read(0, row, 1024, 64, (64, 1024))
        assert pyramid._store.reads <= len(tiles)


def test_a_whole_map_is_reduced_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4096 x 4096 px without lower zooms: 67 MB if it were put together first."""
    monkeypatch.setattr(tile_pyramid, "_CACHE_BYTES", 4 * 2**20)
    monkeypatch.setattr(tile_pyramid, "_BLOCK_PX", 1024)
    grey = encoded(np.full((256, 256, 3), 90, np.uint8))
    tiles = {(ZOOM, 1000 + column, 2000 + row): grey for column in range(16) for row in range(16)}
    with open_map(write_pmtiles(tmp_path / "m.pmtiles", tiles)) as pyramid:
        tracemalloc.start()
        rgb, valid = pyramid.read(0, 0, 4096, 4096, (64, 64))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (rgb == 90).all() and valid.all()
    assert peak < 30e6


def test_overviews_of_both_kinds_agree(tmp_path: Path) -> None:
    """A lower zoom against GDAL's own overview of the same map."""
    pixels = picture(1024, 1024)
    path = write_folder(tmp_path / "tiles", cut_tiles(pixels, ZOOM, FIRST, levels=3))
    tif = write_map(tmp_path / "m.tif", np.moveaxis(pixels, 2, 0), tiled=True)
    with rasterio.open(tif, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    with open_map(path) as pyramid, open_map(tif) as raster:
        ours, _ = pyramid.read(128, 64, 640, 512, (128, 160))
        theirs, _ = raster.read(128, 64, 640, 512, (128, 160))
    assert np.abs(ours.astype(int) - theirs).max() <= 2
