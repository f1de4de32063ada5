"""Telemetry: the dialects drones write, interpolation, courses, and any garbage."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from videos import numbered, write_video

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.geo.ground import offset
from skyfix.localize.telemetry import CHANNELS, Sample, from_rows, read_telemetry

DIALECTS = {
    "brackets": (
        "[iso : 110] [shutter : 1/200.0] [fnum : 280] [ct : 5064] [focal_len : 240] "
        "[latitude: 32.105516] [longitude: 35.203519] [rel_alt: 119.800 abs_alt: 829.842]",
        {
            "lat": 32.105516,
            "lon": 35.203519,
            "rel_alt_m": 119.8,
            "alt_m": 829.842,
            "hfov_deg": 73.74,
        },
    ),
    "misspelt": (
        "[iso : 110] [focal_len : 24] [latitude : -0.608553] [longtitude : -1.963763] "
        "[altitude: 1429.697998] ",
        {"lat": -0.608553, "lon": -1.963763, "alt_m": 1429.697998, "hfov_deg": 73.74},
    ),
    "font and gimbal": (
        '<font size="28">FrameCnt: 3927, DiffTime: 33ms\n2026-04-27 15:24:37.850\n'
        "[iso: 100] [focal_len: 24.00] [dzoom_ratio: 1.00], [latitude: 31.2] [longitude: 121.6] "
        "[rel_alt: 79.969 abs_alt: 96.474] [gb_yaw: -67.6 gb_pitch: -30.5 gb_roll: 0.5] </font>",
        {
            "lat": 31.2,
            "lon": 121.6,
            "rel_alt_m": 79.969,
            "alt_m": 96.474,
            "heading_deg": -67.6,
            "pitch_deg": -30.5,
            "roll_deg": 0.5,
            "hfov_deg": 73.74,
        },
    ),
    "functions": (
        '<font size="36">F/2.8, SS 400, ISO 100, EV 0, DZOOM 1.0, GPS (77.6, 12.9, 21), D 80.50m, '
        "H 45.50m, H.S 3.20m/s, V.S 0.00m/s, F.PRY (1.2, -0.5, 88.0), G.PRY (-60.0, 0.5, 91.0)"
        "</font>",
        {
            "lat": 12.9,
            "lon": 77.6,
            "rel_alt_m": 45.5,
            "pitch_deg": -60.0,
            "roll_deg": 0.5,
            "heading_deg": 91.0,
        },
    ),
    "home": (
        "HOME(149.0251,-20.2532) 2017.08.05 14:11:51\nGPS(149.0252,-20.2533,16) BAROMETER:1.9\n"
        "ISO:100 Shutter:60 EV: 0 Fnum:2.2",
        {"lat": -20.2533, "lon": 149.0252, "rel_alt_m": 1.9},
    ),
    "altitude with unit": (
        "GPS(-0.1276,51.5072,17.5M) yaw: 12.5",
        {"lat": 51.5072, "lon": -0.1276, "alt_m": 17.5, "heading_deg": 12.5},
    ),
}


def srt(texts: list[str], every_s: float = 1.0) -> str:
    cues = []
    for number, text in enumerate(texts):
        start, end = (
            f"00:00:{value:06.3f}".replace(".", ",")
            for value in (number * every_s, (number + 1) * every_s)
        )
        cues.append(f"{number + 1}\n{start} --> {end}\n{text}\n")
    return "\n".join(cues)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dialects(dialect: str, newline: str, tmp_path: Path):
    text, expected = DIALECTS[dialect]
    path = tmp_path / "flight.SRT"
    path.write_bytes(srt([text, text]).replace("\n", newline).encode("utf-8-sig"))
    telemetry = read_telemetry(path)
    assert telemetry.time_s.tolist() == [0, 1]
    for name in CHANNELS:
        value = telemetry.channels[name][1]
        assert value == pytest.approx(expected.get(name, np.nan), abs=5e-3, nan_ok=True), name


def test_the_wall_clock_has_no_zone_unless_one_is_written(tmp_path: Path):
    path = tmp_path / "flight.srt"
    path.write_text(
        srt(
            ["[latitude: 1] [longitude: 2]", "2026-04-27 15:24:38.850 [latitude: 1] [longitude: 2]"]
        )
    )
    assert read_telemetry(path).clock == datetime(2026, 4, 27, 15, 24, 37, 850_000)
    table = tmp_path / "flight.csv"
    table.write_text("time,lat,lon\n2026-04-27T15:24:37Z,1,2\n2026-04-27T15:24:39.5Z,1,2\n")
    read = read_telemetry(table)
    assert read.clock == datetime(2026, 4, 27, 15, 24, 37, tzinfo=UTC)
    assert read.time_s.tolist() == [0, 2.5]


def test_tables_hold_any_subset(tmp_path: Path):
    path = tmp_path / "flight.csv"
    path.write_text("file, time_s ,heading_deg,note\nb/1.jpg,1,350,x\n0.jpg,0,,y\n2.jpg,3,10,\n")
    read = read_telemetry(path)
    assert read.time_s.tolist() == [0, 1, 3]
    assert read.time_of_file == {"1.jpg": 1, "0.jpg": 0, "2.jpg": 3}
    assert read.at(2.0) == Sample(Pose(heading_deg=0.0))
    assert read.at(0.5) == Sample(Pose())


def test_interpolation_on_the_circle_and_across_the_antimeridian():
    rows = [
        {"time_s": 0.0, "lon": 179.9, "lat": 10.0, "heading_deg": -10.0, "roll_deg": 179.0},
        {"time_s": 2.0, "lon": -179.9, "lat": 11.0, "heading_deg": 30.0, "roll_deg": -179.0},
    ]
    sample = from_rows(Path("x"), rows).at(1.5)
    assert sample.pose.heading_deg == pytest.approx(20)
    assert abs(sample.pose.roll_deg) == pytest.approx(179.5)
    assert sample.lon == pytest.approx(-179.95)
    assert sample.lat == pytest.approx(10.75)


def test_nothing_is_extrapolated_nor_spanned_over_gaps():
    rows = [{"time_s": t, "pitch_deg": -45.0, "rel_alt_m": 50.0} for t in (1.0, 2.0, 3.0, 30.0)]
    telemetry = from_rows(Path("x"), rows)
    known = Pose(pitch_deg=-45, altitude_m=50)
    assert telemetry.at(0.99).pose == Pose()
    assert telemetry.at(1.0).pose == telemetry.at(2.5).pose == known
    assert telemetry.at(3.01).pose == telemetry.at(29.0).pose == Pose()
    # The last sample holds as long as samples usually do.
    assert telemetry.at(31.0).pose == known
    assert telemetry.at(31.01).pose == Pose()
    fallback = Pose(heading_deg=5, pitch_deg=-90)
    assert telemetry.at(50, fallback).pose == fallback
    assert telemetry.at(2, fallback).pose == Pose(heading_deg=5, pitch_deg=-45, altitude_m=50)


def test_offsets_move_everything():
    moved = from_rows(Path("x"), [{"time_s": t, "lat": t, "lon": 5.0} for t in (1.0, 2.0)]).shifted(
        3
    )
    assert moved.span_s == (4, 6)
    assert moved.at(4.25).lat == pytest.approx(1.25)


def test_the_course_stands_for_the_heading_and_is_held():
    places = [
        offset(35.2, 32.1, east, north)
        for east, north in [(0, 0)] * 5 + [(10 * t, 0) for t in range(1, 6)] + [(50, 0)] * 5
    ]
    rows = [
        {"time_s": float(t), "lon": float(lon), "lat": float(lat)}
        for t, (lon, lat) in enumerate(places)
    ]
    telemetry = from_rows(Path("x"), rows)
    assert not telemetry.has_heading
    course = telemetry.with_course()
    assert course.at(1.0).pose.heading_deg is None
    assert course.at(7.0).pose.heading_deg == pytest.approx(90, abs=0.01)
    assert course.at(13.0).pose.heading_deg == pytest.approx(90, abs=0.01)
    recorded = from_rows(Path("x"), [{**row, "heading_deg": 12.0} for row in rows]).with_course()
    assert recorded.at(7.0).pose.heading_deg == pytest.approx(12)


def test_what_cannot_be_is_passed_over_and_told():
    rows = [
        {"time_s": 0.0, "lat": 0.0, "lon": 0.0, "pitch_deg": -90.4},
        {"time_s": 1.0, "lat": 91.0, "lon": 5.0, "pitch_deg": -140.0},
    ]
    telemetry = from_rows(Path("x"), rows)
    assert not telemetry.has_positions
    assert telemetry.channels["pitch_deg"][0] == -90
    assert len(telemetry.notes) == 3


def test_subtitles_inside_a_video(tmp_path: Path):
    texts = [(0, DIALECTS["brackets"][0]), (0.5, DIALECTS["home"][0])]
    video = write_video(tmp_path / "v.mp4", numbered(10), np.arange(10) / 10, subtitles=texts)
    telemetry = read_telemetry(video)
    assert telemetry.time_s == pytest.approx([0, 0.5])
    assert telemetry.channels["lat"] == pytest.approx([32.105516, -20.2533])
    assert telemetry.channels["rel_alt_m"] == pytest.approx([119.8, 1.9])


BAD = {
    "none.srt": (None, "No telemetry file"),
    "text.srt": ("no cues here", "not an SRT file"),
    "empty.srt": ("", "not an SRT file"),
    "mute.srt": (srt(["Hello", "world"]), "no usable telemetry"),
    "empty.csv": ("", "time_s or time"),
    "nothing.csv": ("time_s,other\n1,2\n", "time_s or time"),
    "words.csv": ("time_s,lat\n1,north\n", "row 2: lat is not a number"),
    "when.csv": ("time_s,lat\nnoon,1\n", "row 2: time_s"),
    "mixed.csv": ("time,lat\n2026-04-27T15:00:00Z,1\n2026-04-27T15:00:00,1\n", "row 3: time"),
    "text.mp4": ("no video", "Cannot read telemetry"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_give_one_line(name: str, tmp_path: Path):
    content, message = BAD[name]
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SkyfixError, match=message) as raised:
        read_telemetry(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_video_without_subtitles(tmp_path: Path):
    with pytest.raises(SkyfixError, match="no subtitles"):
        read_telemetry(write_video(tmp_path / "v.mp4", numbered(3), [0, 0.1, 0.2]))


PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "00:00:01,000 --> 00:00:02,000\n",
            "[latitude: ",
            "] [longtitude: 1e9]",
            "GPS(1,2,3)",
            "9" * 30,
            "-",
            "rel_alt: -5.",
            "2026-13-99 99:99:99",
            "0001-01-01 00:00:00",
            "G.PRY (-999, 0, 1)",
            "time_s,lat,lon\n",
            "1,2,3\n",
            ",",
            "\n",
            "\0",
            '"',
            "focal_len: 0",
        ]
    ),
)


@given(text=st.lists(PIECES, max_size=12).map("".join), suffix=st.sampled_from([".srt", ".csv"]))
def test_any_text_is_telemetry_or_one_error(text: str, suffix: str, tmp_path_factory):
    _survives(text.encode("utf-8", errors="surrogatepass"), suffix, tmp_path_factory)


@given(content=st.binary(max_size=200), suffix=st.sampled_from([".srt", ".csv", ".mp4"]))
def test_any_bytes_are_telemetry_or_one_error(content: bytes, suffix: str, tmp_path_factory):
    _survives(content, suffix, tmp_path_factory)


def _survives(content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        telemetry = read_telemetry(path)
    except SkyfixError as error:
        assert "\n" not in str(error)
        return
    middle_s = float(np.mean(telemetry.time_s))
    for time_s in (*telemetry.span_s, middle_s):
        telemetry.with_course().at(time_s)
