"""The shipped table of published figures obeys the arithmetic of its metrics."""

import math

from skyfix.systems.published import published_figures
from skyfix.systems.registry import names


def test_names_are_registered_and_values_are_percentages() -> None:
    figures = published_figures()
    assert len(figures) > 700
    assert {figure.name for figure in figures} - {""} <= set(names())
    assert all(0 < figure.value <= 100 for figure in figures if figure.metric != "Dis@1")
    assert all(figure.source for figure in figures)


def test_satellite_to_drone_recall_is_a_share_of_701_queries() -> None:
    values = [
        figure.value
        for figure in published_figures()
        if figure.dataset == "University-1652"
        and figure.direction == "satellite2drone"
        and figure.metric == "R@1"
        and not figure.condition
    ]
    assert len(values) > 20
    for value in values:
        hits = value * 701 / 100
        assert math.isclose(round(hits) * 100 / 701, value, abs_tol=0.0101), value
