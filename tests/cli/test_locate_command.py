"""`skyfix locate`: what is known of the camera, and what the answer says of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import GPS, Base
from rasters import texture, write_map
from tagged import NOT_RECORDED, OBLIQUE, tag

from skyfix import systems
from skyfix.cli import main
from skyfix.geo.ground import distance_m, offset

MIDDLE = (15.001907, 45.152036)
"""Of the map, degrees."""
CLOCK = {
    Base.FocalLengthIn35mmFilm: 24,
    Base.DateTimeOriginal: "2026:05:04 10:30:39",
    Base.OffsetTimeOriginal: "+02:00",
}


def gps(lon: float, lat: float, altitude_m: float = 200.0) -> dict:
    def three(degrees: float) -> tuple[float, float, float]:
        return float(int(degrees)), 0.0, (degrees - int(degrees)) * 3600

    return {
        GPS.GPSLatitudeRef: "N",
        GPS.GPSLatitude: three(lat),
        GPS.GPSLongitudeRef: "E",
        GPS.GPSLongitude: three(lon),
        GPS.GPSAltitude: altitude_m,
    }


@pytest.fixture(scope="module")
def ground() -> np.ndarray:
    """300 x 300 m of it, 0.5 m a pixel."""
    return texture(600, 600, seed=4)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, ground: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("locate")
    systems.save(systems.create("imagenet", input_px=64), folder / "checkpoint")
    source = write_map(folder / "map.tif", ground)
    arguments = ["gallery", "build", str(source), "--out", str(folder / "gallery")]
    main([*arguments, "--system", str(folder / "checkpoint"), "--tile-m", "80", "--stride-m", "40"])
    return folder / "gallery"


@pytest.fixture
def photo(tmp_path: Path, ground: np.ndarray) -> Path:
    """Over the map's middle; the gimbal looks 55 degrees down, the clock has a zone."""
    view = Image.fromarray(np.moveaxis(ground[:, 220:380, 200:400], 0, 2))
    (tmp_path / "photos").mkdir()
    return tag(tmp_path / "photos" / "a.jpg", view, gps(*MIDDLE), CLOCK, OBLIQUE)


def locate(gallery: Path, *arguments: object) -> list[dict]:
    out = gallery.parent / "fixes.json"
    main(["locate", *map(str, arguments), "--gallery", str(gallery), "--json", str(out)])
    return json.loads(out.read_text())


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, free of the table's lines and breaks."""
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_the_photo_s_own_pose_is_used_and_said(photo, gallery, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (fix,) = locate(gallery, photo)
    assert fix["time"] == "2026-05-04T08:30:39.000+00:00"
    assert len(fix["candidates"]) == 5
    assert "photo: heading, pitch, altitude, hfov, roll" in shown(capsys)
    (bare,) = locate(gallery, photo, "--no-metadata")
    said = shown(capsys)
    assert "photo:" not in said
    assert "Pose known: 1 (nothing)" in said
    assert bare["candidates"] != fix["candidates"]


def test_the_table_can_be_read_in_80_columns(gallery, tmp_path: Path, ground, capsys, monkeypatch):
    """West of Greenwich by three digits, so that numbers are as long as they get."""
    monkeypatch.setenv("COLUMNS", "80")
    west = write_map(tmp_path / "west.tif", ground, crs="EPSG:32603")
    system, folder = str(gallery.parent / "checkpoint"), str(tmp_path / "west")
    main(["gallery", "build", str(west), "--out", folder, "--system", system,
          "--tile-m", "80", "--stride-m", "40"])  # fmt: skip
    photos = [tmp_path / name for name in ("a.png", "DJI_20260504103039_0001_V.JPG", "void.png")]
    view = Image.fromarray(np.moveaxis(ground[:, 220:380, 200:400], 0, 2))
    for path, picture in zip(photos, (view, view, Image.new("RGB", (200, 160))), strict=True):
        picture.save(path, quality=95)
    poses = tmp_path / "poses.csv"
    poses.write_text(
        "file,heading_deg,pitch_deg,altitude_m,hfov_deg\n"
        f"{photos[0].name},0,-90,50,90\n{photos[1].name},0,-90,50,90\n{photos[2].name},,,,\n"
    )
    capsys.readouterr()
    out = tmp_path / "fixes.json"
    main(["locate", *map(str, photos), "--gallery", folder, "--poses", str(poses), "--json",
          str(out)])  # fmt: skip
    fixes = json.loads(out.read_text())
    assert [fix["located"] for fix in fixes] == [True, True, False]
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    found = [
        [f"{fix['lon']:.6f}", f"{fix['lat']:.6f}", f"{fix['accuracy_m']:.0f}"] for fix in fixes[:2]
    ]
    assert [len(lon) for lon, _, _ in found] == [11, 11]
    # Only a name that is too long goes on in a second line.
    assert [rows[0][0], rows[1][0] + rows[2][0], rows[3][0]] == [path.name for path in photos]
    assert [row[1:4] for row in rows] == [*found, ["", "", ""], ["", "", ""]]
    assert [row[5] for row in rows] == ["registration", "registration", "", "not located"]
    assert "void.png: The photo is featureless." in lines
    says = "Pose known: 2 (poses: heading, pitch, altitude, hfov), 1 (nothing)"
    assert max(map(len, lines[: lines.index(says)])) <= 80


def test_a_damaged_photo_does_not_stop_the_others(photo, gallery, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    cut = photo.with_name("b.jpg")
    cut.write_bytes(photo.read_bytes()[:3000])
    photo.with_name("c.jpg").write_bytes(photo.read_bytes())
    before, damaged, after = locate(gallery, photo.parent)
    assert before["candidates"] == after["candidates"] != []
    assert not damaged["located"]
    assert str(cut) in damaged["reason"]
    said = shown(capsys)
    assert f"b.jpg: {damaged['reason']}" in said
    assert "a.jpg" in said and "c.jpg" in said


def test_options_count_before_the_table_and_the_table_before_the_photo(
    photo, gallery, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    poses = tmp_path / "poses.csv"
    poses.write_text("file,heading_deg,pitch_deg,altitude_m,hfov_deg\na.jpg,10,,100,\n")
    mixed = locate(gallery, photo, "--poses", poses, "--heading-deg", 20, "--roll-deg", 1)
    assert "given: heading, roll; photo: pitch, hfov; poses: altitude" in shown(capsys)
    plain = ["--heading-deg", 20, "--pitch-deg", -55, "--altitude-m", 100, "--roll-deg", 1]
    # A 24-mm lens over a photo of 5:4.
    told = locate(gallery, photo, *plain, "--no-metadata", "--hfov-deg", 70.28079537408396)
    scores = [[one["score"] for one in fixes[0]["candidates"]] for fixes in (mixed, told)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_an_unrecorded_gimbal_is_noted_and_can_be_filled_in(
    gallery, tmp_path: Path, ground, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    view = Image.fromarray(np.moveaxis(ground[:, 220:380, 200:400], 0, 2))
    photos = [tag(tmp_path / f"{name}.jpg", view, xmp=NOT_RECORDED) for name in "ab"]
    locate(gallery, *photos)
    says = shown(capsys)
    assert "2 photos: The gimbal's angles are all 0" in says
    assert "photo: heading, altitude" in says
    locate(gallery, photos[0], "--pitch-deg", -90, "--hfov-deg", 70)
    assert "photo: heading, altitude; given: pitch, hfov" in shown(capsys)


def test_the_photo_s_position_limits_the_search_only_when_told(photo, gallery, tmp_path: Path):
    corner = offset(*MIDDLE, -100.0, 100.0)
    far = tag(photo.with_name("b.jpg"), Image.open(photo), gps(*map(float, corner)), CLOCK, OBLIQUE)
    lost = tag(photo.with_name("c.jpg"), Image.open(photo), xmp=OBLIQUE)
    free = locate(gallery, far, "--k", 100)
    assert len(free[0]["candidates"]) == 36
    near = locate(gallery, photo, far, lost, "--near-exif", 130, "--k", 100)
    for fix, place in zip(near[:2], (MIDDLE, corner), strict=True):
        # 56 m ahead of the camera, towards 30.5 degrees.
        centre = offset(*place, 56.2 * np.sin(np.radians(30.5)), 56.2 * np.cos(np.radians(30.5)))
        tiles = [(one["lon"], one["lat"]) for one in fix["candidates"]]
        assert 3 < len(tiles) < 36
        assert all(distance_m(*tile, *centre) < 130.1 for tile in tiles)
    assert not near[2]["located"]
    assert "no usable GPS position" in near[2]["reason"]


def test_a_dem_gives_the_altitude(photo, gallery, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    heights = np.full((1, 100, 100), 120, np.float32)
    dem = write_map(tmp_path / "dem.tif", heights, origin=(499_500.0, 5_000_500.0), pixel=10.0)
    locate(gallery, photo, "--dem", dem, "--near-exif", 400)
    assert "terrain: altitude" in shown(capsys)
    near = ["--near", *MIDDLE, 400]
    locate(gallery, photo, "--dem", dem, *near, "--altitude-m", 90)
    assert "given: altitude" in shown(capsys)
    locate(gallery, photo, "--dem", dem, "--near", 15.2, 45.15, 50_000)
    assert "no height at longitude 15.2" in shown(capsys)


def test_a_stereo_pair_gives_the_altitude(gallery, tmp_path: Path, ground, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    grain = np.random.default_rng(0).integers(0, 256, (240, 380, 3), dtype=np.uint8)
    Image.fromarray(grain[:, :320]).save(tmp_path / "left.png")
    Image.fromarray(grain[:, 10:330]).save(tmp_path / "right.png")
    pair = ["--right", tmp_path / "right.png", "--baseline-m", 2, "--focal-px", 400]
    locate(gallery, tmp_path / "left.png", *pair)
    assert "stereo: altitude, hfov" in shown(capsys)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(gallery, tmp_path: Path, ground, orientation: int):
    view = Image.fromarray(np.moveaxis(ground[:, 220:380, 200:400], 0, 2))
    path = tag(tmp_path / "a.jpg", view, exif=CLOCK, xmp=OBLIQUE, orientation=orientation)
    (fix,) = locate(gallery, path)
    assert len(fix["candidates"]) == 5
