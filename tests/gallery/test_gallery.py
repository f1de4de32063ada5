"""Opening galleries: facts, thumbnails, the system inside, and what is damaged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours
from pyproj import Geod
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.scales import Scale
from skyfix.inference import Embedder


@pytest.fixture
def copied(gallery: Gallery, tmp_path: Path) -> Path:
    """A copy of the gallery that a test may damage."""
    return Path(shutil.copytree(gallery.path, tmp_path / "copy"))


def refused(path: Path, because: str) -> None:
    with pytest.raises(SkyfixError, match=because) as caught:
        Gallery.open(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_info_states_the_facts(gallery: Gallery, map_path: Path) -> None:
    info = Gallery.open(gallery.path).info()
    assert (info.tiles, info.scales) == (len(gallery), (Scale(TILE_M, STRIDE_M),))
    assert (info.dimensions, info.system, info.identity) == (48, "mean-colours", "c01005")
    assert [source.path for source in info.sources] == [str(map_path)]
    stored = sum(entry.stat().st_size for entry in gallery.path.rglob("*") if entry.is_file())
    assert info.size_bytes == stored > 48 * 2 * len(gallery)
    west, south, east, north = info.bounds
    with rasterio.open(map_path) as dataset:
        left, bottom, right, top = rasterio.warp.transform_bounds(
            dataset.crs, "EPSG:4326", *dataset.bounds
        )
    metre_deg = 1 / 111_000
    # The left sixth of the map is nodata; tiles less than half in it are kept.
    assert left < west < left + 80 * metre_deg
    assert right - 10 * metre_deg < east < right + metre_deg
    assert bottom - metre_deg < south < bottom + 10 * metre_deg
    assert top - 10 * metre_deg < north < top + metre_deg


def test_thumbnails_are_small_pictures(gallery: Gallery) -> None:
    picture = gallery.thumbnail(10)
    assert picture.size == (128, 128) and picture.mode == "RGB"
    for row in (-1, len(gallery)):
        with pytest.raises(SkyfixError, match="No tile"):
            gallery.thumbnail(row)


def test_a_gallery_may_do_without_thumbnails(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", texture(100, 100))
    gallery = Gallery.build(path, tmp_path / "g", MeanColours(), 20, 10, thumbnail_px=0)
    with pytest.raises(SkyfixError, match="without thumbnails"):
        gallery.thumbnail(0)


def test_descriptors_of_another_system_are_refused(gallery: Gallery) -> None:
    gallery.require("c01005")
    with pytest.raises(SkyfixError, match="c01005, not by ffff") as caught:
        gallery.require("ffff")
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_gallery_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, "Not a gallery")
    refused(tmp_path / "missing", "Not a gallery")


def test_damaged_galleries_are_refused(copied: Path) -> None:
    data = sorted((copied / "tiles.lance" / "data").iterdir())
    whole = data[1].read_bytes()
    data[1].write_bytes(whole[: len(whole) // 2])
    refused(copied, "Damaged gallery .* truncated")
    data[1].unlink()
    refused(copied, "Damaged gallery")
    shutil.rmtree(copied / "tiles.lance")
    refused(copied, "Damaged gallery")
    manifest = copied / "gallery.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format": 99}))
    refused(copied, "format 99")
    manifest.write_text(json.dumps({**content, "sources": [{"name": 1}]}))
    refused(copied, "Damaged gallery description")
    manifest.write_text(json.dumps([1, 2]))
    refused(copied, "Damaged gallery description")
    manifest.write_text("{")
    refused(copied, "gallery description")


def test_bytes_changed_inside_a_data_file_give_one_line(copied: Path) -> None:
    for file in (copied / "tiles.lance" / "data").iterdir():
        content = bytearray(file.read_bytes())
        content[200 : len(content) // 5] = b"\x55" * (len(content) // 5 - 200)
        file.write_bytes(bytes(content))
    gallery = Gallery.open(copied)
    with pytest.raises(SkyfixError, match="Damaged gallery"):
        _ = gallery.descriptors


def test_missing_rows_are_noticed(copied: Path) -> None:
    manifest = copied / "gallery.json"
    content = json.loads(manifest.read_text())
    content["contents"]["counts"][0]["kept"] += 1
    manifest.write_text(json.dumps(content))
    refused(copied, "tiles instead of")


def test_the_system_travels_with_the_gallery(tmp_path: Path) -> None:
    """Built with a network, opened elsewhere: its own embedder finds a crop of the map."""
    blobs = texture(400, 300, seed=3)
    path = write_map(tmp_path / "map.tif", blobs)
    Gallery.build(path, tmp_path / "g", Embedder("imagenet", device="cpu"), 100, 50)
    gallery = Gallery.open(Path(shutil.move(tmp_path / "g", tmp_path / "moved")))
    embedder = gallery.embedder(device="cpu")
    assert gallery.info().system == "imagenet" and embedder.identity == gallery.identity
    crop = np.moveaxis(blobs[:, 94:294, 106:306], 0, 2)
    matches = gallery.search(embedder.embed([crop], "drone"), 3)
    best = int(matches.rows[0, 0])
    geo_lon, geo_lat = gallery.tiles.lon[best], gallery.tiles.lat[best]
    with rasterio.open(path) as dataset:
        x, y = rasterio.transform.xy(dataset.transform, 194, 206, offset="ul")
    lon, lat = rasterio.warp.transform(dataset.crs, "EPSG:4326", [x], [y])
    distance_m = Geod(ellps="WGS84").inv(geo_lon, geo_lat, lon[0], lat[0])[2]
    assert distance_m < 6
    (gallery.path / "system" / "system.json").unlink()
    with pytest.raises(SkyfixError):
        gallery.embedder()
