"""The nearest tile, against comparing with every tile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.geo.ground import distance_m, offset
from skyfix.localize.neighbours import TileFinder


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.0, 0.0), (8.5, 47.2), (-70.0, -33.0), (179.9995, -17.0), (20.0, 78.0)]),
    st.floats(1, 80),
)
def test_equals_brute_force(seed, place, reach_m):
    rng = np.random.default_rng(seed)
    lon, lat = offset(*place, *rng.uniform(-200, 200, (2, 60)))
    to_lon, to_lat = offset(*place, *rng.uniform(-250, 250, (2, 40)))
    away_m = distance_m(lon, lat, to_lon[:, None], to_lat[:, None])
    found = TileFinder(lon, lat, reach_m).nearest(to_lon, to_lat)
    # Distances are those of a sphere: within half a percent of the ellipsoid's.
    surely, hardly = away_m.min(axis=1) < 0.99 * reach_m, away_m.min(axis=1) > 1.01 * reach_m
    assert (found[surely] >= 0).all()
    assert (found[hardly] == -1).all()
    hit = found >= 0
    np.testing.assert_allclose(
        away_m[hit, found[hit]], away_m[hit].min(axis=1), rtol=0.02, atol=1e-6
    )


def test_a_regular_grid_moved_by_whole_steps_maps_onto_itself():
    east, north = np.meshgrid(np.arange(12) * 25.0, np.arange(9) * 25.0)
    lon, lat = offset(15.0, 45.0, east.ravel(), north.ravel())
    moved = TileFinder(lon, lat, 18.0).nearest(*offset(lon, lat, 50.0, -25.0)).reshape(9, 12)
    expected = np.arange(108).reshape(9, 12)
    np.testing.assert_array_equal(moved[1:, :-2], expected[:-1, 2:])
    assert (moved[0] == -1).all()
    assert (moved[:, -2:] == -1).all()


@pytest.mark.parametrize("copies", [1, 3])
def test_overlapping_maps(copies):
    lon, lat = np.full(copies, 7.0), np.full(copies, 50.0)
    assert TileFinder(lon, lat, 10.0).nearest(np.array([7.0]), np.array([50.0]))[0] in range(copies)
