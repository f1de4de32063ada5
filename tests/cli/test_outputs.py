"""`skyfix locate` with everything that can be made of its fixes."""

import csv
import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasters import texture, write_map

from skyfix import systems
from skyfix.cli import main

ARGUMENTS = ["--tile-m", "80", "--stride-m", "40"]


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gallery, two photos of its map and one of nothing, and their poses."""
    folder = tmp_path_factory.mktemp("flight")
    pixels = texture(800, 800, seed=1)
    write_map(folder / "map.tif", pixels)
    systems.save(systems.create("imagenet", input_px=64), folder / "system")
    main(["gallery", "build", str(folder / "map.tif"), "--out", str(folder / "gallery"),
          "--system", str(folder / "system"), *ARGUMENTS])  # fmt: skip
    (folder / "photos").mkdir()
    upright = np.moveaxis(pixels, 0, 2)
    for name, (x, y) in {"one.jpg": (160, 160), "two.jpg": (400, 240)}.items():
        photo = Image.fromarray(upright[y : y + 160, x : x + 160]).resize((320, 320))
        photo.save(folder / "photos" / name, quality=95)
    Image.new("RGB", (320, 320), "gray").save(folder / "photos" / "void.jpg")
    rows = "".join(f"{name},0,-90,40,90\n" for name in ("one.jpg", "two.jpg", "void.jpg"))
    header = "file,heading_deg,pitch_deg,altitude_m,hfov_deg\n"
    (folder / "poses.csv").write_text(header + rows)
    return folder


def locate(flight: Path, *more: object) -> None:
    main(["locate", str(flight / "photos"), "--gallery", str(flight / "gallery"), "--poses",
          str(flight / "poses.csv"), *map(str, more)])  # fmt: skip


def test_all_outputs_tell_the_same_positions(
    flight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pymavlink")
    from pymavlink.dialects.v20 import common

    names = ["fixes.geojson", "fixes.csv", "fixes.kml", "fixes.gpx", "fixes.nmea", "map.html"]
    outs = [part for name in names for part in ("--out", tmp_path / name)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(5)
        address = f"udpout:127.0.0.1:{line.getsockname()[1]}"
        locate(flight, *outs, "--json", tmp_path / "fixes.json", "--geotag",
               tmp_path / "copies", "--mavlink", address)  # fmt: skip
        (message,) = common.MAVLink(None).parse_buffer(line.recv(4096))
    fixes = json.loads((tmp_path / "fixes.json").read_text())
    located = [fix for fix in fixes if fix["located"]]
    assert [Path(fix["photo"]).name for fix in located] == ["one.jpg", "two.jpg"]
    rows = list(csv.DictReader((tmp_path / "fixes.csv").open()))
    assert [row["lon"] for row in rows] == [*(f"{fix['lon']:.8f}" for fix in located), ""]
    features = json.loads((tmp_path / "fixes.geojson").read_text())["features"]
    points = [entry["geometry"] for entry in features if entry["properties"]["kind"] == "fix"]
    assert [point and point["coordinates"][0] for point in points] == [
        *(round(fix["lon"], 8) for fix in located), None,
    ]  # fmt: skip
    assert message.lon == round(located[0]["camera_lon"] * 1e7)
    copies = sorted(path.name for path in (tmp_path / "copies").iterdir())
    assert copies == ["one.jpg", "two.jpg"]
    assert "data:image/webp" in (tmp_path / "map.html").read_text()
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "2 MAVLink messages sent" in said
    assert "2 photos with positions in" in said
    assert "not located." in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "fixes.shp"], "Name the file with one of: .json"),
        (["--geotag", "{photos}"], "is not an empty folder"),
        (["--out", "{photos}/a.bag", "--mavlink", "14550"], "Not a MAVLink address"),
        (["--mavlink", "udpout:127.0.0.1:1", "--mavlink-message", "beep"], "mavlink-message"),
        (["--mavlink-origin", "15", "45"], "needs --mavlink"),
        (["--out", "{photos}/one.jpg/fixes.csv"], "Cannot write"),
    ],
)
def test_outputs_that_cannot_be_made(
    arguments: list[str], message: str, flight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = str(flight / "photos")
    with pytest.raises(SystemExit) as exit_info:
        locate(flight, *(argument.format(photos=photos) for argument in arguments))
    assert exit_info.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert len(list((flight / "photos").iterdir())) == 3


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [
        ("rosbags", ["--out", "fixes.bag"], "skyfix[ros]"),
        ("pymavlink", ["--mavlink", "udpout:127.0.0.1:14550"], "skyfix[mavlink]"),
    ],
)
def test_a_missing_library_is_one_line(
    library: str,
    arguments: list[str],
    extra: str,
    flight: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SystemExit) as exit_info:
        locate(flight, *arguments)
    assert exit_info.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{library} is not installed" in line
    assert extra in line
