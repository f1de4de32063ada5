import csv
from pathlib import Path

import av
import numpy as np
import pytest
import rasterio
from boards import Grid, checkerboard

from skyfix.geo.camera import centre_on_ground
from skyfix.geo.ground import distance_m, offset
from skyfix.localize.photo_metadata import read_metadata
from skyfix.localize.telemetry import read_telemetry
from skyfix.world.flight import FlightSize, write_flight
from skyfix.world.scene import Scene
from skyfix.world.waypoints import Place, cruise

SIZE = FlightSize(photos=3, seconds=1.5, fps=4, photo_px=(64, 48), video_px=(64, 36), altitude_m=60)
ROUNDED = 0.0051
"""XMP and SRT have two decimals."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = Scene.of_town(6, 300.0, 1.0)
    return write_flight(scene, tmp_path_factory.mktemp("flight") / "a", SIZE)


def truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_photos_tell_the_pose_that_they_were_rendered_from(folder: Path) -> None:
    rows = [row for row in truth(folder) if row["file"]]
    assert len(rows) == 3
    for row in rows:
        found = read_metadata(folder / row["file"])
        assert not found.warnings
        assert found.size_px == (64, 48)
        assert found.pose.is_complete
        assert found.lon is not None and found.lat is not None
        away = distance_m(found.lon, found.lat, float(row["lon"]), float(row["lat"]))
        assert away < 0.01
        assert found.altitude_above_sea_m == pytest.approx(float(row["above_sea_m"]), abs=0.002)
        assert found.pose.altitude_m == pytest.approx(float(row["altitude_m"]), abs=ROUNDED)
        assert found.pose.hfov_deg == pytest.approx(float(row["hfov_deg"]), abs=1e-3)
        for name in ("heading_deg", "pitch_deg", "roll_deg"):
            wrong = (getattr(found.pose, name) - float(row[name]) + 180) % 360 - 180
            assert abs(wrong) < ROUNDED
        assert found.time is not None and found.time.tzinfo is not None


def test_geotags_lead_to_the_ground_at_the_centre(tmp_path: Path) -> None:
    """On ground without houses, so that the axis meets what the geotag takes for granted."""
    scene = Scene.of_ortho(Grid(checkerboard(600), 0.5, "EPSG:3857").write(tmp_path / "o.tif"))
    size = FlightSize(photos=6, seconds=0, photo_px=(64, 48), altitude_m=90)
    folder = write_flight(scene, tmp_path / "flight", size)
    for row in truth(folder):
        found = read_metadata(folder / row["file"])
        assert found.lon is not None and found.lat is not None
        lon, lat = offset(found.lon, found.lat, *centre_on_ground(found.pose))
        assert distance_m(lon, lat, float(row["ground_lon"]), float(row["ground_lat"])) < 0.2


def test_subtitles_tell_the_pose_of_every_frame(folder: Path) -> None:
    telemetry = read_telemetry(folder / "flight.srt")
    rows = [row for row in truth(folder) if not row["file"]]
    assert len(telemetry) == len(rows) == 6
    assert not telemetry.notes
    for row in rows:
        seen = telemetry.at(float(row["time_s"]))
        assert seen.lon is not None and seen.lat is not None
        assert distance_m(seen.lon, seen.lat, float(row["lon"]), float(row["lat"])) < 0.01
        assert seen.pose.altitude_m == pytest.approx(float(row["altitude_m"]), abs=0.002)
        assert seen.pose.hfov_deg == pytest.approx(float(row["hfov_deg"]), abs=0.01)
        for name in ("heading_deg", "pitch_deg", "roll_deg"):
            wrong = (getattr(seen.pose, name) - float(row[name]) + 180) % 360 - 180
            assert abs(wrong) < ROUNDED


def test_the_video_has_a_frame_for_every_subtitle(folder: Path) -> None:
    with av.open(str(folder / "flight.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
    assert times == pytest.approx(np.arange(6) / 4)
    assert (stream.width, stream.height) == (64, 36)


def test_map_and_heights_lie_in_a_real_coordinate_system(folder: Path) -> None:
    with rasterio.open(folder / "map.tif") as imagery, rasterio.open(folder / "dsm.tif") as dsm:
        assert imagery.crs.to_epsg() == dsm.crs.to_epsg() == 32631
        assert imagery.bounds == dsm.bounds
        assert imagery.count == 3 and dsm.dtypes == ("float32",)
        assert 5 < dsm.read(1).max() < 100


def test_what_was_written_can_be_flown_over_again(folder: Path) -> None:
    town = Scene.of_town(6, 300.0, 1.0)
    again = Scene.of_ortho(folder / "map.tif", folder / "dsm.tif")
    np.testing.assert_allclose(again.surface.height_m, town.surface.height_m, atol=1e-4)
    assert again.surface.geo.transform.almost_equals(town.surface.geo.transform)


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = write_flight(Scene.of_town(6, 300.0, 1.0), tmp_path / "b", SIZE)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 8
    for file in files:
        assert (folder / file).read_bytes() == (again / file).read_bytes(), file


def test_a_cruise_turns_no_faster_than_it_may_and_keeps_its_speed() -> None:
    places = [Place(8.0, 47.0, 10.0), Place(8.003, 47.0), Place(8.0, 47.002)]
    flight = cruise(places, 80.0, -60.0, 60.0, seconds=60, fps=5, speed_m_s=10, turn_deg_s=20)
    assert len(flight) == 300
    headings = np.unwrap(np.radians([at.pose.heading_deg or 0 for at in flight]))
    assert np.abs(np.degrees(np.diff(headings))).max() <= 20 / 5 + 1e-6
    grounds = [offset(at.lon, at.lat, *centre_on_ground(at.pose)) for at in flight]
    lon, lat = np.array(grounds).T
    assert distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]) == pytest.approx(2.0, rel=0.35)
    assert {round(at.above_sea_m - (at.pose.altitude_m or 0), 6) for at in flight} == {10.0}


def test_a_flight_without_heights_or_video(tmp_path: Path) -> None:
    size = FlightSize(photos=1, seconds=0, photo_px=(64, 48), altitude_m=60, has_heights=False)
    folder = write_flight(Scene.of_town(6, 300.0, 1.0), tmp_path / "a", size)
    assert {path.name for path in folder.iterdir()} == {"map.tif", "photos", "truth.csv"}
    assert len(truth(folder)) == 1
