"""Frames of real (small) videos and folders: their times, their order, and what is refused."""

import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from videos import numbered, write_video

from skyfix.errors import SkyfixError
from skyfix.localize.frames import Frame, Selection, open_frames

UNEVEN_S = [0, 0.1, 0.2, 0.35, 0.4, 1.0, 1.1, 1.2, 1.9, 2.0, 2.1, 5.0]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "uneven.mp4"
    return write_video(path, numbered(12), UNEVEN_S)


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "even.mkv"
    return write_video(path, numbered(40), np.arange(40) / 10)


def times(frames: list[Frame]) -> list[float]:
    return [round(frame.time_s, 3) for frame in frames]


def test_times_are_those_of_the_file(uneven: Path):
    source = open_frames(uneven)
    frames = list(source)
    assert times(frames) == UNEVEN_S
    assert [frame.index for frame in frames] == list(range(12))
    assert [str(frame.photo) for frame in frames[:2]] == ["uneven.mp4#0", "uneven.mp4#1"]
    grey = [int(frame.photo.pixels[40, 40, 0]) for frame in frames]
    assert grey == pytest.approx(np.arange(12) * 10 + 10, abs=2)
    assert source.notes == []


@pytest.mark.parametrize(
    ("selection", "expected_s"),
    [
        (Selection(every_n=5), [0, 1.0, 2.1]),
        (Selection(every_s=1.0), [0, 1.0, 2.0, 5.0]),
        (Selection(every_s=0.35), [0, 0.35, 1.0, 1.1, 1.9, 2.1, 5.0]),
        (Selection(after=9), [2.1, 5.0]),
        (Selection(every_s=1.0, after=5), [2.0, 5.0]),
    ],
)
def test_selections(uneven: Path, selection: Selection, expected_s: list[float]):
    assert times(list(open_frames(uneven, selection))) == expected_s


@pytest.mark.parametrize("rule", [{"every_n": 0}, {"every_s": 0.0}, {"every_s": 1, "every_n": 2}])
def test_selections_that_make_no_sense(rule: dict):
    with pytest.raises(SkyfixError):
        Selection(**rule)


def test_a_truncated_video_gives_what_can_be_decoded(even: Path, tmp_path: Path):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(even.read_bytes()[: even.stat().st_size * 2 // 3])
    source = open_frames(cut)
    frames = list(source)
    assert 15 < len(frames) < 35
    assert times(frames) == times(list(open_frames(even)))[: len(frames)]
    assert "truncated" in " ".join(source.notes)


def test_damage_inside_is_passed_over_and_told(even: Path, tmp_path: Path):
    content = bytearray(even.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(content)
    frames = list(open_frames(damaged))
    assert 10 < len(frames) <= 40
    assert (np.diff(times(frames)) > 0).all()


def test_without_timestamps_frames_are_counted_by_rate(tmp_path: Path):
    path = tmp_path / "raw.h264"
    write_video(path, numbered(10), np.arange(10) / 10)
    source = open_frames(path, fps=5)
    assert times(list(source)) == [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8]
    assert "10 frames have no timestamp" in source.notes[0]


def test_clocks_that_start_anew_still_advance(tmp_path: Path):
    part = write_video(tmp_path / "part.ts", numbered(30), np.arange(30) / 10)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    frames = list(open_frames(joined))
    assert len(frames) > 50
    steps = np.diff(times(frames))
    assert (steps > 0).all()
    assert steps.max() < 1


def test_frames_are_turned_upright(tmp_path: Path):
    content = write_video(tmp_path / "video.mp4", numbered(3), [0, 0.1, 0.2]).read_bytes()
    unit, zero = (1 << 16).to_bytes(4, "big"), bytes(4)
    minus, last = (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big"), (1 << 30).to_bytes(4, "big")
    level = unit + zero * 3 + unit + zero * 3 + last
    quarter = zero + unit + zero + minus + zero * 4 + last
    header = content.index(b"tkhd")
    place = content.index(level, header)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content[:place] + quarter + content[place + len(quarter) :])
    pixels = next(iter(open_frames(turned))).photo.pixels
    assert pixels.shape == (64, 48, 3)
    # A quarter clockwise: what was upper left is upper right.
    assert pixels[5, -5, 0] > 200
    assert pixels[5, 5, 0] < 50


def _audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _headless(path: Path) -> None:
    content = write_video(path, numbered(8), np.arange(8) / 10).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _frameless(path: Path) -> None:
    content = write_video(path, numbered(8), np.arange(8) / 10).read_bytes()
    start = content.index(b"mdat")
    size = int.from_bytes(content[start - 4 : start], "big")
    path.write_bytes(content[: start + 4] + bytes(size - 8) + content[start - 4 + size :])


BAD_VIDEOS = {
    "missing": (lambda path: None, "No such video"),
    "empty": (lambda path: path.write_bytes(b""), "Empty video file"),
    "text": (lambda path: path.write_text("no video at all " * 100), "Not a video"),
    "without index": (_headless, "truncated"),
    "audio": (_audio, "no video stream, only audio"),
    "no frames": (_frameless, "no frame"),
    "empty folder": (lambda path: path.mkdir(), "No images"),
}


@pytest.mark.parametrize("kind", BAD_VIDEOS)
def test_bad_sources_give_one_line(kind: str, tmp_path: Path):
    make, message = BAD_VIDEOS[kind]
    make(tmp_path / "video.mp4")
    with pytest.raises(SkyfixError, match=message) as raised:
        list(open_frames(tmp_path / "video.mp4"))
    assert "video.mp4" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_list_of_other_files_is_no_video(even: Path, tmp_path: Path):
    listed = tmp_path / "list.mp4"
    listed.write_text(f"ffconcat version 1.0\nfile {even.name}\n")
    (tmp_path / even.name).write_bytes(even.read_bytes())
    with pytest.raises(SkyfixError, match=r"Not a video.*list\.mp4"):
        list(open_frames(listed))


def test_real_time_drops_frames_and_keeps_no_backlog(even: Path):
    source, started, late_s, taken = open_frames(even, realtime=True), time.monotonic(), [], []
    for frame in source:
        late_s.append(time.monotonic() - started - frame.time_s)
        taken.append(frame.index)
        time.sleep(0.5)
    assert taken[-1] == 39
    assert len(taken) + source.dropped == 40
    assert source.dropped > 20
    # Frames are as old as one look takes, at most, however long the video runs.
    assert max(np.diff(late_s)) < 1.0


def test_errors_of_the_decoding_thread_arrive(tmp_path: Path):
    _frameless(tmp_path / "video.mp4")
    with pytest.raises(SkyfixError, match="no frame"):
        list(open_frames(tmp_path / "video.mp4", realtime=True))


def _photos(folder: Path, taken: list[str | None]) -> Path:
    folder.mkdir()
    for number, moment in enumerate(taken):
        exif = Image.Exif()
        if moment:
            exif.get_ifd(0x8769)[0x9003] = moment
        Image.new("RGB", (32, 24)).save(folder / f"{number}.jpg", exif=exif)
    return folder


def test_photos_are_ordered_by_exif(tmp_path: Path):
    taken = ["2026:04:27 15:00:08", "2026:04:27 15:00:03", "2026:04:27 15:00:05"]
    frames = list(open_frames(_photos(tmp_path / "photos", taken)))
    assert [Path(str(frame.photo)).name for frame in frames] == ["1.jpg", "2.jpg", "0.jpg"]
    assert times(frames) == [0, 2, 5]


def test_photos_by_rate_by_table_and_by_guess(tmp_path: Path):
    folder = _photos(tmp_path / "photos", [None, None, None])
    assert times(list(open_frames(folder, fps=2))) == [0, 0.5, 1.0]
    listed = open_frames(folder, time_of_file={"2.jpg": 1.5, "0.jpg": 9.0})
    assert [(Path(str(f.photo)).name, f.time_s) for f in listed] == [("2.jpg", 1.5), ("0.jpg", 9)]
    assert "1 photos have no time" in listed.notes[0]
    guessed = open_frames(folder)
    assert times(list(guessed)) == [0, 1, 2]
    assert "one a second" in guessed.notes[0]
    with pytest.raises(SkyfixError, match="names none"):
        open_frames(folder, time_of_file={"other.jpg": 1.0})
