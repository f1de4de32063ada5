"""What a drone recorded of itself along a video: attitude, height, position, on one clock.

The pose of a frame comes from here. Recorded positions are never an answer: they give the course
that stands for a heading nobody recorded, and what an answer is compared with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.geo.crs import wrap_deg
from skyfix.geo.ground import east_north

CHANNELS = (
    "lon",
    "lat",
    "alt_m",
    "rel_alt_m",
    "heading_deg",
    "pitch_deg",
    "roll_deg",
    "hfov_deg",
)
"""What a sample may hold; each may be unknown."""

MAX_GAP_S = 10.0
"""Between samples farther apart than this nothing is interpolated."""

COURSE_SPAN_S = 2.0
"""The course at a time is the direction of the way flown over so long around it."""

MIN_COURSE_M = 3.0
"""A shorter way has no course; the course before it then stays."""

_RANGES = {
    "lon": (-180.0, 180.0),
    "lat": (-90.0, 90.0),
    "alt_m": (-1e5, 1e5),
    "rel_alt_m": (-1e5, 1e5),
    "heading_deg": (-720.0, 720.0),
    "pitch_deg": (-90.0, 90.0),
    "roll_deg": (-360.0, 360.0),
    "hfov_deg": (1.0, 179.0),
}
_CIRCULAR = ("lon", "heading_deg", "roll_deg")
_PITCH_SLACK_DEG = 1.0

Row = Mapping[str, float]
"""``time_s`` and any of ``CHANNELS``."""


@dataclass(frozen=True)
class Sample:
    """What is known at one moment.

    Attributes:
        pose: attitude, field of view and height; the height above take-off stands for the
            height above ground.
        lon, lat: recorded position, degrees; None if unknown.
    """

    pose: Pose
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True)
class Telemetry:
    """Samples in the order of time.

    Attributes:
        path: the file they come from.
        time_s: (N,) seconds since the start of the video, increasing.
        channels: by name, of ``CHANNELS``: (N,), NaN where unknown.
        clock: wall clock at ``time_s`` 0, with a time zone only if one was recorded; None if
            there is none.
        time_of_file: where rows name photos, the time of each.
        notes: what was passed over, a sentence each.
    """

    path: Path
    time_s: np.ndarray
    channels: Mapping[str, np.ndarray]
    clock: datetime | None = None
    time_of_file: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def has_heading(self) -> bool:
        """Whether a heading was recorded, or derived, anywhere."""
        return bool(np.isfinite(self.channels["heading_deg"]).any())

    @property
    def has_positions(self) -> bool:
        """Whether positions were recorded anywhere."""
        return bool(np.isfinite(self.channels["lon"] + self.channels["lat"]).any())

    @property
    def span_s(self) -> tuple[float, float]:
        """Time of the first sample, and the time until which the last one holds."""
        return float(self.time_s[0]), float(self.time_s[-1] + self._hold_s)

    def at(self, time_s: float, otherwise: Pose | None = None) -> Sample:
        """What is known at a time: interpolated, angles on the circle.

        Nothing is said before the first sample, nor later than one sampling interval after the
        last one, nor in gaps above ``MAX_GAP_S``.

        Args:
            time_s: seconds since the start of the video.
            otherwise: pose whose values stand where the telemetry has none.
        """
        known = {name: self._value(name, time_s) for name in CHANNELS}
        other = otherwise or Pose()
        values = {
            item.name: getattr(other, item.name)
            for item in fields(Pose)
            if known.get(item.name) is None
        }
        values |= {name: known[name] for name in _POSE_CHANNELS if known[name] is not None}
        height_m = known["rel_alt_m"]
        if height_m is not None and height_m > 0:
            values["altitude_m"] = height_m
        lon, lat = known["lon"], known["lat"]
        return (
            Sample(Pose(**values))
            if lon is None or lat is None
            else Sample(Pose(**values), lon, lat)
        )

    def shifted(self, offset_s: float) -> "Telemetry":
        """The same samples, ``offset_s`` seconds later on the video's clock."""
        return replace(
            self,
            time_s=self.time_s + offset_s,
            clock=None if self.clock is None else self.clock - timedelta(seconds=offset_s),
            time_of_file={name: time + offset_s for name, time in self.time_of_file.items()},
        )

    def with_course(self) -> "Telemetry":
        """The same, the course over ground standing for every heading that is unknown.

        A drone need not look where it flies: in side flight, hover and turns this is a guess.
        Where it hardly moves the course before stays; before the first course there is none.
        """
        heading = self.channels["heading_deg"]
        filled = np.where(np.isfinite(heading), heading, self._course_deg())
        return replace(self, channels={**self.channels, "heading_deg": filled})

    def _course_deg(self) -> np.ndarray:
        course = np.full(len(self), np.nan)
        lon, lat = self.channels["lon"], self.channels["lat"]
        placed = np.flatnonzero(np.isfinite(lon + lat))
        if len(placed) < 2:
            return course
        times = self.time_s[placed]
        east, north = east_north(lon[placed[0]], lat[placed[0]], lon[placed], lat[placed])
        ends = np.clip(
            self.time_s[:, None] + [-COURSE_SPAN_S / 2, COURSE_SPAN_S / 2], times[0], times[-1]
        )
        way = np.stack([np.diff(np.interp(ends, times, metres))[:, 0] for metres in (east, north)])
        moving = np.flatnonzero(np.hypot(*way) >= MIN_COURSE_M)
        if not len(moving):
            return course
        latest = np.searchsorted(moving, np.arange(len(self)), side="right") - 1
        held = moving[np.maximum(latest, 0)]
        return np.where(latest >= 0, np.degrees(np.arctan2(*way[:, held])) % 360.0, np.nan)

    @cached_property
    def _hold_s(self) -> float:
        return float(np.median(np.diff(self.time_s))) if len(self) > 1 else 0.0

    @cached_property
    def _known(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        known = {}
        for name in CHANNELS:
            rows = np.flatnonzero(np.isfinite(self.channels[name]))
            values = self.channels[name][rows]
            known[name] = (
                self.time_s[rows],
                np.unwrap(values, period=360.0) if name in _CIRCULAR else values,
            )
        return known

    def _value(self, name: str, time_s: float) -> float | None:
        times, values = self._known[name]
        if not len(times) or not times[0] <= time_s <= times[-1] + self._hold_s:
            return None
        after = int(np.searchsorted(times, time_s))
        if 0 < after < len(times) and times[after] - times[after - 1] > MAX_GAP_S:
            return None
        value = float(np.interp(time_s, times, values))
        return float(wrap_deg(np.array(value))) if name in _CIRCULAR else value


_POSE_CHANNELS = ("heading_deg", "pitch_deg", "roll_deg", "hfov_deg")


def from_rows(
    path: Path,
    rows: Iterable[Row],
    clock: datetime | None = None,
    time_of_file: Mapping[str, float] | None = None,
) -> Telemetry:
    """Telemetry of rows in any order.

    Values out of range count as unknown, and so does the position 0, 0, which receivers write
    before they know theirs; of rows with the same time the first is kept.

    Raises:
        SkyfixError: no row holds anything.
    """
    table = list(rows)
    times = np.array([row["time_s"] for row in table], dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(times) & (np.abs(times) < 1e9))
    times, first = np.unique(times[usable], return_index=True)
    order = usable[first]
    channels, notes = {}, []
    for name in CHANNELS:
        values = np.array([table[row].get(name, np.nan) for row in order], dtype=np.float64)
        channels[name], refused = _in_range(name, values)
        if refused:
            notes.append(f"{path}: {refused} values of {name} are out of range and passed over.")
    nowhere = (channels["lon"] == 0) & (channels["lat"] == 0)
    if nowhere.any():
        notes.append(f"{path}: {nowhere.sum()} positions are 0, 0 and passed over.")
        channels["lon"][nowhere] = channels["lat"][nowhere] = np.nan
    if not any(np.isfinite(values).any() for values in channels.values()):
        raise SkyfixError(
            f"{path} holds no usable telemetry: no position, height or attitude. "
            "Give the drone's SRT file or a CSV with named columns."
        )
    return Telemetry(path, times, channels, clock, dict(time_of_file or {}), tuple(notes))


def read_telemetry(path: Path | str) -> Telemetry:
    """Read a drone's SRT file, a CSV table, or the subtitles inside a video.

    The kind is told by the suffix: ``.csv``, ``.srt`` (or ``.txt``), else a video.

    Raises:
        SkyfixError: no such file, not of its kind, or nothing usable in it.
    """
    from skyfix.localize.telemetry_csv import read_csv
    from skyfix.localize.telemetry_srt import read_srt
    from skyfix.localize.telemetry_video import read_subtitles

    path = Path(path)
    if not path.exists():
        raise SkyfixError(f"No telemetry file {path}. Check the path.")
    if path.is_dir():
        raise SkyfixError(f"{path} is a folder, not a telemetry file. Name the file in it.")
    readers = {".csv": read_csv, ".srt": read_srt, ".txt": read_srt}
    return readers.get(path.suffix.lower(), read_subtitles)(path)


def _in_range(name: str, values: np.ndarray) -> tuple[np.ndarray, int]:
    """Values with NaN for what is out of range, and how many those are."""
    low, high = _RANGES[name]
    if name == "pitch_deg":
        # Gimbals report a little beyond straight down.
        slack = np.abs(values) - 90.0
        values = np.where((slack > 0) & (slack <= _PITCH_SLACK_DEG), np.sign(values) * 90.0, values)
    given = ~np.isnan(values)
    fine = given & (values >= low) & (values <= high)
    return np.where(fine, values, np.nan), int((given & ~fine).sum())
