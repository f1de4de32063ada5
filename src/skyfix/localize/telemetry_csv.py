"""Telemetry in a CSV table of named columns."""

import csv
import math
from datetime import datetime
from pathlib import Path, PurePosixPath

from skyfix.errors import SkyfixError
from skyfix.localize.poses import number_of
from skyfix.localize.telemetry import CHANNELS, Row, Telemetry, from_rows

TIMES = ("time_s", "time")
"""Seconds since the start of the video; ``time`` may hold ISO 8601 dates and times instead."""


def read_csv(path: Path) -> Telemetry:
    """Read a table with ``time_s`` or ``time`` and any of ``CHANNELS``; cells may be empty.

    A column ``file`` names the photo of each row, for folders of photos. Other columns are
    passed over.

    Raises:
        SkyfixError: unreadable, no column of time, none of the channels, or a cell that is no
            number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey="")
            names = [name.strip() for name in reader.fieldnames or ()]
            time = next((name for name in TIMES if name in names), None)
            if time is None or not set(names) & set(CHANNELS):
                raise SkyfixError(
                    f"{path}: the first row must name time_s or time, and any of "
                    f"{','.join(CHANNELS)}."
                )
            reader.fieldnames = names
            table = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(f"Cannot read the telemetry {path}: {error}. Save it as CSV.") from error
    rows: list[Row] = []
    files: dict[str, float] = {}
    clock: datetime | None = None
    for number, cells in table:
        where = f"{path} row {number}"
        time_s = _seconds(cells.get(time), clock)
        if isinstance(time_s, datetime):
            clock, time_s = time_s, 0.0
        if time_s is None:
            raise SkyfixError(
                f"{where}: {time} is neither seconds nor a date and time like those above: "
                f"{(cells.get(time) or '').strip()!r}."
            )
        known = {name: number_of(cells, name, where) for name in CHANNELS if name in names}
        rows.append({"time_s": time_s} | {k: v for k, v in known.items() if v is not None})
        if file := (cells.get("file") or "").strip():
            files[PurePosixPath(file.replace("\\", "/")).name] = time_s
    return from_rows(path, rows, clock, files)


def _seconds(cell: str | None, clock: datetime | None) -> float | datetime | None:
    """Seconds in a cell; the first date and time there is, from which seconds then count; or
    nothing.
    """
    text = (cell or "").strip()
    try:
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return moment if clock is None else (moment - clock).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
