"""Fixes as a table for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from skyfix.files import write_text
from skyfix.localize.fix import Fix
from skyfix.outputs.positions import camera, ground, utc_text

COLUMNS = (
    "photo", "located", "lon", "lat", "accuracy_m", "accuracy_95_m", "confidence", "method",
    "time", "time_s", "heading_deg", "camera_lon", "camera_lat", "reason",
)  # fmt: skip


def write_csv(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write one row a fix (RFC 4180, UTF-8); what is not known, and every position of a photo that
    was not located, is an empty cell.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(map(_row, fixes))
    write_text(path, stream.getvalue())


def _row(fix: Fix) -> list[str]:
    lon, lat = ground(fix) or (None, None)
    camera_lon, camera_lat = camera(fix) or (None, None)
    return [
        fix.photo,
        "true" if fix.located else "false",
        _number(lon, 8),
        _number(lat, 8),
        _number(fix.accuracy_m, 2),
        _number(fix.accuracy_95_m, 2),
        _number(fix.confidence, 4),
        fix.method,
        utc_text(fix),
        _number(fix.time_s, 3),
        _number(fix.heading_deg, 2),
        _number(camera_lon, 8),
        _number(camera_lat, 8),
        fix.reason,
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
