"""Telemetry in the subtitle files that DJI drones write beside their videos.

DJI documents no format; these dialects are known from files of its drones:

- ``[latitude: 32.1] [longitude: 35.2] [rel_alt: 1.3 abs_alt: 132.8] [gb_yaw: 3.1 gb_pitch: -60.0
  gb_roll: 0.0]`` with or without a space before the colon, ``longtitude`` in older firmware, and
  a single ``[altitude: 132.8]``;
- ``GPS (35.2, 32.1, 16), H 45.00m, ... G.PRY (-60.0, 0.0, 90.0)``: longitude first; pitch, roll,
  yaw of the gimbal;
- ``HOME(35.2,32.1) 2017.08.05 14:11:51`` above ``GPS(35.2,32.1,17) BAROMETER:1.9``.

The third number of GPS is an altitude only where it has a unit or decimals (``17.0M``); a whole
number may count satellites. Focal lengths are equivalents for 36-mm film, in millimetres or, in
older firmware, tenths of them. Clock times have no time zone.
"""

import contextlib
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.localize.telemetry import Row, Telemetry, from_rows

MAX_BYTES = 256 * 2**20
"""Larger files are no subtitles."""

_NUMBER = r"([-+]?[0-9]{1,12}(?:\.[0-9]{0,12})?)"
_TRIPLE = rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)"
_CUE = re.compile(
    r"([0-9]{1,4}):([0-9]{2}):([0-9]{2})[,.]([0-9]{1,3})[ \t]*-->[ \t]*[0-9:,.]+[^\n]*"
)
_CLOCK = re.compile(
    r"([0-9]{4})[-./]([0-9]{1,2})[-./]([0-9]{1,2})[ T]+"
    r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,3}))?"
)
_NAMED = {
    name: re.compile(rf"(?<![A-Za-z_.]){words}\s*:\s*{_NUMBER}", re.IGNORECASE)
    for name, words in {
        "lat": "latitude",
        "lon": "longt?itude",
        "rel_alt_m": "(?:rel_alt|barometer)",
        "alt_m": "(?:abs_alt|altitude)",
        "heading_deg": "(?:gb_yaw|gimbal_yaw|gimbal_heading)",
        "pitch_deg": "(?:gb_pitch|gimbal_pitch)",
        "roll_deg": "(?:gb_roll|gimbal_roll)",
        "yaw_deg": "(?:yaw|drone_yaw|flight_yaw|heading)",
        "focal_mm": "focal_len",
    }.items()
}
_GPS = re.compile(rf"\bGPS\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*(M?)\s*)?\)", re.I)
_HEIGHT = re.compile(rf"(?<![A-Za-z.])H:?\s+{_NUMBER}\s*m\b")
_GIMBAL = re.compile(rf"\bG\.PRY\s*{_TRIPLE}")
_FILM_MM = 36.0
_LONGEST_MM = 100.0


def read_srt(path: Path) -> Telemetry:
    """Read an SRT file.

    Raises:
        SkyfixError: unreadable, not SRT, or without telemetry.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SkyfixError(f"{path} is too large for subtitles. Give the drone's SRT file.")
        content = path.read_bytes()
    except OSError as error:
        raise SkyfixError(f"Cannot read {path}: {error.strerror}. Check the file.") from error
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = content.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    cues = list(_CUE.finditer(text))
    if not cues:
        raise SkyfixError(
            f"{path} is not an SRT file: no line such as 00:00:01,000 --> 00:00:02,000. "
            "Give the subtitle file that the drone wrote."
        )
    ends = [cue.start() for cue in cues[1:]] + [len(text)]
    return from_texts(
        path,
        ((_seconds(cue), text[cue.end() : end]) for cue, end in zip(cues, ends, strict=True)),
    )


def from_texts(path: Path, texts: Iterable[tuple[float, str]]) -> Telemetry:
    """Telemetry of subtitles: (seconds, text) each.

    Raises:
        SkyfixError: none of them holds any.
    """
    rows: list[Row] = []
    clock: datetime | None = None
    for time_s, text in texts:
        rows.append({"time_s": time_s, **fields_of(text)})
        if clock is None and (seen := _clock(text)) is not None:
            with contextlib.suppress(OverflowError):
                clock = seen - timedelta(seconds=time_s)
    return from_rows(path, rows, clock)


def fields_of(text: str) -> dict[str, float]:
    """Channels named in one subtitle."""
    found = {
        name: float(match[1])
        for name, pattern in _NAMED.items()
        if (match := pattern.search(text)) is not None
    }
    yaw_deg, focal_mm = found.pop("yaw_deg", None), found.pop("focal_mm", None)
    if (gps := _GPS.search(text)) is not None:
        found.setdefault("lon", float(gps[1]))
        found.setdefault("lat", float(gps[2]))
        if gps[3] is not None and (gps[4] or "." in gps[3]):
            found.setdefault("alt_m", float(gps[3]))
    if (height := _HEIGHT.search(text)) is not None:
        found.setdefault("rel_alt_m", float(height[1]))
    if (gimbal := _GIMBAL.search(text)) is not None:
        for name, value in zip(
            ("pitch_deg", "roll_deg", "heading_deg"), gimbal.groups(), strict=True
        ):
            found.setdefault(name, float(value))
    if yaw_deg is not None:
        found.setdefault("heading_deg", yaw_deg)
    if focal_mm is not None and focal_mm > 0:
        focal_mm = focal_mm / 10 if focal_mm > _LONGEST_MM else focal_mm
        found["hfov_deg"] = math.degrees(2 * math.atan(_FILM_MM / 2 / focal_mm))
    return found


def _seconds(cue: re.Match[str]) -> float:
    hours, minutes, seconds, fraction = cue.groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + int(fraction) / 10 ** len(fraction)


def _clock(text: str) -> datetime | None:
    match = _CLOCK.search(text)
    if match is None:
        return None
    *numbers, fraction = match.groups()
    year, month, day, hour, minute, second = (int(number) for number in numbers)
    micros = int((fraction or "0").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        return None
