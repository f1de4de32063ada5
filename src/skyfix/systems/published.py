"""Published figures of the systems, with their sources and doubts."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class PublishedFigure:
    """One figure of one paper, list or repository.

    Attributes:
        name: registered name of the system; empty for systems that skyfix does not contain.
        system, variant, backbone: as the source calls them.
        input_px: input size; empty where it is not known.
        dataset, direction, condition: what was measured; the condition is empty for the plain
            protocol.
        metric: R@1, R@5, R@10, R@1%, AP, SDM@K or Dis@1.
        value: percent; metres for Dis@1.
        source: where the figure stands.
        protocol_note: what is known or doubted about how it was measured.
    """

    name: str
    system: str
    variant: str
    backbone: str
    input_px: str
    dataset: str
    direction: str
    condition: str
    metric: str
    value: float
    source: str
    protocol_note: str


@functools.cache
def published_figures() -> tuple[PublishedFigure, ...]:
    """All figures, in the order of the table ``published.csv``.

    Figures that contradict themselves (an AP no ranking can have, say) and figures quoted from
    memory alone are not in it.
    """
    table = resources.files("skyfix.systems").joinpath("published.csv").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(table.splitlines()))
    return tuple(PublishedFigure(**{**row, "value": float(row["value"])}) for row in rows)


def university_1652(name: str) -> str:
    """Best published R@1 / AP of a system on University-1652, drone to satellite, or nothing."""
    best: dict[str, float] = {}
    for figure in published_figures():
        if (
            (figure.name, figure.dataset, figure.condition) == (name, "University-1652", "")
            and figure.direction == "drone2satellite"
            and figure.metric in ("R@1", "AP")
        ):
            best[figure.metric] = max(figure.value, best.get(figure.metric, 0.0))
    return f"{best['R@1']:.2f} / {best['AP']:.2f}" if len(best) == 2 else ""
