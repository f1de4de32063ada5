"""What a camera wrote into a photo's EXIF tags (CIPA DC-008, Exif 2.32): position, time, lens.

Each function takes the tags as Pillow reads them and raises ``SkyfixError`` for values that
cannot be true; missing tags give None.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from PIL.ExifTags import GPS, Base

from skyfix.errors import SkyfixError
from skyfix.geo import lens

Tags = Mapping[int, Any]

_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def position(gps: Tags) -> tuple[float, float] | None:
    """Longitude and latitude in degrees.

    Raises:
        SkyfixError: not a number, out of range, without hemisphere, or at (0, 0), which
            receivers write before they have a fix.
    """
    if GPS.GPSLatitude not in gps and GPS.GPSLongitude not in gps:
        return None
    lat = _angle(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS", 90.0)
    lon = _angle(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW", 180.0)
    if lon == lat == 0.0:
        raise SkyfixError("GPS position is 0, 0: the receiver had no fix.")
    return lon, lat


def altitude_above_sea_m(gps: Tags) -> float | None:
    """GPS altitude in metres, negative below the sea.

    Raises:
        SkyfixError: not a number, or no altitude of an aircraft.
    """
    if GPS.GPSAltitude not in gps:
        return None
    altitude_m = number(gps[GPS.GPSAltitude], "GPSAltitude")
    if not abs(altitude_m) <= 100_000.0:
        raise SkyfixError(f"GPSAltitude is {altitude_m:g} m, out of range.")
    below = gps.get(GPS.GPSAltitudeRef) in (1, b"\x01")
    return -altitude_m if below else altitude_m


def time_taken(exif: Tags, gps: Tags) -> datetime | None:
    """When the photo was taken, with a time zone.

    The camera's clock counts only with its offset from UTC; else GPS date and time, which are
    UTC. A clock without zone may be many hours off and gives None.

    Raises:
        SkyfixError: no date and time.
    """
    offset = text(exif.get(Base.OffsetTimeOriginal)) or text(exif.get(Base.OffsetTime))
    clock = text(exif.get(Base.DateTimeOriginal))
    if clock and offset:
        fraction = text(exif.get(Base.SubsecTimeOriginal))
        seconds = float(f"0.{fraction}") if re.fullmatch(r"[0-9]{1,9}", fraction) else 0.0
        return _clock(clock).replace(tzinfo=_zone(offset)) + timedelta(seconds=seconds)
    if GPS.GPSDateStamp in gps and GPS.GPSTimeStamp in gps:
        hours, minutes, seconds = _three(gps[GPS.GPSTimeStamp], "GPSTimeStamp")
        if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
            raise SkyfixError("GPSTimeStamp is no time of day.")
        midnight = _clock(f"{text(gps[GPS.GPSDateStamp])} 00:00:00").replace(tzinfo=UTC)
        return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return None


def hfov_deg(exif: Tags, size_px: tuple[int, int]) -> float | None:
    """Field of view in degrees across the width of the upright photo.

    It follows from the focal length equivalent to a 35-mm film camera's (``skyfix.geo.lens``).

    Args:
        exif: the tags of the EXIF folder.
        size_px: (width, height) of the upright photo.

    Raises:
        SkyfixError: a focal length that is no number, or digital zoom, of which nobody can say
            whether the equivalent focal length counts it.
    """
    focal_mm = number(exif.get(Base.FocalLengthIn35mmFilm, 0), "FocalLengthIn35mmFilm")
    if focal_mm == 0:  # Unknown, by the standard.
        return None
    if not 1.0 <= focal_mm <= 10_000.0:
        raise SkyfixError(f"FocalLengthIn35mmFilm is {focal_mm:g} mm, out of range.")
    zoom = number(exif.get(Base.DigitalZoomRatio, 0), "DigitalZoomRatio")
    if zoom > 1.01:
        raise SkyfixError(f"Digital zoom {zoom:g}: the field of view is unknown.")
    return lens.hfov_deg(focal_mm, size_px)


def text(value: Any) -> str:
    """A tag's text without padding; nothing for other values."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.split("\0")[0].strip() if isinstance(value, str) else ""


def number(value: Any, name: str) -> float:
    """A finite number.

    Raises:
        SkyfixError: it is none, such as a fraction over 0.
    """
    try:
        found = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise SkyfixError(f"{name} is not a number.")
    return found


def _angle(gps: Tags, tag: GPS, side_tag: GPS, sides: str, most_deg: float) -> float:
    degrees, minutes, seconds = _three(gps.get(tag), tag.name)
    side = text(gps.get(side_tag)).upper()
    if len(side) != 1 or side not in sides:
        raise SkyfixError(f"{side_tag.name} is {side!r}, not one of {', '.join(sides)}.")
    value = degrees + minutes / 60 + seconds / 3600
    if not (min(degrees, minutes, seconds) >= 0 and value <= most_deg):
        raise SkyfixError(f"{tag.name} is {value:g} degrees, out of range.")
    return value if side == sides[0] else -value


def _three(values: Any, name: str) -> tuple[float, float, float]:
    if not isinstance(values, tuple) or len(values) != 3:
        raise SkyfixError(f"{name} does not have three parts.")
    first, second, third = (number(value, name) for value in values)
    return first, second, third


def _clock(stamp: str) -> datetime:
    try:
        clock = datetime.strptime(stamp, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        raise SkyfixError(f"{stamp[:40]!r} is no date and time.") from None
    if not _FIRST_YEAR <= clock.year <= _LAST_YEAR:
        raise SkyfixError(f"{stamp[:40]!r} cannot be when the photo was taken.")
    return clock


def _zone(offset: str) -> timezone:
    parts = _OFFSET.fullmatch(offset)
    if parts is None or int(parts[2]) > 14 or int(parts[3]) > 59:
        raise SkyfixError(f"{offset[:20]!r} is no offset from UTC.")
    minutes = 60 * int(parts[2]) + int(parts[3])
    return timezone(timedelta(minutes=-minutes if parts[1] == "-" else minutes))
