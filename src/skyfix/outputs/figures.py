"""Measured figures as files: a table for spreadsheets, and JSON with what it rests on."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyfix.evaluation.protocol import Measurement
from skyfix.files import write_json, write_text

TABLE_FILE, JSON_FILE = "figures.csv", "figures.json"
_ASKED = ("protocol", "condition", "value", "direction")
_RULES = ("keep", "drop", "links")


def figure_rows(measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """One row a condition, direction and distractors rule.

    ``rule`` is keep or drop, or links for data sets that tell their true matches by links.
    Figures in metres belong to the ranking of the whole gallery: they stand beside keep or links.
    """
    rows = []
    for found in measured:
        values = found.to_json()
        for rule in _RULES:
            if rule not in values:
                continue
            scores = {name: value for name, value in values[rule].items() if name != "distractors"}
            distances = {} if rule == "drop" else values.get("distances", {})
            rows.append({**{name: values[name] for name in _ASKED}, "rule": rule, **scores,
                         **distances, "unreadable": len(values["unreadable"])})  # fmt: skip
    return rows


def write_figures(
    folder: Path, measured: Sequence[Measurement], provenance: Mapping[str, Any]
) -> None:
    """Write ``figures.csv`` and ``figures.json``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    rows = figure_rows(measured)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    table = csv.DictWriter(stream, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(folder / TABLE_FILE, stream.getvalue())
    entries = [found.to_json() for found in measured]
    write_json(folder / JSON_FILE, {"measurements": entries, "provenance": dict(provenance)})
