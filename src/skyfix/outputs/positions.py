"""What every output asks of a fix: where the camera was, how sure that is, when it was."""

import math
from collections.abc import Sequence
from datetime import UTC

import numpy as np

from skyfix.localize.fix import Fix

LonLat = tuple[float, float]
"""(lon, lat), WGS84 degrees."""

UNKNOWN_VARIANCE_M2 = 1e6
"""Stands for "not known" in covariances whose readers do not take NaN: a kilometre of standard
deviation."""

_SIGMAS_IN_68 = math.sqrt(-2 * math.log(1 - 0.68))


def ground(fix: Fix) -> LonLat | None:
    """The ground point at the photo's centre; None if not located."""
    if not fix.located or fix.lon is None or fix.lat is None:
        return None
    return fix.lon, fix.lat


def camera(fix: Fix) -> LonLat | None:
    """The point below the camera; None where it is not known."""
    if not fix.located or fix.camera_lon is None or fix.camera_lat is None:
        return None
    return fix.camera_lon, fix.camera_lat


def receiver(fix: Fix) -> LonLat | None:
    """Where a satellite receiver on the aircraft would be: below the camera if that is known, else
    at the photo's centre, which is the same place only for a camera that looks straight down.
    """
    return camera(fix) or ground(fix)


def sigma_m(fix: Fix) -> float:
    """Standard deviation along one axis, metres, of a round normal distribution.

    Its 68 % radius is ``sqrt(-2 ln 0.32) = 1.51`` standard deviations (the Rayleigh distribution).
    """
    return (fix.accuracy_m or 0.0) / _SIGMAS_IN_68


def utc_text(fix: Fix) -> str:
    """When the photo was taken, ISO 8601 in UTC with milliseconds and Z; empty if unknown."""
    if fix.time is None:
        return ""
    return fix.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def track(fixes: Sequence[Fix]) -> list[list[Fix]]:
    """Located fixes in the order of time, cut where photos between them are not located.

    Empty unless all fixes tell a time of the same kind (``time``, else ``time_s``), not all the
    same one, and at least two of them are located.
    """
    times = [fix.time.timestamp() if fix.time else None for fix in fixes]
    if None in times:
        times = [fix.time_s for fix in fixes]
    told = [time for time in times if time is not None]
    if len(told) < len(fixes) or len(set(told)) < 2:
        return []
    order = [fixes[index] for index in np.argsort(told, kind="stable")]
    parts: list[list[Fix]] = [[]]
    for fix in order:
        if ground(fix) is not None:
            parts[-1].append(fix)
        elif parts[-1]:
            parts.append([])
    parts = [part for part in parts if part]
    return parts if sum(map(len, parts)) > 1 else []
