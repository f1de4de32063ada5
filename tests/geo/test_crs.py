"""From pixels to degrees and back, wherever on Earth a map may lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod
from rasterio import Affine

from skyfix.geo.crs import MERCATOR_PERIOD_M, GeoReference, wrap_deg

WGS84 = Geod(ellps="WGS84")
SIDE_PX = 400

UTM_SOUTH = st.tuples(
    st.integers(1, 60).map(lambda zone: f"EPSG:{32700 + zone}"),
    st.floats(250_000, 750_000),
    st.floats(1_200_000, 9_900_000),
    st.floats(0.05, 20),
)
UTM_NORTH = st.tuples(
    st.integers(1, 60).map(lambda zone: f"EPSG:{32600 + zone}"),
    st.floats(250_000, 750_000),
    st.floats(100_000, 9_200_000),
    st.floats(0.05, 20),
)
POLAR = st.tuples(
    st.sampled_from(["EPSG:3413", "EPSG:3031", "EPSG:5041"]),
    st.floats(-50_000, 2_000_000),
    st.floats(-50_000, 2_000_000),
    st.floats(0.05, 20),
)
MERCATOR = st.tuples(
    st.just("EPSG:3857"),
    st.floats(-MERCATOR_PERIOD_M / 2, MERCATOR_PERIOD_M / 2),
    st.floats(-19_000_000, 19_000_000),
    st.floats(0.05, 20),
)
DEGREES = st.tuples(
    st.just("EPSG:4326"), st.floats(-180, 180), st.floats(-84, 85), st.floats(1e-6, 1e-4)
)
ACROSS = st.one_of(
    st.tuples(
        st.just("EPSG:3857"),
        st.floats(MERCATOR_PERIOD_M / 2 - 100, MERCATOR_PERIOD_M / 2),
        st.floats(-9_000_000, 9_000_000),
        st.floats(0.5, 20),
    ),
    st.tuples(
        st.just("EPSG:4326"), st.floats(179.999, 180), st.floats(-80, 80), st.floats(1e-5, 1e-4)
    ),
)


def referenced(place: tuple[str, float, float, float]) -> GeoReference:
    crs, x, y, pixel = place
    return GeoReference(CRS(crs), Affine(pixel, 0, x, 0, -pixel, y), SIDE_PX, SIDE_PX)


@given(
    st.one_of(UTM_SOUTH, UTM_NORTH, POLAR, MERCATOR, DEGREES, ACROSS),
    st.floats(0, SIDE_PX),
    st.floats(0, SIDE_PX),
)
def test_pixels_survive_the_way_to_degrees_and_back(
    place: tuple[str, float, float, float], column: float, row: float
) -> None:
    geo = referenced(place)
    lon, lat = geo.lonlat(column, row)
    assert -180 <= lon < 180 and -90 <= lat <= 90
    back = geo.pixel(lon, lat)
    # A micrometre of the map, or what is left of a double at these sizes.
    np.testing.assert_allclose(back, (column, row), atol=max(2e-4, 2e-5 / place[3]) if
                               geo.crs.is_projected else 2e-4)  # fmt: skip


@given(st.floats(-180, 179.9999), st.floats(-84, 84), st.sampled_from(["EPSG:3857", "EPSG:4326"]))
def test_positions_survive_the_way_to_pixels_and_back(lon: float, lat: float, crs: str) -> None:
    """Also those far off the map and on the other side of the antimeridian."""
    geo = referenced((crs, *((1.9e7, 1e6, 1.0) if crs == "EPSG:3857" else (179.0, 10.0, 1e-4))))
    back_lon, back_lat = geo.lonlat(*geo.pixel(lon, lat))
    _, _, away_m = WGS84.inv(lon, lat, float(back_lon), float(back_lat))
    assert away_m < 1e-3


@given(ACROSS)
def test_a_map_across_the_antimeridian_has_no_jump(place: tuple[str, float, float, float]) -> None:
    geo = referenced(place)
    columns = np.linspace(0, SIDE_PX, 9)
    lon, lat = geo.lonlat(columns, np.full(9, 100.0))
    steps = wrap_deg(np.diff(lon))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6, atol=1e-12)
    assert (steps > 0).all()
    np.testing.assert_allclose(geo.pixel(lon, lat)[0], columns, atol=1e-3)


@given(st.one_of(UTM_SOUTH, POLAR))
def test_up_and_scale_agree_with_the_geodesic(place: tuple[str, float, float, float]) -> None:
    """South of the equator and around the poles, where north may be anywhere on the map."""
    geo = referenced(place)
    scale = geo.scale(200.0, 200.0)
    at, above = geo.lonlat(200.0, 200.0), geo.lonlat(200.0, 199.0)
    right = geo.lonlat(201.0, 200.0)
    azimuth, _, up_m = WGS84.inv(*map(float, at), *map(float, above))
    _, _, right_m = WGS84.inv(*map(float, at), *map(float, right))
    np.testing.assert_allclose(float(scale.y_m), up_m, rtol=1e-3)
    np.testing.assert_allclose(float(scale.x_m), right_m, rtol=1e-3)
    if abs(float(at[1])) < 89.9:
        turn = float(wrap_deg(np.array(float(scale.heading_deg) - azimuth)))
        assert abs(turn) < 0.2
