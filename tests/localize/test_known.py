"""What counts where several sources know the camera."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import GPS, Base
from rasters import write_map
from scene import save
from tagged import BERN, NOT_RECORDED, OBLIQUE, tag
from test_stereo import BASELINE_M, pair

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.geo.terrain import Terrain
from skyfix.localize import known_of, read_poses
from skyfix.localize.known import with_stereo, with_terrain

LENS = {Base.FocalLengthIn35mmFilm: 24}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return tag(tmp_path / "a.jpg", gps=BERN, exif=LENS, xmp=OBLIQUE)


@pytest.fixture
def flat(tmp_path: Path) -> Terrain:
    """540 m high, 2 km around Bern."""
    heights = np.full((1, 200, 200), 540, np.float32)
    path = write_map(tmp_path / "dem.tif", heights, "EPSG:4326", (7.43, 46.96), 0.0001)
    return Terrain(path)


def table(tmp_path: Path, row: str):
    path = tmp_path / "poses.csv"
    path.write_text(f"file,heading_deg,pitch_deg,altitude_m,hfov_deg,roll_deg\na.jpg,{row}\n")
    return read_poses(path)


def test_the_first_source_that_knows_counts_value_by_value(photo: Path, tmp_path: Path):
    known = known_of(photo, Pose(pitch_deg=-80, roll_deg=0), table(tmp_path, "10,-70,,,"))
    assert known.pose == Pose(10, -80, 80.2, known.metadata.pose.hfov_deg, 0)
    assert known.summary == "poses: heading; given: pitch, roll; photo: altitude, hfov"


def test_the_photo_s_own_pose_can_be_left_out(photo: Path, tmp_path: Path):
    assert known_of(photo, use_metadata=False).pose == Pose()
    assert known_of(photo).pose == known_of(photo).metadata.pose
    broken = tag(tmp_path / "b.jpg", xmp=b"<x")
    assert known_of(broken).notes
    assert not known_of(broken, use_metadata=False).notes
    assert known_of(broken).summary == ""


def test_a_circle_lies_where_the_camera_looks(photo: Path, tmp_path: Path):
    # 80.2 m high at 55 degrees: 56.2 m ahead.
    lon, lat, radius_m = known_of(photo).near(200)
    assert radius_m == 200
    assert float(distance_m(lon, lat, 7.44, 46.951)) == pytest.approx(56.2, abs=0.1)
    headless = known_of(tag(tmp_path / "b.jpg", gps=BERN, xmp=NOT_RECORDED))
    assert "the pitch is unknown" in headless.notes[0]
    assert not known_of(headless.photo, Pose(pitch_deg=-90.0)).notes
    assert headless.near(50) == (pytest.approx(7.44), pytest.approx(46.951), 50)
    zero = {GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)}
    with pytest.raises(SkyfixError, match=r"b\.jpg has no usable GPS position \(GPS position is"):
        known_of(tag(tmp_path / "b.jpg", gps=BERN | zero)).near(50)


def test_the_terrain_gives_the_altitude(photo: Path, flat: Terrain):
    known = with_terrain(known_of(photo), flat, 7.44, 46.951)
    assert known.pose.altitude_m == pytest.approx(620.5 - 540)
    assert known.sources["altitude_m"] == "terrain"
    given = known_of(photo, Pose(altitude_m=33))
    assert with_terrain(given, flat, 7.44, 46.951) is given


def test_terrain_that_cannot_help_is_noted(photo: Path, flat: Terrain, tmp_path: Path):
    outside = with_terrain(known_of(photo), flat, 9.0, 46.951)
    assert outside.pose.altitude_m == 80.2
    assert "no height at longitude 9" in outside.notes[0]
    low = known_of(tag(tmp_path / "b.jpg", gps=BERN | {GPS.GPSAltitude: 500.0}, xmp=OBLIQUE))
    assert "540 m high, the camera 500 m" in with_terrain(low, flat, 7.44, 46.951).notes[0]
    without = with_terrain(known_of(tag(tmp_path / "c.jpg", xmp=OBLIQUE)), flat, 7.44, 46.951)
    assert "no altitude above the sea" in without.notes[0]


@pytest.mark.parametrize("pitch_deg", [-90, -60])
def test_a_stereo_pair_gives_the_altitude(scene, tmp_path: Path, pitch_deg):
    pose = Pose(20, pitch_deg, 70, 65)
    left, right, focal_px = pair(scene, pose, scene.ground(0, 0))
    left_path, right_path = save(left, tmp_path / "l.png"), save(right, tmp_path / "r.png")
    assumed = None if pitch_deg == -90 else pitch_deg
    known = known_of(left_path, Pose(20, assumed))
    found = with_stereo(known, right_path, BASELINE_M, focal_px)
    assert found.pose.altitude_m == pytest.approx(70, rel=0.02)
    assert found.pose.hfov_deg == pytest.approx(65)
    assert found.pose.pitch_deg == assumed
    assert found.sources["altitude_m"] == found.sources["hfov_deg"] == "stereo"
    fixed = with_stereo(known_of(left_path, Pose(altitude_m=50)), right_path, BASELINE_M, focal_px)
    assert fixed.pose.altitude_m == 50


def test_a_camera_that_looks_up_has_no_altitude_from_stereo(tmp_path: Path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    with pytest.raises(SkyfixError, match="does not look at the ground"):
        with_stereo(known_of(tmp_path / "a.png", Pose(pitch_deg=5)), tmp_path / "a.png", 1, 50)
