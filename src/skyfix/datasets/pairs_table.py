"""The table of pairs that a user writes, read and checked."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from skyfix.datasets.reader import inside
from skyfix.errors import SkyfixError

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class PairRow:
    """A row of the table: paths below its folder, the photo's (lon, lat), and where it stands."""

    split: str
    query: str
    tiles: tuple[str, ...]
    lon_lat: tuple[float, float]
    where: str


def read_pairs(table: Path) -> list[PairRow]:
    """Rows of a table with the columns ``query`` and ``positives``, see ``Pairs``.

    Raises:
        SkyfixError: the table cannot be read, or what is wrong with which row.
    """
    if not table.is_file():
        raise SkyfixError(
            f"No such table: {table}. Expected a CSV with the columns query and positives. "
            "See docs/datasets.md."
        )
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.DictReader(stream, strict=True)
            cells = list(lines)
            columns = list(lines.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SkyfixError(f"Cannot read the table of pairs {table}: {error}.") from error
    known = ("query", "positives", "lon", "lat", "split")
    for column in (*known[:2], *columns):
        if column not in columns or column not in known:
            state = "no" if column in known else "an unknown"
            raise SkyfixError(
                f"{table} has {state} column {column}. Use query and positives; lon, lat and split "
                "are optional."
            )
    rows = [_row(line, f"{table}, row {number}") for number, line in enumerate(cells, start=2)]
    if not rows:
        raise SkyfixError(f"The table of pairs {table} is empty. Expected one row a query.")
    asked: set[tuple[str, str]] = set()
    for row in rows:
        if row.query and (row.split, row.query) in asked:
            raise SkyfixError(f"{row.where} names query {row.query} again. Join both rows.")
        asked.add((row.split, row.query))
    return rows


def _row(line: dict[str, str | None], where: str) -> PairRow:
    if None in line or None in line.values():
        raise SkyfixError(f"{where} has not as many cells as the header. Correct it.")
    cells = {column: (value or "").strip() for column, value in line.items()}
    split = cells.get("split", "test")
    if split not in SPLITS:
        raise SkyfixError(f"{where} has the split {split!r}. Use train or test.")
    tiles = [part.strip() for part in cells["positives"].split(";") if part.strip()]
    if not tiles:
        raise SkyfixError(f"{where} names no positive. Add a tile or remove the row.")
    if split == "train" and not cells["query"]:
        raise SkyfixError(f"{where} is for training and names no query. Add it.")
    query = str(inside(cells["query"], where)) if cells["query"] else ""
    names = dict.fromkeys(str(inside(tile, where)) for tile in tiles)
    return PairRow(split, query, tuple(names), _lon_lat(cells, where), where)


def _lon_lat(cells: dict[str, str], where: str) -> tuple[float, float]:
    lon, lat = cells.get("lon", ""), cells.get("lat", "")
    if not lon and not lat:
        return np.nan, np.nan
    try:
        position = float(lon), float(lat)
    except ValueError:
        position = (np.nan, np.nan)
    if not (abs(position[0]) <= 180 and abs(position[1]) <= 90):
        raise SkyfixError(f"{where}: lon {lon!r}, lat {lat!r} is no position in degrees.")
    return position
