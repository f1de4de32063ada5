"""`skyfix track` from a video and its telemetry to files and messages, and cut off meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from autopilot import Autopilot
from scene import Scene, make_scene
from videos import write_video

from skyfix import systems
from skyfix.cli import main
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m

PLACES = [(-90.0 + 12 * t, 60.0 - 8 * t) for t in range(10)]
POSE = Pose(123.69, -90.0, 75.0, 75.0)
START = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
REACH_M = 30.0


@dataclass(frozen=True)
class Flight:
    """A video over the scene, its log and a gallery; the first frame is dark."""

    scene: Scene
    video: Path
    log: Path
    gallery: Path

    def arguments(self, *more: object) -> list[str]:
        known = ["--pitch-deg", POSE.pitch_deg, "--altitude-m", POSE.altitude_m, "--hfov-deg",
                 POSE.hfov_deg, "--gallery", self.gallery, "--telemetry", self.log]  # fmt: skip
        return ["track", str(self.video), *map(str, known), *map(str, more)]

    def error_m(self, frame: int, lon: float, lat: float) -> float:
        return float(distance_m(lon, lat, *self.scene.ground(*PLACES[frame])))


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Flight:
    """Ten seconds straight down, at one frame a second."""
    folder = tmp_path_factory.mktemp("track")
    scene = make_scene(folder)
    pictures = [scene.photo(POSE, scene.ground(*place), (320, 240)) for place in PLACES]
    pictures[0] = np.full_like(pictures[0], 5)
    video = write_video(folder / "flight.mp4", pictures, range(10), rate=1)
    rows = [
        f"{(START + timedelta(seconds=t)).isoformat()},{lon},{lat},{POSE.heading_deg}"
        for t, (lon, lat) in enumerate(scene.ground(*place) for place in PLACES)
    ]
    log = folder / "flight.csv"
    log.write_text("\n".join(["time,lon,lat,heading_deg", *rows]))
    system = systems.create("imagenet", input_px=64)
    system.load_backbone("imagenet")
    systems.save(system, folder / "system")
    main(["gallery", "build", str(scene.path), "--out", str(folder / "gallery"), "--system",
          str(folder / "system"), "--tile-m", "80", "--stride-m", "40"])  # fmt: skip
    return Flight(scene, video, log, folder / "gallery")


def test_a_video_becomes_a_track_in_every_format(flight: Flight, tmp_path: Path, capsys) -> None:
    names = ("track.geojson", "track.html", "track.gpx")
    outs = [part for name in names for part in ("--out", tmp_path / name)]
    main(flight.arguments(*outs))
    features = json.loads((tmp_path / "track.geojson").read_text())["features"]
    fixes = [one for one in features if one["properties"]["kind"] == "fix"]
    assert [one["geometry"] is None for one in fixes] == [True] + [False] * 9
    for frame, one in enumerate(fixes[1:], start=1):
        assert flight.error_m(frame, *one["geometry"]["coordinates"][:2]) < REACH_M
    (line,) = (one["geometry"] for one in features if one["properties"]["kind"] == "track")
    assert line["coordinates"] == [one["geometry"]["coordinates"] for one in fixes[1:]]
    gpx = ET.parse(tmp_path / "track.gpx").getroot()
    points = gpx.findall("{*}trk/{*}trkseg/{*}trkpt")
    assert [(float(p.get("lon")), float(p.get("lat"))) for p in points] == [
        pytest.approx(corner[:2], abs=1e-7) for corner in line["coordinates"]
    ]
    times = [datetime.fromisoformat(point.findtext("{*}time")) for point in points]
    assert times == [START + timedelta(seconds=t) for t in range(1, 10)]
    page = (tmp_path / "track.html").read_text()
    assert "data:image/webp" in page
    assert "flight.mp4#9" in page
    said = " ".join(re.sub("[│┃]", " ", capsys.readouterr().out).split())
    assert "filtered 9 10" in said


def test_an_autopilot_hears_of_located_frames_alone(flight: Flight, tmp_path: Path) -> None:
    autopilot = Autopilot()
    out = tmp_path / "track.json"
    main(flight.arguments("--mavlink", autopilot.address, "--json", out))
    messages, fixes = autopilot.messages(), json.loads(out.read_text())
    assert [fix["located"] for fix in fixes] == [False] + [True] * 9
    assert [message.get_type() for message in messages] == ["GPS_INPUT"] * 9
    for frame, message in enumerate(messages, start=1):
        fix = fixes[frame]
        assert message.lon == round(fix["camera_lon"] * 1e7)
        assert message.lat == round(fix["camera_lat"] * 1e7)
        assert flight.error_m(frame, message.lon / 1e7, message.lat / 1e7) < REACH_M
        assert message.horiz_accuracy == pytest.approx(fix["accuracy_m"], rel=1e-6)
        # The frame's own time, not that of sending.
        assert message.time_usec == round((START.timestamp() + frame) * 1e6)
        assert message.satellites_visible == 0
    every = ("--mavlink-message", "odometry", "--every", "4", "--json", out)
    main(flight.arguments("--mavlink", autopilot.address, *every))
    messages, fixes = autopilot.messages(), json.loads(out.read_text())
    autopilot.close()
    assert [fix["located"] for fix in fixes] == [False, True, True]
    assert [message.get_type() for message in messages] == ["ODOMETRY"] * 2
    assert (messages[0].x, messages[0].y) == (0.0, 0.0)
    # Four seconds on, 48 m to the east and 32 m to the south.
    assert (messages[1].y, messages[1].x) == pytest.approx((48.0, -32.0), abs=REACH_M)
    assert [message.quality for message in messages] == [
        round(100 * fix["confidence"]) for fix in fixes[1:]
    ]


def killed_after(steps: int, record: Path, arguments: list[str]) -> None:
    """Run the command until its record holds so many frames, then kill it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "skyfix", *arguments, "--record", str(record)]
    process = subprocess.Popen(command, env=environment)
    while process.poll() is None:
        if record.exists() and record.read_bytes().count(b"\n") > steps:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait() == -signal.SIGKILL


def recorded(record: Path) -> list[dict]:
    """Steps without the time they took."""
    _, *steps = record.read_text().splitlines()
    return [json.loads(step) | {"latency_ms": None} for step in steps]


def resumed_as_never_killed(arguments: list[str], steps: int, folder: Path) -> list[dict]:
    """Kill a run and go on with it; its steps, which are those of a run in one go."""
    cut, whole = folder / "cut.jsonl", folder / "whole.jsonl"
    killed_after(steps, cut, arguments)
    before = cut.read_bytes().count(b"\n") - 1
    main([*arguments, "--record", str(whole)])
    assert steps <= before < len(recorded(whole))
    main([*arguments, "--record", str(cut), "--resume"])
    assert recorded(cut) == recorded(whole)
    return recorded(cut)


@pytest.mark.full
def test_a_killed_run_is_gone_on_with(flight: Flight, tmp_path: Path) -> None:
    steps = resumed_as_never_killed(flight.arguments(), 3, tmp_path)
    assert [step["index"] for step in steps] == list(range(10))


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_real_flight_by_its_subtitles(shared: Path, tmp_path: Path) -> None:
    """Every sixth second of a minute, 45 degrees down, over 200-m tiles."""
    folder = shared / "data" / "ariel"
    clip = folder / "flights" / "v17" / "clip.mp4"
    gallery = tmp_path / "gallery"
    main(["gallery", "build", str(folder / "map.tif"), "--out", str(gallery), "--system",
          "imagenet", "--tile-m", "200", "--stride-m", "100"])  # fmt: skip
    arguments = ["track", str(clip), "--gallery", str(gallery), "--telemetry",
                 str(clip.with_suffix(".srt")), "--pitch-deg", "-45", "--hfov-deg",
                 "73.7"]  # fmt: skip
    sixth = [*arguments, "--every", "6"]
    steps = resumed_as_never_killed(sixth, 4, tmp_path)
    autopilot = Autopilot()
    outs = [tmp_path / "track.geojson", tmp_path / "map.html"]
    main([*sixth, "--record", str(tmp_path / "whole.jsonl"), "--resume", "--mavlink",
          autopilot.address, "--out", str(outs[0]), "--out", str(outs[1])])  # fmt: skip
    assert autopilot.messages() == []
    located = [step["filtered"] for step in steps if step["filtered"]["located"]]
    assert len(located) >= 8
    assert np.median([step["camera_error_m"] for step in steps if step["camera_error_m"]]) < 60
    features = json.loads(outs[0].read_text())["features"]
    places = [one["geometry"] for one in features if one["properties"]["kind"] == "fix"]
    assert [place["coordinates"][:2] for place in places if place] == [
        pytest.approx([fix["lon"], fix["lat"]], abs=1e-7) for fix in located
    ]
    assert "data:image/webp" in outs[1].read_text()
    main([*arguments, "--every", "20", "--mavlink", autopilot.address])
    messages = autopilot.messages()
    autopilot.close()
    assert messages
    assert {message.get_type() for message in messages} == {"GPS_INPUT"}
