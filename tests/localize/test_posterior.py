"""From scores to a position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.geo.ground import distance_m, east_north, offset
from skyfix.localize.posterior import HELD, TEMPERATURE, combined, estimate, posterior

STRIDE_M = 25.0
EAST, NORTH = (axis.ravel() for axis in np.meshgrid(np.arange(20) * 25.0, np.arange(20) * 25.0))
LON, LAT = offset(8.0, 47.0, EAST, NORTH)


def bump(east_m: float, north_m: float, width_m: float = 30.0) -> np.ndarray:
    """Probability that falls off like a Gaussian around a place."""
    density = np.exp(-((EAST - east_m) ** 2 + (NORTH - north_m) ** 2) / (2 * width_m**2))
    return density / density.sum()


def test_posterior_is_a_softmax():
    probability = posterior(np.array([1.0, 1.0 + TEMPERATURE, -500.0, 1000.0 - 999.0]))
    assert probability.sum() == pytest.approx(1)
    assert probability[1] / probability[0] == pytest.approx(np.e)
    assert probability[0] == probability[3]
    assert probability[2] == pytest.approx(0)


def test_combined_scores_keep_unit_spread_and_favour_covered_patches():
    scores = np.random.default_rng(0).standard_normal((6, 20000))
    assert combined(scores, np.array([1, 1, 0.5, 0.4, 0.9, 1])).std() == pytest.approx(1, abs=0.02)
    only = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert np.argmax(combined(only, np.array([1.0, 0.4]))) == 0
    np.testing.assert_allclose(combined(only[:1], np.array([0.3])), only[0])


@settings(deadline=None)
@given(st.floats(120, 350), st.floats(120, 350))
def test_the_mean_is_finer_than_the_grid(east_m, north_m):
    found = estimate(LON, LAT, bump(east_m, north_m), 75.0, STRIDE_M)
    error = np.hypot(*(np.array(east_north(8.0, 47.0, found.lon, found.lat)) - [east_m, north_m]))
    assert error < STRIDE_M / 4
    assert found.confidence > 0.9


def test_accuracy_holds_its_share_of_the_posterior():
    probability = bump(240, 240)
    found = estimate(LON, LAT, probability, 75.0, STRIDE_M)
    away_m = distance_m(found.lon, found.lat, LON, LAT)
    # 68 and 95 % of a two-dimensional Gaussian lie within 1.51 and 2.45 standard deviations.
    for held, accuracy_m, deviations in zip(
        HELD, (found.accuracy_m, found.accuracy_95_m), (1.51, 2.45), strict=True
    ):
        radius_m = np.sqrt(accuracy_m**2 - (STRIDE_M / 2) ** 2)
        assert probability[away_m <= radius_m + 1e-6].sum() >= held
        assert probability[away_m < radius_m - 1e-6].sum() < held
        assert radius_m == pytest.approx(deviations * 30, rel=0.15)


def test_a_hill_beats_a_lone_peak():
    probability = 0.85 * bump(300, 300)
    probability[0] += 0.15
    assert probability.argmax() == 0
    found = estimate(LON, LAT, probability, 75.0, STRIDE_M)
    assert np.hypot(*(np.array(east_north(8.0, 47.0, found.lon, found.lat)) - 300)) < STRIDE_M / 4


def test_two_equal_places_halve_the_confidence_and_widen_the_radius():
    found = estimate(LON, LAT, (bump(100, 100, 15) + bump(400, 400, 15)) / 2, 75.0, STRIDE_M)
    assert found.confidence == pytest.approx(0.5, abs=0.01)
    assert found.accuracy_m > 300


def test_a_sharp_posterior_is_no_better_than_half_a_stride():
    probability = np.zeros(len(LON))
    probability[210] = 1
    found = estimate(LON, LAT, probability, 75.0, STRIDE_M)
    assert found.accuracy_m == pytest.approx(STRIDE_M / 2)
    assert (found.lon, found.lat, found.confidence) == pytest.approx((LON[210], LAT[210], 1))
