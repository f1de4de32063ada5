"""Distance figures against the authors' numbers and against their definitions."""

import numpy as np
import pytest

from skyfix.datasets.contract import Positions
from skyfix.errors import SkyfixError
from skyfix.evaluation.distances import (
    distance_figures,
    distances_m,
    first_columns,
    haversine_m,
    sdm,
    similarity_degrees,
)


def test_figures_equal_those_of_denseuav(load_golden):
    described, arrays = load_golden("evaluator/denseuav_distance")
    columns = first_columns(arrays["qf"], arrays["gf"], 100)
    np.testing.assert_array_equal(columns, arrays["ranking"])
    query, gallery = Positions(arrays["query_lonlat"]), Positions(arrays["gallery_lonlat"])
    metres = distances_m(query, gallery, columns[:, :1])[:, 0]
    np.testing.assert_allclose(metres, arrays["top1_metres"], rtol=0, atol=1e-6)
    for k, expected in described["SDM"].items():
        alike = similarity_degrees(query.values, gallery.values, columns[:, : int(k)])
        assert sdm(alike).mean() == pytest.approx(expected, abs=1e-6), k
    for limit, expected in described["MA"].items():
        assert (metres < int(limit)).mean() == pytest.approx(expected), limit
    figures = distance_figures(query, gallery, columns)
    assert figures["SDM@3/degrees"] == pytest.approx(100 * described["SDM"]["3"], abs=1e-4)
    assert figures["MA@20"] == pytest.approx(100 * described["MA"]["20"])


def test_figures_on_a_map_in_metres():
    query = Positions(np.array([[0.0, 0.0], [100.0, 0.0]]), "m")
    gallery = Positions(np.array([[3.0, 4.0], [100.0, 30.0]]), "m")
    figures = distance_figures(query, gallery, np.array([[0, 1], [1, 0]]))
    assert figures["Dis@1"] == pytest.approx((5 + 30) / 2)
    assert figures["MA@5"] == 0
    assert figures["MA@10"] == 50
    assert figures["SDM@1/metres"] == pytest.approx(50 * (np.exp(-0.005) + np.exp(-0.03)))
    assert "SDM@1/degrees" not in figures


def test_weights_fall_with_the_rank():
    assert sdm(np.array([[1.0, 0.0, 0.0]])) == pytest.approx(3 / 6)
    assert sdm(np.array([[0.0, 0.0, 1.0]])) == pytest.approx(1 / 6)


def test_a_degree_of_latitude():
    assert haversine_m(np.array([10.0, 50.0]), np.array([10.0, 51.0])) == pytest.approx(
        6_378_137 * np.pi / 180
    )


def test_kinds_of_positions_do_not_mix():
    degrees, metres = Positions(np.zeros((1, 2))), Positions(np.zeros((1, 2)), "m")
    with pytest.raises(SkyfixError, match="one kind"):
        distances_m(degrees, metres, np.zeros((1, 1), np.int64))
    unknown = Positions(np.full((1, 2), np.nan))
    with pytest.raises(SkyfixError, match="unknown"):
        distance_figures(degrees, unknown, np.zeros((1, 1), np.int64))
