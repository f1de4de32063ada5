"""Fixes of every kind, for all outputs."""

from datetime import UTC, datetime, timedelta, timezone

from skyfix.localize.fix import Candidate, Fix, not_located

START = datetime(2026, 3, 1, 12, 30, 45, 250_000, tzinfo=UTC)
BAD_NAME = 'a/<b>&"c"\x07\x00 ü\udcff.jpg'


def located(photo: str = "one.jpg", lon: float = 15.0, lat: float = 45.0, **changes) -> Fix:
    values = {
        "accuracy_m": 12.5,
        "accuracy_95_m": 30.25,
        "confidence": 0.91,
        "candidates": (
            Candidate(lon, lat, 6.5, "tile-1"),
            Candidate(lon + 0.001, lat - 0.001, 4.25, "tile-2"),
        ),
    }
    return Fix(photo, True, lon, lat, **{**values, **changes})


def posed(photo: str = "two.jpg", lon: float = -70.5, lat: float = -33.25, **changes) -> Fix:
    """A fix with camera, footprint, heading and a time in another zone."""
    values = {
        "camera_lon": lon + 0.0005,
        "camera_lat": lat - 0.0005,
        "footprint": square(lon, lat),
        "heading_deg": 271.5,
        "method": "registration",
        "time": START.astimezone(timezone(timedelta(hours=2))),
    }
    return located(photo, lon, lat, **{**values, **changes})


def square(lon: float, lat: float, half: float = 0.001) -> tuple[tuple[float, float], ...]:
    """Corners clockwise from the upper left, longitudes brought back to [-180, 180)."""
    corners = [(-half, half), (half, half), (half, -half), (-half, -half)]
    return tuple(((lon + x + 180) % 360 - 180, lat + y) for x, y in corners)


def lost(photo: str = BAD_NAME, **changes) -> Fix:
    """Not located; with a candidate, as the real ones have."""
    fix = not_located(photo, "No place stands out: confidence 0.31.",
                      (Candidate(15.01, 45.01, 2.0, "tile-9"),), 0.31)  # fmt: skip
    return Fix(**{**vars(fix), **changes})


def flight(count: int = 5, missing: int | None = 2, lon: float = 15.0) -> list[Fix]:
    """Fixes every second, eastward; one of them is not located."""
    fixes = []
    for index in range(count):
        when = {"time": START + timedelta(seconds=index), "time_s": float(index)}
        name = f"frame_{index}.jpg"
        if index == missing:
            fixes.append(lost(name, **when))
        else:
            east = (lon + index * 0.0004 + 180) % 360 - 180
            fixes.append(located(name, east, 45.0, method="filter", **when))
    return fixes
