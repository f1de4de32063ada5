"""Metres on the ground to degrees and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.geo.ground import distance_m, east_north, offset

places = st.tuples(st.floats(-180, 180), st.floats(-85, 85))
steps_m = st.floats(-5000, 5000)


def test_a_kilometre_north_at_the_equator():
    # A degree of latitude at the equator is 110.574 km long on WGS84.
    lon, lat = offset(10.0, 0.0, 0.0, 1000.0)
    assert (float(lon), float(lat)) == pytest.approx((10.0, 1 / 110.574), rel=1e-5)


def test_a_kilometre_east_shrinks_with_latitude():
    # At 60 degrees a degree of longitude is 55.800 km long on WGS84.
    lon, _ = offset(0.0, 60.0, 1000.0, 0.0)
    assert float(lon) == pytest.approx(1 / 55.800, rel=1e-4)


@settings(deadline=None)
@given(places, steps_m, steps_m)
def test_there_and_back(place, east_m, north_m):
    assert east_north(*place, *offset(*place, east_m, north_m)) == pytest.approx(
        (east_m, north_m), abs=1e-5
    )


def test_across_the_antimeridian():
    lon, lat = offset(179.999, -17.0, 1000.0, 0.0)
    assert float(lon) < -179.9
    assert float(distance_m(179.999, -17.0, lon, lat)) == pytest.approx(1000.0)


def test_arguments_broadcast():
    lon, lat = offset(np.array([10.0, 20.0]), 50.0, np.zeros((3, 1)), 10.0)
    assert lon.shape == lat.shape == (3, 2)
