"""Curves and bars of an evaluation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skyfix.evaluation.metrics import percent_within
from skyfix.evaluation.protocol import Measurement

# Okabe and Ito's colours, which colour-blind people tell apart; lines differ in form as well.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_FORMS = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"), ((0, (5, 1, 1, 1, 1, 1)), "v"))
_UNITS = {"px": "px", "deg": "degrees"}
_SIZE, _FONT_PT = (6.6, 4.4), 14
_FURTHEST = 100
_TICKS = 8


def recall_at_1(found: Measurement) -> float:
    """R@1 in percent; of places with distractors kept."""
    return (found.links or found.places["keep"]).recall[1]


def first_ranks(found: Measurement) -> np.ndarray:
    """Rank of each query's best true match, see ``RetrievalResult.first_rank``."""
    return (found.links or found.places["keep"]).first_rank


def is_curve(measured: Sequence[Measurement]) -> bool:
    """Whether the conditions of a protocol lie along an axis."""
    values = {found.condition.value for found in measured}
    return None not in values and len(values) > 1


def robustness_curve(measured: Sequence[Measurement]) -> Figure:
    """R@1 over the value of one protocol's conditions, a line a direction and kind of change."""
    unit = measured[0].condition.name.rpartition(" ")[2]
    alone = len({found.direction for found in measured}) == 1
    lines: dict[str, list[tuple[float, float]]] = {}
    for found in measured:
        value = found.condition.value or 0.0
        kind = found.condition.name.removesuffix(f"{value:g} {unit}").strip()
        name = kind if alone else f"{found.direction} {kind}"
        line = lines.setdefault(name.strip(), [])
        line.append((value, recall_at_1(found)))
    figure, axes = _axes()
    for number, (name, points) in enumerate(lines.items()):
        x, y = zip(*points, strict=True)
        _draw(axes, number, name, x, y)
    values = sorted({value for line in lines.values() for value, _ in line})
    axes.set_xticks(values[:: -(-len(values) // _TICKS)])
    protocol = measured[0].condition.protocol
    axes.set_xlabel(f"{protocol.replace('-', ' ')} [{_UNITS.get(unit, unit)}]")
    _finish(axes, "R@1 [%]", max(recall_at_1(found) for found in measured), len(lines))
    return figure


def robustness_bars(measured: Sequence[Measurement]) -> Figure:
    """R@1 of one protocol's conditions, a group of bars a condition, a bar a direction."""
    names = list(dict.fromkeys(found.condition.name for found in measured))
    directions = list(dict.fromkeys(found.direction for found in measured))
    figure, axes = _axes(height=max(2.2, 0.36 * len(names) * len(directions) + 1.4))
    thick = 0.8 / len(directions)
    for number, direction in enumerate(directions):
        chosen = [found for found in measured if found.direction == direction]
        places = [names.index(found.condition.name) + thick * number for found in chosen]
        bars = axes.barh(
            places, [recall_at_1(found) for found in chosen], thick * 0.92,
            color=_COLOURS[number], hatch="/" if number else None, edgecolor="white",
            label=direction,
        )  # fmt: skip
        axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=_FONT_PT - 3)
    axes.set_yticks(np.arange(len(names)) + thick * (len(directions) - 1) / 2, names)
    axes.invert_yaxis()
    axes.set_xlabel("R@1 [%]")
    axes.set_xlim(0, 1.15 * max(1.0, *(recall_at_1(found) for found in measured)))
    if len(directions) > 1:
        _legend(axes)
    return figure


def cmc_curve(plain: Sequence[Measurement]) -> Figure:
    """Recall@K over K (cumulative matching characteristic), a line a direction."""
    figure, axes = _axes()
    highest = 0.0
    for number, found in enumerate(plain):
        ranks = first_ranks(found)
        size = (found.links or found.places["keep"]).gallery
        ks = range(1, min(size, _FURTHEST) + 1)
        recalls = [percent_within(ranks, k) for k in ks]
        highest = max(highest, recalls[-1])
        _draw(axes, number, found.direction, ks, recalls, dots=False)
    axes.set_xscale("log")
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_xlabel("K [gallery images]")
    _finish(axes, "recall@K [%]", highest, len(plain))
    return figure


def _axes(height: float = _SIZE[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_SIZE[0], height))
    axes = figure.add_subplot()
    axes.tick_params(labelsize=_FONT_PT - 1)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(_FONT_PT)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw(
    axes: Axes,
    number: int,
    name: str,
    x: Sequence[float],
    y: Sequence[float],
    dots: bool = True,
) -> None:
    style, marker = _FORMS[number % len(_FORMS)]
    axes.plot(x, y, color=_COLOURS[number % len(_COLOURS)], linestyle=style,
              marker=marker if dots else "", markersize=6, linewidth=2, label=name)  # fmt: skip


def _finish(axes: Axes, label: str, highest: float, lines: int) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, min(102.0, max(5.0, 1.12 * highest)))
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    if lines > 1:
        _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False,
                fontsize=_FONT_PT - 3)  # fmt: skip
