"""What was measured of each system: sizes, loss terms, distance to the authors' descriptors."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Measured:
    """Figures of one system with its default options, for a table; empty where not measured.

    Attributes:
        backbone: name of the network that makes the map.
        input_px: (height x width) of the first view's input.
        parameters_m: millions, everything that takes part in training on 701 places.
        gmac: billions of multiply-accumulates of one test-time descriptor.
        descriptor: its length.
        losses: terms of the objective.
        parity: largest absolute difference to an entry of the authors' descriptors; empty where
            their code gives no numbers.
    """

    backbone: str = ""
    input_px: str = ""
    parameters_m: str = ""
    gmac: str = ""
    descriptor: str = ""
    losses: str = ""
    parity: str = ""


SIZE_COLUMNS = ("backbone", "input_px", "parameters_m", "gmac", "descriptor", "losses")


@functools.cache
def measured() -> dict[str, Measured]:
    """By registered name, from the tables ``sizes.csv`` and ``parity.csv`` of the package."""
    differences = {
        row["system"]: row["largest_descriptor_difference"] for row in _rows("parity.csv")
    }
    return {
        row["system"]: Measured(
            **{column: row[column] for column in SIZE_COLUMNS},
            parity=differences.get(row["system"], ""),
        )
        for row in _rows("sizes.csv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    table = resources.files("skyfix.systems").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(table.splitlines()))
