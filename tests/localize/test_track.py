"""A drone flies over the scene, films it, and is found along its way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from thumbnails import Thumbnails
from tracking import POSE, SETTINGS
from videos import write_video

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.localize import open_frames, read_track, track
from skyfix.localize.track_file import TrackStep, open_track, read_steps, rewrite_track

HERE = Path(__file__).parent
PLACES = [(-90.0 + 9 * t, 60.0 - 6 * t) for t in range(20)]
HEADING_DEG = 123.69
DARK = 9


@pytest.fixture(scope="module")
def flight(scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s at one frame a second, the camera along the course; one frame is dark."""
    pose = Pose(HEADING_DEG, POSE.pitch_deg, POSE.altitude_m, POSE.hfov_deg)
    pictures = [scene.photo(pose, scene.ground(*place), (320, 240)) for place in PLACES]
    pictures[DARK] = np.full_like(pictures[DARK], 5)
    return write_video(
        tmp_path_factory.mktemp("flight") / "flight.mp4", pictures, range(20), rate=1
    )


@pytest.fixture(scope="module")
def log(scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Positions only."""
    rows = [
        f"{t},{lon},{lat}" for t, (lon, lat) in enumerate(scene.ground(*place) for place in PLACES)
    ]
    path = tmp_path_factory.mktemp("log") / "flight.csv"
    path.write_text("\n".join(["time_s,lon,lat", *rows]))
    return path


def errors_m(scene, fixes) -> np.ndarray:
    return np.array(
        [
            float(distance_m(f.lon, f.lat, *scene.ground(*place)))
            for f, place in zip(fixes, PLACES, strict=True)
            if f.located
        ]
    )


def test_a_flight_is_followed_with_the_course_for_the_heading(
    scene, gallery, embedder, flight, log
):
    running = track(flight, gallery, log, pose=POSE, embedder=embedder, smooth=True)
    steps = list(running)
    assert [step.index for step in steps] == list(range(20))
    assert [step.measured.time_s for step in steps] == list(range(20))
    assert not steps[DARK].measured.located
    assert steps[DARK].filtered.located
    filtered = [step.filtered for step in steps]
    assert errors_m(scene, filtered).max() < 30
    assert np.median(errors_m(scene, filtered)) < 15
    assert {f.method for f in filtered} == {"filter"}
    assert filtered[5].heading_deg == pytest.approx(HEADING_DEG, abs=0.5)
    # Straight down, the camera stands over its ground point.
    told_m = [step.camera_error_m for step in steps if step.camera_error_m is not None]
    assert told_m == pytest.approx(errors_m(scene, filtered)[-len(told_m) :], abs=0.5)
    assert set(steps[3].latency_ms) == {"decode", "normalize", "embed", "search", "filter"}
    assert all(value >= 0 for value in steps[3].latency_ms.values())
    assert any("course" in note for note in running.notes)
    smooth = [step.best for step in running.smoothed()]
    assert {f.method for f in smooth} == {"smoother"}
    assert errors_m(scene, smooth).mean() <= errors_m(scene, filtered).mean() + 0.5


def test_recorded_positions_are_no_answer(scene, gallery, embedder, flight, log, tmp_path):
    """A log that lies about the place, by the same way everywhere, changes nothing."""
    lies = tmp_path / "lies.csv"
    rows = [line.split(",") for line in log.read_text().splitlines()]
    shifted = [[t, str(float(lon) + 0.1), lat] for t, lon, lat in rows[1:]]
    lies.write_text("\n".join(",".join(row) for row in [rows[0], *shifted]))
    true, false = (
        [step.filtered for step in track(flight, gallery, table, pose=POSE, embedder=embedder)]
        for table in (log, lies)
    )
    places = [[(f.lon, f.lat) for f in fixes] for fixes in (false, true)]
    np.testing.assert_allclose(*places, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["particles", "none"])
def test_other_filters(name: str, scene, gallery, embedder, flight, log):
    steps = list(track(flight, gallery, log, pose=POSE, filter=name, embedder=embedder))
    assert np.median(errors_m(scene, [step.filtered for step in steps])) < 20
    assert steps[DARK].filtered.located == (name == "particles")
    if name == "none":
        assert all(step.filtered == step.measured for step in steps)


def test_a_narrowed_search_finds_the_same_way(scene, gallery, embedder, flight, log):
    steps = list(track(flight, gallery, log, pose=POSE, narrow=True, embedder=embedder))
    assert errors_m(scene, [step.filtered for step in steps]).max() < 30


@pytest.mark.full
def test_telemetry_that_ends_early_is_told(gallery, embedder, flight, log, tmp_path):
    short = tmp_path / "short.csv"
    short.write_text("\n".join(log.read_text().splitlines()[:11]))
    running = track(flight, gallery, short, pose=POSE, embedder=embedder)
    steps = list(running)
    assert any("9 frames lie outside the telemetry" in note for note in running.notes)
    assert steps[5].measured.heading_deg is not None
    # Beyond it the heading is what the picture itself says.
    assert steps[15].measured.heading_deg == pytest.approx(HEADING_DEG, abs=5)
    moved = tmp_path / "long.csv"
    moved.write_text(log.read_text() + "\n60,15,45\n")
    running = track(flight, gallery, moved, pose=POSE, embedder=embedder)
    assert len(list(running)) == 20
    assert any("goes on for" in note for note in running.notes)


def test_real_time_counts_what_it_drops(gallery, flight):
    class Slow(Thumbnails):
        def embed(self, images, view, altitude_m=None):
            import time

            time.sleep(2.5)
            return super().embed(images, view, altitude_m)

    # A frame a second, and each keeps the embedder busy for at least two and a half.
    source = open_frames(flight, realtime=True)
    running = track(source, gallery, pose=POSE, embedder=Slow())
    indices = [next(running).index, next(running).index]
    assert indices[0] == 0
    assert indices[1] >= 2
    assert running.source.dropped == indices[1] - 1


def test_bad_options_give_one_line(gallery, embedder, flight):
    for options, message in (
        ({"filter": "magic"}, "No filter 'magic'"),
        ({"filter": "none", "smooth": True}, "kalman"),
        ({"k": 0}, "k is 0"),
    ):
        with pytest.raises(SkyfixError, match=message):
            track(flight, gallery, embedder=embedder, **options)
    with pytest.raises(SkyfixError, match="not told to smooth"):
        track(flight, gallery, embedder=embedder).smoothed()


def run_tracking(flight: Path, gallery: Gallery, log: Path, file: Path, calls: int) -> int:
    command = [sys.executable, str(HERE / "tracking.py"), str(flight), str(gallery.path), str(log)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command += [str(file), str(calls)]
    return subprocess.run(command, env=environment, timeout=200).returncode


def without_times(steps: list[TrackStep]) -> list[dict]:
    return [step.to_json() | {"latency_ms": None} for step in steps]


@pytest.mark.full
def test_killed_and_resumed_it_gives_the_same_track(gallery, embedder, flight, log, tmp_path):
    file = tmp_path / "track.jsonl"
    assert run_tracking(flight, gallery, log, file, 7) == -signal.SIGKILL
    assert len(read_steps(file)) == 6
    assert len(read_track(file)) == 6
    assert run_tracking(flight, gallery, log, file, 0) == 0
    expected = list(track(flight, gallery, log, pose=POSE, embedder=embedder))
    assert without_times(read_steps(file)) == without_times(expected)
    assert [fix.photo for fix in read_track(file)] == [f"flight.mp4#{n}" for n in range(20)]


def test_track_files(gallery, embedder, flight, log, tmp_path):
    file = tmp_path / "track.jsonl"
    running = track(flight, gallery, log, pose=POSE, embedder=embedder, smooth=True)
    with open_track(file, SETTINGS, resume=False) as writer:
        for step in running:
            writer.add(step)
            assert read_track(file)[-1] == step.filtered
    rewrite_track(file, running.smoothed())
    assert read_track(file) == [step.smoothed for step in running.smoothed()]
    with pytest.raises(SkyfixError, match="exists"), open_track(file, SETTINGS, resume=False):
        pass
    with (
        pytest.raises(SkyfixError, match="filter 'kalman', not 'none'"),
        open_track(file, {"filter": "none"}, resume=True),
    ):
        pass
    resumed = track(flight, gallery, log, pose=POSE, embedder=embedder, done=read_steps(file))
    assert list(resumed) == []


@pytest.mark.parametrize(
    "content",
    [
        "hello\n",
        "hello",
        "[]\n",
        '{"skyfix_track": 9, "settings": {}}\n',
        '{"skyfix_track": 1, "settings": {}}\n{"index": 1}\n',
    ],
)
def test_other_files_are_no_tracks(content: str, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text(content)
    with pytest.raises(SkyfixError, match=r"notes\.txt") as raised:
        read_track(file)
    assert "\n" not in str(raised.value)
    with pytest.raises(SkyfixError), open_track(file, {}, resume=True):
        pass
    assert file.read_text() == content


def test_a_file_cut_in_its_first_line_starts_anew(tmp_path):
    file = tmp_path / "track.jsonl"
    file.write_text('{"skyfix_tra')
    with open_track(file, {"a": 1}, resume=True) as writer:
        assert writer.done == []
    assert json.loads(file.read_text()) == {"skyfix_track": 1, "settings": {"a": 1}}
