"""Galleries on object storage: built, opened, searched, changed and locked on a real S3 server."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lance
import numpy as np
import pytest
from bucket_server import bucket
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.bucket_path import object_storage
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.storage import storage_of
from skyfix.gallery.verify import verify_gallery
from skyfix.geo.maps import open_map
from skyfix.localize.calibration import Calibration, read_calibration
from skyfix.localize.maps import Maps

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with bucket() as uri:
        yield uri


def same(one: Gallery, other: Gallery) -> bool:
    return (
        np.array_equal(one.tiles.id, other.tiles.id)
        and np.array_equal(one.tiles.lon, other.tiles.lon)
        and np.array_equal(one.descriptors, other.descriptors)
        and one.info().counts == other.info().counts
    )


def test_a_gallery_in_a_bucket_is_the_one_on_disk(
    storage: str, gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    out = f"{storage}/maps/one"
    built = Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M)
    assert built.path == out and same(built, gallery)
    opened = Gallery.open(out)
    rows = np.arange(0, len(gallery), 50)
    near = (float(gallery.tiles.lon[700]), float(gallery.tiles.lat[700]), 60.0)
    for circle in (None, near):
        here, there = (
            one.search(gallery.descriptors[rows], 5, circle) for one in (gallery, opened)
        )
        np.testing.assert_array_equal(there.rows, here.rows)
    np.testing.assert_array_equal(opened.thumbnail(9), gallery.thumbnail(9))
    assert opened.info().size_bytes > 48 * 2 * len(gallery)
    embedder = MeanColours()
    assert Gallery.build(map_path, out, embedder, TILE_M, STRIDE_M).report.already_complete
    assert embedder.embedded == 0
    east = write_map(tmp_path / "east.tif", texture(200, 200, seed=5), origin=(6e5, 5e6))
    added = opened.add(east, MeanColours())
    assert len(added) > len(gallery) and [Path(s.path).name for s in added.sources][1] == "east.tif"
    found = verify_gallery(out)
    assert (found.tiles, found.damage, found.warnings) == (len(added), [], [])
    assert same(added.remove(["east.tif"]), gallery)
    assert not Path("s3:").exists()


def test_reduced(storage: str, map_path: Path, tmp_path: Path) -> None:
    sizes = (TILE_M, STRIDE_M)
    here = Gallery.build(map_path, tmp_path / "g", MeanColours(), *sizes, dims=16)
    there = Gallery.build(map_path, f"{storage}/reduced", MeanColours(), *sizes, dims=16)
    assert same(here, there) and there.info().kept == here.info().kept
    assert there.descriptors.shape[1] == 16


def upload(path: Path, uri: str) -> str:
    with object_storage().open_output_stream(uri.removeprefix("s3://")) as stream:
        stream.write(path.read_bytes())
    return uri


def test_maps_in_a_bucket_are_read_there(
    storage: str, gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    uri = upload(map_path, f"{storage}/imagery/map.tif")
    built = Gallery.build(f"{storage}/imagery", tmp_path / "g", MeanColours(), TILE_M, STRIDE_M)
    assert same(built, gallery)
    (here,), (there,) = gallery.sources, built.sources
    assert (there.path, there.fingerprint) == (uri, here.fingerprint)
    assert verify_gallery(built.path).warnings == []
    middle = float(gallery.tiles.lon[700]), float(gallery.tiles.lat[700])
    window = Maps(built).window(0, *middle, 80.0, 200)
    np.testing.assert_array_equal(window.pixels, Maps(gallery).window(0, *middle, 80.0, 200).pixels)
    # What is read of a map is what lies in the bucket now.
    other = write_map(tmp_path / "other.tif", texture(600, 560, seed=8))
    upload(other, uri)
    assert "changed since it was added" in verify_gallery(built.path).warnings[0]
    with open_map(uri) as one, open_map(other) as two:
        pixels = [raster.read(0, 0, 90, 90, (90, 90))[0] for raster in (one, two)]
    np.testing.assert_array_equal(*pixels)


def test_maps_in_a_bucket_that_cannot_be_used(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, pyramid = tmp_path / "text.tif", tmp_path / "tiles.pmtiles"
    text.write_text("no map")
    pyramid.write_bytes(b"PMTiles" + bytes(200))
    cut = tmp_path / "cut.tif"
    cut.write_bytes(write_map(tmp_path / "map.tif", texture(600, 560)).read_bytes()[:200_000])
    for uri, because in (
        (f"{storage}/nowhere/map.tif", "No such raster"),
        (upload(text, f"{storage}/unfit/text.tif"), "Not a GeoTIFF"),
        (upload(cut, f"{storage}/unfit/cut.tif"), "Damaged or truncated"),
        (upload(pyramid, f"{storage}/unfit/tiles.pmtiles"), "read from a disk only"),
        (f"{storage}/unfit", "not a folder of map tiles"),
        (f"{storage}//map.tif", "Cannot read"),
    ):
        with pytest.raises(SkyfixError, match=f"{because}[^\n]*$"):
            open_map(uri)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SkyfixError, match=r"Cannot read s3://[^\n]*Check address[^\n]*$"):
        open_map(f"{storage}/unfit/text.tif")


def test_a_calibration_lies_beside_the_tiles(storage: str, tmp_path: Path) -> None:
    path, out = write_map(tmp_path / "map.tif", texture(100, 100)), f"{storage}/calibrated"
    gallery = Gallery.build(path, out, MeanColours(), 20, 10)
    assert read_calibration(gallery.path, gallery.identity) == Calibration()
    fitted = Calibration(identity=gallery.identity, photos=30)
    fitted.write(gallery.path)
    assert read_calibration(out, gallery.identity) == fitted


def start(map_path: Path, out: str, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "building.py"), str(map_path), out]
    return subprocess.Popen(
        [*command, str(TILE_M), str(STRIDE_M), mode], stdout=subprocess.PIPE, text=True
    )


def test_a_killed_build_goes_on_and_its_lock_falls(
    storage: str, gallery: Gallery, map_path: Path
) -> None:
    out = f"{storage}/killed"
    process = start(map_path, out, "kill:6")
    assert process.wait(120) == -signal.SIGKILL
    with pytest.raises(SkyfixError, match="incomplete"):
        Gallery.open(out)
    embedder = MeanColours()
    assert same(Gallery.build(map_path, out, embedder, TILE_M, STRIDE_M), gallery)
    assert 0 < embedder.embedded < len(gallery)


def test_a_second_writer_is_refused(storage: str, gallery: Gallery, map_path: Path) -> None:
    out = f"{storage}/held"
    first = start(map_path, out, "hold")
    try:
        assert first.stdout is not None and first.stdout.readline() == "holding\n"
        holder = f"{socket.gethostname()}:{first.pid}"
        with pytest.raises(SkyfixError, match=f"Another process is building .*{holder}") as caught:
            Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M)
        assert "\n" not in str(caught.value)
    finally:
        first.kill()
        first.wait()
    assert same(Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M), gallery)


def test_a_lock_of_another_host_stays_until_it_is_deleted(storage: str) -> None:
    kept = storage_of(f"{storage}/foreign")
    with kept.sole_writer():
        pass
    lock = lance.dataset(f"{kept.uri}/.lock.lance", storage_options=kept.storage_options)
    lock.update({"holder": "'elsewhere:1'"})
    with pytest.raises(SkyfixError, match=r"elsewhere:1.*delete s3://.*/foreign/\.lock\.lance"):
        kept.sole_writer().__enter__()


@pytest.mark.parametrize("used", [False, True])
def test_of_many_that_race_one_gets_the_lock(storage: str, used: bool) -> None:
    kept = storage_of(f"{storage}/race-{used}")
    if used:
        with kept.sole_writer():
            pass
    ready, done = threading.Barrier(6, timeout=60), threading.Barrier(6, timeout=60)

    def contend(number: int) -> str:
        lock = storage_of(kept.uri).sole_writer()
        ready.wait()
        try:
            lock.__enter__()
        except SkyfixError as error:
            return str(error)
        finally:
            done.wait()
        lock.__exit__(None, None, None)
        return "inside"

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(contend, range(6)))
    assert said.count("inside") == 1
    assert sum("Another process is building" in one for one in said) == 5
    with kept.sole_writer():
        pass


def test_addresses_that_lead_nowhere_are_one_line(
    storage: str, map_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(because: str, path: str | Path) -> None:
        for call in (Gallery.open, lambda out: Gallery.build(map_path, out, MeanColours(), 20, 5)):
            with pytest.raises(SkyfixError, match=because) as caught:
                call(path)
            assert "\n" not in str(caught.value)

    refused("Not a gallery|Cannot", f"{storage}-none/gallery")
    refused("names no file or folder", storage)
    refused("no place for a gallery", "ftp://host/folder")
    refused("no place for a gallery", Path(f"{storage}/folder"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SkyfixError, match=r"Cannot read s3://[^\n]*Check address"):
        Gallery.open(f"{storage}/maps/one")
