"""What a build puts into a gallery, and what it refuses."""

import dataclasses
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours
from PIL import Image
from rasterio.warp import transform as gdal_transform
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.manifest import Manifest
from skyfix.gallery.storage import storage_of
from skyfix.geo.raster import Raster
from skyfix.geo.tiling import plan_tiles

PLACES = {
    "EPSG:3857": ((3_918_467.0, 3_777_976.0), 0.6),
    "EPSG:3826": ((221_142.0, 2_684_183.0), 0.5),
    "EPSG:32733": ((500_000.0, 7_000_000.0), 0.5),
    "EPSG:4326": ((179.9995, -16.0), (4.7e-6, 4.5e-6)),
}


def refused(because: str, *args: object, **options: object) -> None:
    with pytest.raises(SkyfixError, match=because) as caught:
        Gallery.build(*args, **options)
    assert "\n" not in str(caught.value)


def test_counts_add_up_and_say_what_was_left_out(gallery: Gallery, map_path: Path) -> None:
    assert gallery.report is not None
    counts = gallery.report.counts
    assert counts.planned == counts.kept + counts.skipped_nodata + counts.skipped_featureless
    assert counts.kept == len(gallery) == gallery.report.embedded
    with Raster(map_path) as raster, rasterio.open(map_path) as dataset:
        plan = plan_tiles(raster.geo, TILE_M, STRIDE_M, "map")
        pixels = dataset.read()
    empty, flat = 0, 0
    for left, top, width, height in zip(
        plan.columns, plan.rows, plan.widths, plan.heights, strict=True
    ):
        rows = slice(int(top), math.ceil(top + height))
        shown = pixels[:, rows, int(left) : math.ceil(left + width)]
        valid = (shown != 0).any(axis=0)
        empty += valid.mean() < 0.5
        flat += valid.mean() >= 0.5 and shown[:, valid].std(axis=1).max() < 2
    assert (counts.planned, counts.skipped_nodata) == (len(plan), empty)
    assert counts.skipped_featureless == flat > 100


def crop(path: Path, gallery: Gallery, row: int) -> np.ndarray:
    """What Pillow cuts out of the whole map at a tile's window: (32, 32, 3)."""
    with rasterio.open(path) as dataset:
        pixels = Image.fromarray(np.moveaxis(dataset.read(), 0, 2))
    tiles = gallery.tiles
    left, top = tiles.column_px[row], tiles.row_px[row]
    right, bottom = left + tiles.width_px[row], top + tiles.height_px[row]
    return np.asarray(
        pixels.resize((32, 32), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    )


def worst_cosine(path: Path, gallery: Gallery, rows: np.ndarray) -> float:
    """Between stored descriptors and those of Pillow's crops."""
    direct = MeanColours().embed([crop(path, gallery, int(row)) for row in rows], "satellite")
    return float((direct * gallery.descriptors[rows]).sum(axis=1).min())


def test_tiles_hold_what_the_map_shows_there(gallery: Gallery, map_path: Path) -> None:
    rows = np.arange(0, len(gallery), 97)
    assert len(np.unique(gallery.tiles.id)) == len(gallery)
    assert worst_cosine(map_path, gallery, rows) > 0.9999
    thumbnail = np.asarray(gallery.thumbnail(int(rows[5])).resize((32, 32)), dtype=float)
    assert np.abs(thumbnail - crop(map_path, gallery, int(rows[5]))).mean() < 6


def test_wide_maps_are_read_in_panels(tmp_path: Path) -> None:
    path = write_map(tmp_path / "wide.tif", texture(1500, 70), pixel=1.0)
    gallery = Gallery.build(path, tmp_path / "g", MeanColours(), 20, 10)
    assert (np.diff(gallery.tiles.row_px) < 0).sum() == 2, "not three panels"
    assert worst_cosine(path, gallery, np.arange(0, len(gallery), 11)) > 0.9999


@pytest.mark.parametrize("crs", PLACES)
def test_positions_agree_with_gdal_in_every_crs(tmp_path: Path, crs: str) -> None:
    origin, pixel = PLACES[crs]
    path = write_map(tmp_path / "map.tif", texture(240, 200), crs, origin, pixel)
    gallery = Gallery.build(path, tmp_path / "gallery", MeanColours(), 20, 10)
    tiles = gallery.tiles
    with rasterio.open(path) as dataset:
        x, y = rasterio.transform.xy(
            dataset.transform,
            tiles.row_px + tiles.height_px / 2,
            tiles.column_px + tiles.width_px / 2,
            offset="ul",
        )
    lon, lat = gdal_transform(crs, "EPSG:4326", x, y)
    np.testing.assert_allclose(tiles.lat, lat, atol=1e-9)
    np.testing.assert_allclose((tiles.lon - lon + 180) % 360, 180, atol=1e-9)
    assert (np.abs(tiles.lon) <= 180).all()
    np.testing.assert_allclose(tiles.size_m, 20)
    np.testing.assert_allclose(
        tiles.gsd_m * np.sqrt(tiles.width_px * tiles.height_px), 20, rtol=1e-3
    )
    west, south, east, north = gallery.info().bounds
    assert south < tiles.lat.min() and tiles.lat.max() < north
    assert (west > east) == (crs == "EPSG:4326")


def test_several_rasters_make_one_gallery_and_a_folder_stands_for_its_maps(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    second = write_map(maps / "b.tif", texture(120, 100, seed=1), origin=(600_000, 5_000_000))
    first = write_map(maps / "a.tif", texture(100, 100, 1).astype(np.uint16) * 200)
    (maps / "notes.txt").write_text("not a map")
    of_folder = Gallery.build(maps, tmp_path / "f", MeanColours(), 20, 10)
    of_list = Gallery.build([first, str(second)], tmp_path / "l", MeanColours(), 20, 10)
    np.testing.assert_array_equal(of_folder.tiles.id, of_list.tiles.id)
    np.testing.assert_array_equal(np.unique(of_list.tiles.source), [0, 1])
    assert [Path(source.path).name for source in of_list.sources] == ["a.tif", "b.tif"]
    assert [source.crs for source in of_list.sources] == ["EPSG:32633"] * 2
    alone = Gallery.build(second, tmp_path / "alone", MeanColours(), 20, 10)
    np.testing.assert_array_equal(of_list.tiles.id[of_list.tiles.source == 1], alone.tiles.id)


def test_overviews_and_large_tiles_show_the_same_ground(tmp_path: Path) -> None:
    """A tile of 640 px for an input of 32 is read reduced, from overviews where there are any."""
    blobs = cv2.resize(np.moveaxis(texture(240, 224), 0, 2), (1500, 1400))
    path = write_map(tmp_path / "map.tif", np.moveaxis(blobs, 2, 0), tiled=True)
    plain = Gallery.build(path, tmp_path / "plain", MeanColours(), 320, 50)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4, 8, 16], rasterio.enums.Resampling.average)
    served = Gallery.build(path, tmp_path / "served", MeanColours(), 320, 50)
    assert len(plain) == len(served) == 9 * 8
    for gallery in (plain, served):
        assert worst_cosine(path, gallery, np.arange(0, len(gallery), 7)) > 0.998


def test_building_again_does_nothing(gallery: Gallery, map_path: Path) -> None:
    embedder = MeanColours()
    again = Gallery.build(map_path, gallery.path, embedder, TILE_M, STRIDE_M)
    assert again.report is not None and gallery.report is not None
    assert again.report.already_complete and embedder.embedded == 0
    assert again.report.counts == gallery.report.counts


def test_other_arguments_are_refused_for_a_gallery_that_exists(
    gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    other_map = write_map(tmp_path / "other.tif", texture(100, 100))
    out = gallery.path
    refused("tile_m 20, asked is 25", map_path, out, MeanColours(), 25, STRIDE_M)
    refused("stride_m 5, asked is 6", map_path, out, MeanColours(), TILE_M, 6)
    refused("thumbnail_px", map_path, out, MeanColours(), TILE_M, STRIDE_M, thumbnail_px=64)
    refused("system c01005, asked is 0ff", map_path, out, MeanColours("0ff"), TILE_M, STRIDE_M)
    refused("other rasters", other_map, out, MeanColours(), TILE_M, STRIDE_M)
    refused("other rasters", [map_path, other_map], out, MeanColours(), TILE_M, STRIDE_M)


def test_a_raster_that_changed_under_the_same_name_is_refused(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", texture(100, 100))
    Gallery.build(path, tmp_path / "g", MeanColours(), 20, 10)
    write_map(path, texture(100, 100, seed=9))
    refused("content", path, tmp_path / "g", MeanColours(), 20, 10)


def test_sources_and_folders_that_cannot_serve_are_refused(tmp_path: Path, map_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"jpeg")
    (tmp_path / "file").write_text("in the way")
    copy = tmp_path / "copy.tif"
    copy.write_bytes(map_path.read_bytes())
    good = (MeanColours(), TILE_M, STRIDE_M)
    refused("No raster given", [], tmp_path / "g", *good)
    refused("No .tif", tmp_path / "empty", tmp_path / "g", *good)
    refused("same content", [map_path, copy], tmp_path / "g", *good)
    refused("No such raster", tmp_path / "none.tif", tmp_path / "g", *good)
    refused("smaller than one tile", map_path, tmp_path / "g", MeanColours(), 2000, 10)
    refused("thumbnail_px is -1", map_path, tmp_path / "g", *good, thumbnail_px=-1)
    refused("not a gallery", map_path, tmp_path / "photos", *good)
    refused("is a file", map_path, tmp_path / "file", *good)
    assert not (tmp_path / "g").exists()


def test_a_map_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    blank = write_map(tmp_path / "blank.tif", np.full((3, 100, 100), 7, np.uint8))
    refused("25 are nodata|25 featureless", blank, tmp_path / "g", MeanColours(), 10, 10)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, map_path: Path) -> None:
    if os.geteuid() == 0:
        out = Path("/proc/gallery")
    else:
        out = tmp_path / "locked" / "gallery"
        out.parent.mkdir(mode=0o555)
    refused("Cannot write", map_path, out, MeanColours(), TILE_M, STRIDE_M)


def test_descriptors_that_are_no_unit_vectors_are_refused(tmp_path: Path, map_path: Path) -> None:
    class Broken(MeanColours):
        def embed(self, images: list[np.ndarray], view: str) -> np.ndarray:
            return np.full((len(images), 48), np.nan, np.float32)

    class Long(MeanColours):
        def embed(self, images: list[np.ndarray], view: str) -> np.ndarray:
            return super().embed(images, view) * 2

    refused("unit", map_path, tmp_path / "nan", Broken(), TILE_M, STRIDE_M)
    refused("unit", map_path, tmp_path / "long", Long(), TILE_M, STRIDE_M)


def test_a_sparse_giant_is_read_in_windows(tmp_path: Path) -> None:
    """A few MB on disk that declare 112 GiB: planning and the first tiles need neither."""
    path = tmp_path / "giant.tif"
    profile = {"driver": "GTiff", "width": 200_000, "height": 200_000, "count": 3}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 3e5, 0, -0.5, 5.5e6)}
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True}
    with rasterio.open(
        path, "w", dtype="uint8", BIGTIFF="YES", **profile, **place, **layout
    ) as out:
        out.write(texture(4000, 2048), window=((0, 2048), (0, 4000)))
    assert path.stat().st_size < 40e6

    class EnoughError(Exception):
        pass

    class FirstTiles(MeanColours):
        def embed(self, images: list[np.ndarray], view: str) -> np.ndarray:
            raise EnoughError

    refused("million tiles, the limit", path, tmp_path / "g", MeanColours(), 20, 5)
    with pytest.raises(EnoughError):
        Gallery.build(path, tmp_path / "g", FirstTiles(), 400, 200)


def test_the_description_survives_the_disk(gallery: Gallery) -> None:
    manifest = Manifest.read(storage_of(gallery.path))
    assert manifest.state == "complete" and manifest.input_px == (32, 32)
    assert [f.name for f in dataclasses.fields(manifest.sources[0])][:2] == ["path", "size_bytes"]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tile_m", "stride_m", "tiles", "side_px"),
    [("ariel", 200, 50, 700, 395), ("fongyuan", 100, 25, 506, 625)],
)
def test_real_maps_give_the_crops_of_their_protocols(
    shared: Path,
    tmp_path: Path,
    name: str,
    tile_m: float,
    stride_m: float,
    tiles: int,
    side_px: int,
) -> None:
    path = shared / "data" / name / "map.tif"
    gallery = Gallery.build(path, tmp_path / "g", MeanColours(), tile_m, stride_m)
    assert len(gallery) == tiles
    assert gallery.tiles.width_px.mean() == pytest.approx(side_px, abs=0.5)
    with rasterio.open(path) as dataset:
        column = gallery.tiles.column_px + gallery.tiles.width_px / 2
        row = gallery.tiles.row_px + gallery.tiles.height_px / 2
        x, y = rasterio.transform.xy(dataset.transform, row, column, offset="ul")
        lon, lat = gdal_transform(dataset.crs, "EPSG:4326", x, y)
    np.testing.assert_allclose(gallery.tiles.lon, lon, atol=1e-9)
    np.testing.assert_allclose(gallery.tiles.lat, lat, atol=1e-9)
