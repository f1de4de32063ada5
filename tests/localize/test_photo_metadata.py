"""What is read from photos' tags, and what is refused."""

import csv
import io
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, Base
from PIL.TiffImagePlugin import IFDRational
from tagged import BERN, NOT_RECORDED, OBLIQUE, packet, tag

from skyfix.geo.camera import Pose, axes
from skyfix.images import read_image
from skyfix.localize import PhotoMetadata, read_metadata


def test_all_that_a_drone_writes(tmp_path: Path):
    exif = {Base.FocalLengthIn35mmFilm: 24, Base.DateTimeOriginal: "2026:05:04 10:30:39",
            Base.OffsetTimeOriginal: "+02:00", Base.SubsecTimeOriginal: "25"}  # fmt: skip
    found = read_metadata(tag(tmp_path / "a.jpg", gps=BERN, exif=exif, xmp=OBLIQUE))
    assert found.pose == Pose(30.5, -55, 80.2, found.pose.hfov_deg, 2)
    # The film's diagonal over the photo's 4:3.
    assert found.pose.hfov_deg == pytest.approx(71.59, abs=0.01)
    assert (found.lon, found.lat) == pytest.approx((7.44, 46.951), abs=1e-9)
    assert found.altitude_above_sea_m == pytest.approx(620.5)
    zone = timezone(timedelta(hours=2))
    assert found.time == datetime(2026, 5, 4, 10, 30, 39, 250_000, zone)
    assert (found.camera, found.size_px, found.warnings) == ("DJI FC0000", (160, 120), ())


def test_a_photo_without_tags_says_nothing(tmp_path: Path):
    Image.new("RGB", (40, 30)).save(tmp_path / "plain.png")
    assert read_metadata(tmp_path / "plain.png") == PhotoMetadata(size_px=(40, 30))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_every_format_keeps_them(tmp_path: Path, suffix: str):
    found = read_metadata(tag(tmp_path / f"a.{suffix}", gps=BERN, xmp=OBLIQUE))
    assert found.pose.heading_deg == 30.5
    # Pillow writes no GPS folder into TIFF.
    assert found.lat == (None if suffix == "tif" else pytest.approx(46.951))


def test_elements_are_read_like_attributes(tmp_path: Path):
    xmp = packet({}).replace(
        b"/></rdf:RDF>",
        b"><drone-dji:GimbalPitchDegree> -45.5\n</drone-dji:GimbalPitchDegree>"
        b"<drone-dji:RelativeAltitude>60</drone-dji:RelativeAltitude></rdf:Description></rdf:RDF>",
    )
    pose = read_metadata(tag(tmp_path / "a.jpg", xmp=xmp)).pose
    assert (pose.pitch_deg, pose.altitude_m) == (-45.5, 60)


def test_a_gimbal_of_zeros_was_not_recorded(tmp_path: Path):
    found = read_metadata(tag(tmp_path / "a.jpg", xmp=NOT_RECORDED))
    assert found.pose == Pose(152.1, None, 119.7)
    assert "not recorded" in found.warnings[0]
    level = NOT_RECORDED | {"GimbalYawDegree": "-0.10"}
    assert read_metadata(tag(tmp_path / "b.jpg", xmp=level)).pose.pitch_deg == 0


def test_the_airframe_stands_in_for_a_missing_gimbal(tmp_path: Path):
    found = read_metadata(tag(tmp_path / "a.jpg", xmp={"FlightYawDegree": "-27.0"}))
    assert found.pose == Pose(heading_deg=-27)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("gimbal", "pitch_deg"), [("-90.30", -90), ("-90.00", -90), ("+12.00", 12), ("-120", None)]
)
def test_pitch_a_little_past_the_vertical_is_vertical(tmp_path: Path, gimbal, pitch_deg):
    values = OBLIQUE | {"GimbalPitchDegree": gimbal}
    assert read_metadata(tag(tmp_path / "a.jpg", xmp=values)).pose.pitch_deg == pitch_deg


def test_straight_down_the_roll_is_part_of_the_heading(tmp_path: Path):
    values = OBLIQUE | {"GimbalPitchDegree": "-90.00", "GimbalRollDegree": "+180.00"}
    pose = read_metadata(tag(tmp_path / "a.jpg", xmp=values)).pose
    assert (pose.heading_deg, pose.pitch_deg, pose.roll_deg) == (-149.5, -90, 0)
    np.testing.assert_allclose(axes(pose), axes(Pose(30.5, -90, roll_deg=180)), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)}, "no fix"),
        ({GPS.GPSLatitude: (91.0, 0.0, 0.0)}, "GPSLatitude is 91 degrees"),
        ({GPS.GPSLongitude: (180.0, 0.1, 0.0)}, "GPSLongitude"),
        ({GPS.GPSLatitude: (IFDRational(0, 0), 0.0, 0.0)}, "GPSLatitude is not a number"),
        ({GPS.GPSLatitude: (46.0, 57.0)}, "three parts"),
        ({GPS.GPSLatitudeRef: "X"}, "GPSLatitudeRef is 'X'"),
        ({GPS.GPSLongitudeRef: ""}, "GPSLongitudeRef"),
    ],
)
def test_positions_that_cannot_be_true(tmp_path: Path, change, says):
    found = read_metadata(tag(tmp_path / "a.jpg", gps=BERN | change, xmp=OBLIQUE))
    assert (found.lon, found.lat) == (None, None)
    assert says in found.warnings[0]
    assert found.altitude_above_sea_m == pytest.approx(620.5)
    assert found.pose.heading_deg == 30.5


@pytest.mark.parametrize(("south", "west"), [("S", "W"), ("N", "W"), ("S", "E")])
def test_hemispheres_and_depth(tmp_path: Path, south: str, west: str):
    gps = BERN | {GPS.GPSLatitudeRef: south, GPS.GPSLongitudeRef: west, GPS.GPSAltitudeRef: b"\x01"}
    found = read_metadata(tag(tmp_path / "a.jpg", gps=gps))
    signs = (1 if west == "E" else -1), (1 if south == "N" else -1)
    assert (found.lon, found.lat) == pytest.approx((7.44 * signs[0], 46.951 * signs[1]))
    assert found.altitude_above_sea_m == pytest.approx(-620.5)


def test_times_need_a_zone(tmp_path: Path):
    clock = {Base.DateTimeOriginal: "2026:05:04 23:30:00"}
    stamp = {GPS.GPSDateStamp: "2026:05:04", GPS.GPSTimeStamp: (21.0, 30.0, 1.5)}

    def read(exif: dict, gps: dict) -> PhotoMetadata:
        return read_metadata(tag(tmp_path / "a.jpg", exif=exif, gps=gps))

    assert read(clock, {}).time is None
    west = read(clock | {Base.OffsetTime: "-03:30"}, stamp).time
    assert west == datetime(2026, 5, 5, 3, 0, tzinfo=UTC)
    satellites = datetime(2026, 5, 4, 21, 30, 1, 500_000, UTC)
    assert read(clock, stamp).time == satellites
    for bad in ("2026:13:04 23:30:00", "0000:00:00 00:00:00", "9999:12:31 23:59:59", "yesterday"):
        broken = read({Base.DateTimeOriginal: bad, Base.OffsetTime: "+00:00"}, {})
        assert broken.time is None
        assert broken.warnings
    assert read({}, stamp | {GPS.GPSTimeStamp: (25.0, 0.0, 0.0)}).warnings


@pytest.mark.parametrize(
    ("size_px", "hfov_deg"),
    [
        ((1200, 900), 71.59),
        ((900, 1200), 56.81),
        ((1200, 800), 73.74),
        # Crops of a 4:3 sensor, as wide as the sensor.
        ((1600, 900), 71.59),
        ((900, 1600), 44.16),
    ],
)
def test_field_of_view_across_the_upright_width(tmp_path: Path, size_px, hfov_deg):
    path = tag(tmp_path / "a.jpg", Image.new("RGB", size_px), exif={Base.FocalLengthIn35mmFilm: 24})
    assert read_metadata(path).pose.hfov_deg == pytest.approx(hfov_deg, abs=0.01)
    turned = tag(tmp_path / "b.jpg", Image.new("RGB", size_px[::-1]), orientation=6,
                 exif={Base.FocalLengthIn35mmFilm: 24})  # fmt: skip
    assert read_metadata(turned).pose.hfov_deg == pytest.approx(hfov_deg, abs=0.01)
    assert read_metadata(turned).size_px == size_px == read_image(turned).size


def test_digital_zoom_leaves_the_field_of_view_unknown(tmp_path: Path):
    exif = {Base.FocalLengthIn35mmFilm: 24, Base.DigitalZoomRatio: 2.0}
    found = read_metadata(tag(tmp_path / "a.jpg", exif=exif))
    assert found.pose.hfov_deg is None
    assert "zoom" in found.warnings[0]


def test_the_pose_is_the_upright_image_s_in_every_orientation(tmp_path: Path):
    """The same sensor, its picture stored in eight ways: each pixel keeps its direction."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[10:40, 20:60] = 255
    stored = Pose(30.5, -55, 80.2, 71.6, 2)
    for orientation in (1, 3, 6, 8):
        path = tag(tmp_path / "a.jpg", Image.fromarray(picture), xmp=OBLIQUE,
                   orientation=orientation)  # fmt: skip
        upright = np.asarray(read_image(path)).astype(float)[..., 0]
        pose = read_metadata(path).pose
        rows, columns = np.nonzero(upright > 128)
        height, width = upright.shape
        from_centre = [columns.mean() + 0.5 - width / 2, rows.mean() + 0.5 - height / 2, 100.0]
        expected = [40 - 80, 25 - 60, 100.0]
        np.testing.assert_allclose(from_centre @ axes(pose), expected @ axes(stored), atol=1.5)


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
def test_mirrored_pictures_are_turned_back_first(tmp_path: Path, orientation: int):
    """Undoing the mirror gives the sensor's picture, of which the gimbal's angles speak."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[10:40, 20:60] = 255
    stored = Image.fromarray(picture[:, ::-1])
    path = tag(tmp_path / "a.jpg", stored, xmp=OBLIQUE, orientation=orientation)
    upright = np.asarray(read_image(path)).astype(float)[..., 0]
    rows, columns = np.nonzero(upright > 128)
    height, width = upright.shape
    from_centre = [columns.mean() + 0.5 - width / 2, rows.mean() + 0.5 - height / 2, 100.0]
    expected = [-40, -35, 100.0] @ axes(Pose(30.5, -55, 80.2, 71.6, 2))
    np.testing.assert_allclose(from_centre @ axes(read_metadata(path).pose), expected, atol=1.5)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;">]><x xmlns:d="http://www.dji.com/drone-dji/1.0/" d:Y="&c;"/>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><x>&f;</x>"""


@pytest.mark.parametrize(
    ("xmp", "says"),
    [
        (BOMB, "refused"),
        (OUTSIDE, "refused"),
        (b"<x><y></x>", "not XML"),
        (b"\xff\xfe\x00", "not XML"),
        (packet({"RelativeAltitude": "-3"}), "RelativeAltitude is -3 m"),
        (packet({"RelativeAltitude": "high"}), "RelativeAltitude is not a number"),
        (packet({"GimbalYawDegree": "inf", "GimbalPitchDegree": "-3"}), "GimbalYawDegree"),
    ],
)
def test_packets_that_cannot_be_used(tmp_path: Path, xmp: bytes, says: str):
    found = read_metadata(tag(tmp_path / "a.jpg", gps=BERN, xmp=xmp))
    assert says in found.warnings[0]
    assert found.pose == Pose()
    assert found.lat == pytest.approx(46.951)


def test_deeply_nested_and_large_packets(tmp_path: Path):
    nested = b"<a>" * 9_000 + b"</a>" * 9_000
    assert read_metadata(tag(tmp_path / "a.jpg", xmp=nested)).warnings == ()
    large = tag(tmp_path / "a.webp", xmp=b"<a>" + b" " * 5_000_000 + b"</a>")
    assert "too many" in read_metadata(large).warnings[0]


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe1\x00"])
def test_what_is_no_photo(tmp_path: Path, content: bytes):
    (tmp_path / "a.jpg").write_bytes(content)
    found = read_metadata(tmp_path / "a.jpg")
    assert found.pose == Pose()
    assert "cannot be read" in found.warnings[0]
    assert "cannot be read" in read_metadata(tmp_path / "none.jpg").warnings[0]


def test_broken_bytes_never_raise(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("fuzz")
    exif = {Base.FocalLengthIn35mmFilm: 24, Base.DateTimeOriginal: "2026:05:04 10:30:39",
            Base.OffsetTimeOriginal: "+02:00", Base.DigitalZoomRatio: 1.0}  # fmt: skip
    gps = BERN | {GPS.GPSDateStamp: "2026:05:04", GPS.GPSTimeStamp: (21.0, 30.0, 1.5)}
    image = Image.new("RGB", (16, 16))
    whole = tag(folder / "whole.jpg", image, gps, exif, OBLIQUE, orientation=6).read_bytes()
    head = whole.index(b"\xff\xdb")

    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.integers(4, head), st.binary(min_size=1, max_size=8)),
                    min_size=1, max_size=6))  # fmt: skip
    def check(changes: list[tuple[int, bytes]]) -> None:
        broken = bytearray(whole)
        for start, values in changes:
            broken[start : start + len(values)] = values
        found = read_metadata(io.BytesIO(bytes(broken)))  # type: ignore[arg-type]
        for value in (found.lon, found.lat, found.altitude_above_sea_m):
            assert value is None or math.isfinite(value)
        assert found.time is None or found.time.astimezone(UTC)

    check()


def test_real_photos_agree_with_their_table(shared: Path):
    """Thirty photos of a drone that writes zero for its gimbal."""
    folder = shared / "data" / "fongyuan"
    with (folder / "photos.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        found = read_metadata(folder / row["file"])
        assert found.lon == pytest.approx(float(row["lon"]), abs=1e-6)
        assert found.lat == pytest.approx(float(row["lat"]), abs=1e-6)
        assert found.altitude_above_sea_m == pytest.approx(float(row["alt_m"]), abs=0.01)
        assert found.pose.heading_deg == float(row["yaw_deg"])
        assert found.pose.altitude_m == float(row["rel_alt_m"])
        assert found.pose.pitch_deg is None
        assert found.pose.hfov_deg == pytest.approx(71.6, abs=0.05)
        assert found.time is None
    assert len(rows) == 30
