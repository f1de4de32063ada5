"""Opening maps of every kind, and refusing in one line what is no map.

Longer than other files, as it is one list of kinds of maps.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import transform as gdal_transform
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.geo.raster import Raster

PLACES = {
    "EPSG:3857": ((3_918_467.0, 3_777_976.0), 0.6),
    "EPSG:32637": ((390_000.0, 4_430_000.0), 0.5),
    "EPSG:3826": ((221_142.0, 2_684_183.0), 0.5),
    "EPSG:32629": ((554_040.0, 4_506_082.0), 0.5),
    "EPSG:32733": ((500_000.0, 7_000_000.0), 0.5),
    "EPSG:4326": ((22.46, 60.404), (9e-6, 4.5e-6)),
}


def read_all(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    height, width = raster.height_px, raster.width_px
    return raster.read(0, 0, width, height, (height, width))


@pytest.mark.parametrize("crs", PLACES)
def test_positions_and_ground_scale_agree_with_gdal(tmp_path: Path, crs: str) -> None:
    origin, pixel = PLACES[crs]
    with Raster(write_map(tmp_path / "map.tif", texture(80, 60), crs, origin, pixel)) as raster:
        columns, rows = np.array([0.0, 33.5, 80.0]), np.array([0.0, 12.25, 60.0])
        lon, lat = raster.geo.lonlat(columns, rows)
        back = raster.geo.pixel(lon, lat)
        scale = raster.geo.scale(40.0, 30.0)
        with rasterio.open(raster.path) as dataset:
            x, y = rasterio.transform.xy(dataset.transform, rows, columns, offset="ul")
        expected_lon, expected_lat = gdal_transform(crs, "EPSG:4326", x, y)
    np.testing.assert_allclose(lon, expected_lon, atol=1e-9)
    np.testing.assert_allclose(lat, expected_lat, atol=1e-9)
    np.testing.assert_allclose(back, (columns, rows), atol=1e-3)
    if crs == "EPSG:3857":
        assert float(scale.x_m) == pytest.approx(0.6 * np.cos(np.radians(lat[1])), rel=0.004)
    if crs == "EPSG:4326":
        # 60 degrees north: a degree of longitude is about half as long as one of latitude.
        assert float(scale.x_m) == pytest.approx(
            9e-6 * 111_320 * np.cos(np.radians(60.4)), rel=0.01
        )
        assert float(scale.y_m) == pytest.approx(4.5e-6 * 111_430, rel=0.01)


def test_up_is_turned_by_the_grid_convergence(tmp_path: Path) -> None:
    """UTM, 3 degrees of longitude east of the middle meridian: dlon * sin(lat)."""
    east = write_map(tmp_path / "map.tif", texture(50, 50), "EPSG:32633", (736_000, 5_000_000))
    with Raster(east) as raster:
        lon, lat = raster.geo.lonlat(25.0, 25.0)
        heading_deg = float(raster.geo.scale(25.0, 25.0).heading_deg)
    assert heading_deg == pytest.approx(
        (float(lon) - 15) * np.sin(np.radians(float(lat))), rel=1e-3
    )
    assert heading_deg > 1


def test_antimeridian_wraps_in_both_directions(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", texture(40, 40), "EPSG:4326", (179.9999, -16.0), 5e-6)
    with Raster(path) as raster:
        lon, lat = raster.geo.lonlat(np.array([0.0, 40.0]), np.array([20.0, 20.0]))
        columns, _ = raster.geo.pixel(lon, lat)
    np.testing.assert_allclose(lon, [179.9999, -179.9999])
    np.testing.assert_allclose(columns, [0, 40], atol=1e-6)


def test_bands_become_rgb(tmp_path: Path) -> None:
    pixels = texture(64, 48, 13)
    for bands, source in ((1, [0, 0, 0]), (3, [0, 1, 2]), (13, [0, 1, 2])):
        with Raster(write_map(tmp_path / f"{bands}.tif", pixels[:bands])) as raster:
            rgb, valid = read_all(raster)
        np.testing.assert_array_equal(np.moveaxis(rgb, 2, 0), pixels[source])
        assert valid.all()


def test_bands_tagged_red_green_blue_are_found(tmp_path: Path) -> None:
    pixels = texture(32, 32, 4)
    path = write_map(tmp_path / "bgrn.tif", pixels, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as dataset:
        names = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
        dataset.colorinterp = names
    with Raster(path) as raster:
        rgb, _ = read_all(raster)
    np.testing.assert_array_equal(np.moveaxis(rgb, 2, 0), pixels[[2, 1, 0]])


def test_alpha_nodata_and_internal_mask_make_the_valid_mask(tmp_path: Path) -> None:
    pixels = texture(64, 48)
    hole = np.zeros((48, 64), bool)
    hole[10:30, 20:50] = True
    alpha = np.where(hole, 0, 255).astype(np.uint8)[None]
    with_alpha = write_map(tmp_path / "a.tif", np.concatenate([pixels, alpha]), alpha="YES")
    emptied = np.where(hole, 0, np.maximum(pixels, 1)).astype(np.uint8)
    with_nodata = write_map(tmp_path / "n.tif", emptied, nodata=0)
    with_mask = write_map(tmp_path / "m.tif", pixels)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(with_mask, "r+") as dataset:
        dataset.write_mask(~hole)
    for path in (with_alpha, with_nodata, with_mask):
        with Raster(path) as raster:
            rgb, valid = read_all(raster)
            assert not raster.all_valid
        np.testing.assert_array_equal(valid, ~hole)
        assert not rgb[hole].any()


def test_a_band_value_equal_to_nodata_does_not_hide_a_colour(tmp_path: Path) -> None:
    pixels = np.full((3, 20, 20), 90, np.uint8)
    pixels[1] = 0
    pixels[:, :5] = 0
    with Raster(write_map(tmp_path / "n.tif", pixels, nodata=0)) as raster:
        _, valid = read_all(raster)
    assert valid[5:].all() and not valid[:5].any()


def test_16_bits_are_stretched_by_robust_percentiles(tmp_path: Path) -> None:
    pixels = texture(200, 200).astype(np.uint16) * 30 + 500
    pixels[:, 0, :3] = 65535
    pixels[:, 100:120, 100:120] = 0
    with Raster(write_map(tmp_path / "m.tif", pixels, nodata=0)) as raster:
        low, high = raster.stretch or (0, 0)
        rgb, valid = read_all(raster)
    values = pixels[:, (pixels != 0).any(axis=0)]
    assert (low, high) == tuple(np.percentile(values, (2, 98)))
    assert rgb[valid].min() == 0 and rgb[valid].max() == 255
    middle = (low + high) / 2
    near_middle = np.abs(pixels[0].astype(float) - middle) <= 15
    assert np.abs(rgb[..., 0][near_middle].astype(int) - 128).max() <= 2
    assert not rgb[~valid].any()


def test_large_16_bit_rasters_are_sampled_in_windows(tmp_path: Path) -> None:
    sparse = {"tiled": True, "sparse_ok": True, "blockxsize": 512, "blockysize": 512}
    path = tmp_path / "m.tif"
    profile = {
        "driver": "GTiff",
        "width": 9000,
        "height": 9000,
        "count": 1,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000),
    }
    with rasterio.open(path, "w", **profile, **sparse) as dataset:
        block = np.arange(4096 * 4096, dtype=np.uint32).reshape(4096, 4096) % 1000 + 1000
        dataset.write(block.astype(np.uint16)[None], window=((0, 4096), (0, 4096)))
    with Raster(path) as raster:
        low, high = raster.stretch or (0, 0)
    assert low == 0 and 1850 < high < 1950


def test_windows_between_pixels_are_resampled(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8) * 2, (3, 80, 100)).copy()
    with Raster(write_map(tmp_path / "m.tif", ramp)) as raster:
        shifted, _ = raster.read(10.5, 3.25, 40, 40, (40, 40))
        halved, _ = raster.read(10, 4, 60, 40, (20, 30))
    # A pixel's value sits at its centre: column c holds 2 * c at c + 0.5.
    np.testing.assert_allclose(shifted[20, 5:35, 0], 21 + 2 * np.arange(5, 35), atol=1)
    np.testing.assert_allclose(halved[10, 3:27, 1], 21 + 4 * np.arange(3, 27), atol=1)


def test_overviews_serve_large_windows(tmp_path: Path) -> None:
    path = write_map(
        tmp_path / "m.tif", texture(512, 512), tiled=True, blockxsize=128, blockysize=128
    )
    with Raster(path) as raster:
        plain, _ = raster.read(0, 0, 512, 512, (128, 128))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    with Raster(path) as raster:
        served, _ = raster.read(0, 0, 512, 512, (128, 128))
    assert np.abs(served.astype(int) - plain.astype(int)).max() <= 2


def test_a_window_outside_is_refused(tmp_path: Path) -> None:
    with (
        Raster(write_map(tmp_path / "m.tif", texture(40, 40))) as raster,
        pytest.raises(SkyfixError, match="leaves"),
    ):
        raster.read(30, 0, 20, 20, (20, 20))


def refused(path: Path, because: str) -> None:
    with pytest.raises(SkyfixError, match=because) as caught:
        Raster(path)
    message = str(caught.value)
    assert "\n" not in message and path.name[:40] in message


def test_files_that_are_no_maps_are_refused(tmp_path: Path) -> None:
    good = write_map(
        tmp_path / "good.tif", texture(600, 600), tiled=True, blockxsize=64, blockysize=64
    )
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("I am a map")
    content = good.read_bytes()
    (tmp_path / "half.tif").write_bytes(content[: len(content) // 2])
    (tmp_path / "stub.tif").write_bytes(content[:6])
    refused(tmp_path / "missing.tif", "No such raster")
    refused(tmp_path, "not a regular file")
    refused(tmp_path / "empty.tif", "0 bytes")
    refused(tmp_path / "text.tif", "Not a GeoTIFF")
    refused(tmp_path / "half.tif", "truncated")
    refused(tmp_path / "stub.tif", "truncated")
    refused(tmp_path / ("x" * 300), "name too long")
    refused(Path("/vsicurl/http://localhost/m.tif"), "No such raster")
    with pytest.raises(SkyfixError, match="null byte"):
        Raster("nul\0.tif")


def test_a_vrt_named_tif_is_refused(tmp_path: Path) -> None:
    target = write_map(tmp_path / "target.tif", texture(20, 20, 1))
    vrt = tmp_path / "vrt.tif"
    vrt.write_text(
        '<VRTDataset rasterXSize="20" rasterYSize="20"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>500000, 0.5, 0, 5000000, 0, -0.5</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{target}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(vrt) as dataset:
        assert dataset.driver == "VRT"
    refused(vrt, "Not a GeoTIFF")


def test_a_tiff_that_names_another_file_is_refused(tmp_path: Path) -> None:
    secret = write_map(tmp_path / "secret.tif", np.full((1, 32, 32), 77, np.uint8))
    path = write_map(tmp_path / "m.tif", texture(64, 64, 1))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    refused(path, "refers to another file")


def test_maps_without_a_usable_georeference_are_refused(tmp_path: Path) -> None:
    pixels = texture(30, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = write_map(tmp_path / "plain.tif", pixels, transform=Affine.identity())
    refused(write_map(tmp_path / "nocrs.tif", pixels, crs=None), "No coordinate reference system")
    refused(plain, "no georeference")
    turned = Affine(0.47, 0.17, 5e5, 0.17, -0.47, 5e6)
    refused(write_map(tmp_path / "turned.tif", pixels, transform=turned), "rotated")
    flipped = Affine(0.5, 0, 5e5, 0, 0.5, 5e6)
    refused(write_map(tmp_path / "flipped.tif", pixels, transform=flipped), "flipped")
    local = 'LOCAL_CS["site grid",UNIT["metre",1]]'
    refused(write_map(tmp_path / "local.tif", pixels, crs=local), "neither projected")
    lost = write_map(tmp_path / "lost.tif", pixels, "EPSG:4326", (500_000.0, 5_000_000.0))
    refused(lost, "not defined|latitude")
    polar = write_map(tmp_path / "polar.tif", pixels, "EPSG:4326", (10.0, 89.0), 0.01)
    refused(polar, "latitude 89")


def test_unsupported_samples_are_refused(tmp_path: Path) -> None:
    pixels = texture(30, 30, 3)
    refused(write_map(tmp_path / "c.tif", pixels.astype(np.complex64)), "complex64")
    refused(write_map(tmp_path / "dem.tif", pixels[:1].astype(np.float32)), "elevation model")
    refused(write_map(tmp_path / "low.tif", pixels[:1].astype(np.int16)), "elevation model")
    refused(write_map(tmp_path / "two.tif", pixels[:2]), "2 bands")
    table = write_map(tmp_path / "palette.tif", pixels[:1], photometric="PALETTE")
    with rasterio.open(table, "r+") as dataset:
        dataset.write_colormap(1, {value: (value, 0, 0, 255) for value in range(256)})
    refused(table, "colour table")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("bands", [1, 3, 4, 13])
def test_samples_of_every_kind_show_the_same_picture(
    tmp_path: Path, dtype: str, bands: int
) -> None:
    """Samples other than bytes are stretched; the picture stays the same up to its contrast."""
    pixels = texture(80, 60, bands)
    values = pixels if dtype == "uint8" else pixels.astype(dtype) * 20 - (dtype[0] != "u") * 500
    if dtype.startswith("float"):
        values = values / 3e4
    path = write_map(tmp_path / "m.tif", values.astype(dtype), photometric="MINISBLACK")
    chosen = {1: (1,), 3: (1, 2, 3), 4: (3, 2, 1), 13: (4, 3, 2)}[bands]
    with Raster(path, chosen) as raster:
        rgb, valid = read_all(raster)
    assert raster.bands == chosen and valid.all()
    shown = np.moveaxis(pixels[[band - 1 for band in chosen]], 0, 2)
    assert np.corrcoef(rgb.ravel(), np.broadcast_to(shown, rgb.shape).ravel())[0, 1] > 0.98
    assert rgb.max() > 230 and rgb.min() < 30


def test_samples_that_are_not_numbers_are_not_valid(tmp_path: Path) -> None:
    values = texture(60, 40).astype(np.float32) / 255
    values[1, 5:9, 10:20] = np.nan
    values[:, 20:25, 30:40] = np.inf
    values[:, 30:, :] = -9999
    with Raster(write_map(tmp_path / "m.tif", values, nodata=-9999)) as raster:
        assert not raster.all_valid
        rgb, valid = read_all(raster)
        assert raster.stretch is not None and 0 <= raster.stretch[0] < raster.stretch[1] <= 1
    expected = np.ones((40, 60), bool)
    expected[5:9, 10:20] = expected[20:25, 30:40] = expected[30:] = False
    np.testing.assert_array_equal(valid, expected)
    assert not rgb[~valid].any()


def test_thirteen_bands_are_those_of_sentinel_2(tmp_path: Path) -> None:
    """By name where bands have names, else in the order of Level-1C; bytes are a picture."""
    pixels = texture(40, 30, 13).astype(np.uint16) * 40
    for names, expected in (
        (None, (4, 3, 2)),
        ([f"B{number}" for number in (1, 4, 3, 2, 5, 6, 7, 8, 9, 10, 11, 12)] + ["B8A"], (2, 3, 4)),
        ([f"B{number:02d}" for number in range(12, -1, -1)], (9, 10, 11)),
        (["x"] * 5 + ["Blue", "Green", "Red"] + ["y"] * 5, (8, 7, 6)),
        (["red", "red", "green", "blue"] + ["x"] * 9, (4, 3, 2)),
    ):
        path = write_map(tmp_path / "m.tif", pixels, photometric="MINISBLACK")
        if names is not None:
            with rasterio.open(path, "r+") as dataset:
                dataset.descriptions = names
        with Raster(path) as raster:
            assert raster.bands == expected


def test_chosen_bands_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", texture(30, 30, 4))
    for chosen, because in (
        ((5,), "no band 5, it has 4"),
        ((0, 1, 2), "no band 0"),
        ((1, 2), "2 bands are chosen"),
        ((1, 2, 3, 4), "4 bands are chosen"),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            Raster(path, chosen)
        assert "\n" not in str(caught.value)


def test_a_block_too_large_to_read_in_pieces_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "block.tif"
    profile = {"driver": "GTiff", "width": 20_000, "height": 20_000, "count": 1, "dtype": "uint8"}
    place = {"crs": "EPSG:32633", "transform": Affine(0.5, 0, 5e5, 0, -0.5, 5e6)}
    layout = {"tiled": True, "blockxsize": 20_000, "blockysize": 20_000, "sparse_ok": True}
    with rasterio.open(path, "w", **profile, **place, **layout):
        pass
    refused(path, "too large to read piece by piece")


@pytest.mark.shared
def test_the_real_maps_have_their_published_ground_scale(shared: Path) -> None:
    published = {
        "ariel/map.tif": (0.506, 0.506),
        "fongyuan/map.tif": (0.16, 0.16),
        "village/ortho.tif": (0.15, 0.15),
        "wildnav_maps/map_00.tif": (0.135, 0.136),
    }
    for name, (x_m, y_m) in published.items():
        with Raster(shared / "data" / name) as raster:
            scale = raster.geo.scale(raster.width_px / 2, raster.height_px / 2)
        # The published values round, and take a sphere for the Earth.
        assert float(scale.x_m) == pytest.approx(x_m, rel=0.006)
        assert float(scale.y_m) == pytest.approx(y_m, rel=0.006)
