"""The sample that comes with the package."""

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import rasterio.warp

from skyfix.geo.ground import distance_m
from skyfix.images import read_image
from skyfix.localize.photo_metadata import read_metadata
from skyfix.localize.telemetry import read_telemetry
from skyfix.world import sample_folder
from skyfix.world.flight import write_small_sample

SAMPLE = sample_folder()


def listing() -> dict[str, str]:
    lines = (SAMPLE / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def truth(of_photos: bool) -> list[dict[str, str]]:
    with (SAMPLE / "truth.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if bool(row["file"]) == of_photos]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_is_whole_and_small() -> None:
    files = {path.relative_to(SAMPLE).as_posix(): path for path in SAMPLE.rglob("*.*")}
    readme = files.pop("README.md")
    assert "Licence" in readme.read_text() and "skyfix world sample" in readme.read_text()
    assert {name: digest_of(path) for name, path in files.items()} == listing()
    assert sum(path.stat().st_size for path in files.values()) < 8_000_000


def test_its_path_needs_no_renderer() -> None:
    code = "import sys; from skyfix.world import sample_folder as f; f(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "rasterio", "skyfix.world.scene"} & set(done.stdout.split())


def test_every_photo_reads_and_tells_its_pose() -> None:
    rows = truth(of_photos=True)
    assert len(rows) == 60
    for row in rows:
        found = read_metadata(SAMPLE / row["file"])
        assert found.pose.is_complete and not found.warnings
        assert found.lon is not None and found.lat is not None
        assert distance_m(found.lon, found.lat, float(row["lon"]), float(row["lat"])) < 0.01
        pixels = np.asarray(read_image(SAMPLE / row["file"]))
        assert pixels.shape == (480, 640, 3)
        assert pixels.std() > 20


def test_the_telemetry_is_that_of_the_video() -> None:
    with av.open(str(SAMPLE / "flight.mp4")) as container:
        times = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    rows, telemetry = truth(of_photos=False), read_telemetry(SAMPLE / "flight.srt")
    assert times == pytest.approx(np.arange(300) / 5)
    assert times == pytest.approx([float(row["time_s"]) for row in rows])
    assert len(telemetry) == 300
    for row in rows[::29]:
        seen = telemetry.at(float(row["time_s"]))
        assert seen.lon is not None and seen.lat is not None
        assert distance_m(seen.lon, seen.lat, float(row["lon"]), float(row["lat"])) < 0.01


def test_all_that_is_looked_at_lies_on_the_map() -> None:
    with rasterio.open(SAMPLE / "map.tif") as raster:
        assert raster.crs.to_epsg() == 32631
        assert (raster.width, raster.height, raster.count) == (2000, 2000, 3)
        rows = truth(of_photos=True) + truth(of_photos=False)
        places = [[float(row["ground_lon"]), float(row["ground_lat"])] for row in rows]
        x, y = rasterio.warp.transform("EPSG:4326", raster.crs, *np.array(places).T)
        west, south, east, north = raster.bounds
    assert west < min(x) and max(x) < east and south < min(y) and max(y) < north


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_command_in_its_readme_makes_it(tmp_path: Path) -> None:
    made = write_small_sample(tmp_path / "sample")
    assert {name: digest_of(made / name) for name in listing()} == listing()
