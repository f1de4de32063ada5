"""Tiles lie inside the map, have their size on the ground and their distance from each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer
from rasterio import Affine

from skyfix.errors import SkyfixError
from skyfix.geo.crs import GeoReference
from skyfix.geo.tiling import MAX_TILES, PANEL_TILES, TilePlan, plan_tiles

WGS84 = Geod(ellps="WGS84")

METRIC = {
    "EPSG:3857": (3_918_467.0, 9_777_976.0),  # 66 degrees north: a map metre is 0.41 m
    "EPSG:3826": (221_142.0, 2_684_183.0),
    "EPSG:32629": (754_040.0, 4_506_082.0),
    "EPSG:32733": (500_000.0, 6_200_000.0),
    "EPSG:32601": (167_000.0, 5_000_000.0),  # crosses the antimeridian
    "EPSG:2154": (652_000.0, 6_862_000.0),
    "EPSG:3413": (300_000.0, -1_900_000.0),
    "EPSG:2263": (980_000.0, 200_000.0),  # US survey feet
}


@st.composite
def georeferences(draw: st.DrawFn) -> GeoReference:
    """Maps of 90 to 700 px a side and 0.2 to 3 map units a pixel, or in degrees anywhere."""
    width, height = draw(st.integers(90, 700)), draw(st.integers(90, 700))
    if draw(st.booleans()):
        crs = draw(st.sampled_from(sorted(METRIC)))
        x, y = METRIC[crs]
        pixel = draw(st.floats(0.2, 3.0))
        return GeoReference(CRS(crs), Affine(pixel, 0, x, 0, -pixel, y), width, height)
    lon, lat = draw(st.floats(-180, 180)), draw(st.floats(-70, 70))
    step_x = draw(st.floats(2e-6, 3e-5))
    step_y = step_x * draw(st.floats(0.4, 2.5))
    return GeoReference(CRS("EPSG:4326"), Affine(step_x, 0, lon, 0, -step_y, lat), width, height)


def ground_m(geo: GeoReference, first: tuple, second: tuple) -> np.ndarray:
    """Geodesic metres between pixels, by pyproj and the affine transform alone."""
    to_wgs84 = Transformer.from_crs(geo.crs, CRS("EPSG:4326"), always_xy=True)
    ends = []
    for columns, rows in (first, second):
        ends += to_wgs84.transform(
            geo.transform.c + geo.transform.a * columns, geo.transform.f + geo.transform.e * rows
        )
    return np.asarray(WGS84.inv(*ends)[2])


def some_plan(geo: GeoReference, share: float, overlap: float) -> TilePlan:
    """Tiles of a share of the map's shorter side."""
    middle = geo.scale(geo.width_px / 2, geo.height_px / 2)
    shorter_m = min(geo.width_px * float(middle.x_m), geo.height_px * float(middle.y_m))
    longer_px_m = max(float(middle.x_m), float(middle.y_m))
    tile_m = max(share * shorter_m, 10 * longer_px_m)
    return plan_tiles(geo, tile_m, max(overlap * tile_m, 1.1 * longer_px_m), "map")


@settings(max_examples=60, deadline=None)
@given(georeferences(), st.floats(0.12, 0.9), st.floats(0.1, 1.5))
def test_tiles_lie_inside_and_have_their_ground_size(
    geo: GeoReference, share: float, overlap: float
) -> None:
    plan = some_plan(geo, share, overlap)
    right, bottom = plan.columns + plan.widths, plan.rows + plan.heights
    assert plan.columns.min() >= 0 and plan.rows.min() >= 0
    assert right.max() <= geo.width_px + 1e-9 and bottom.max() <= geo.height_px + 1e-9
    middle_x, middle_y = plan.columns + plan.widths / 2, plan.rows + plan.heights / 2
    across = ground_m(geo, (plan.columns, middle_y), (right, middle_y))
    down = ground_m(geo, (middle_x, plan.rows), (middle_x, bottom))
    np.testing.assert_allclose(across, plan.tile_m, rtol=1e-3)
    np.testing.assert_allclose(down, plan.tile_m, rtol=1e-3)


@settings(max_examples=60, deadline=None)
@given(georeferences(), st.floats(0.12, 0.6), st.floats(0.1, 1.5))
def test_neighbours_are_a_stride_apart_and_no_line_is_missing(
    geo: GeoReference, share: float, overlap: float
) -> None:
    plan = some_plan(geo, share, overlap)
    middle_x, middle_y = plan.columns + plan.widths / 2, plan.rows + plan.heights / 2
    scale = geo.scale(geo.width_px / 2, geo.height_px / 2)
    same_line = (np.diff(plan.lines) == 0) & (np.diff(plan.panels) == 0)
    step = ground_m(geo, (middle_x[:-1], middle_y[:-1]), (middle_x[1:], middle_y[1:]))[same_line]
    assert (np.abs(step - plan.stride_m) < 0.6 * float(scale.x_m)).all()
    firsts = np.flatnonzero(np.diff(plan.lines[plan.panels == 0], prepend=-1))
    centre = np.full(len(firsts), geo.width_px / 2)
    walk = ground_m(geo, (centre[:-1], middle_y[firsts][:-1]), (centre[1:], middle_y[firsts][1:]))
    assert (np.abs(walk - plan.stride_m) < 0.6 * float(scale.y_m)).all()
    spare_x = geo.width_px - (plan.columns + plan.widths).max()
    spare_y = geo.height_px - (plan.rows + plan.heights).max()
    assert spare_x * float(scale.x_m) < plan.stride_m * 1.01
    assert spare_y * float(scale.y_m) < plan.stride_m * 1.01


@settings(max_examples=30, deadline=None)
@given(georeferences())
def test_centres_scale_and_heading_are_those_of_single_geodesics(geo: GeoReference) -> None:
    plan = some_plan(geo, 0.3, 0.5)
    lon, lat = plan.centres()
    middle_x, middle_y = plan.columns + plan.widths / 2, plan.rows + plan.heights / 2
    to_wgs84 = Transformer.from_crs(geo.crs, CRS("EPSG:4326"), always_xy=True)
    expected = to_wgs84.transform(
        geo.transform.c + geo.transform.a * middle_x, geo.transform.f + geo.transform.e * middle_y
    )
    assert np.asarray(WGS84.inv(lon, lat, *expected)[2]).max() < 1e-4
    assert ((lon >= -180) & (lon < 180)).all()
    exact, looked_up = geo.scale(middle_x, middle_y, (20, 20)), plan.scale()
    np.testing.assert_allclose(looked_up.x_m, exact.x_m, rtol=1e-4)
    np.testing.assert_allclose(looked_up.y_m, exact.y_m, rtol=1e-4)
    turn = np.mod(looked_up.heading_deg - exact.heading_deg + 180, 360) - 180
    assert np.abs(turn).max() < 0.01


def test_a_large_mercator_map_keeps_the_ground_size_from_north_to_south() -> None:
    """120 km from 65 to 66 degrees north: pixels shrink by 4 % on the ground."""
    geo = GeoReference(CRS("EPSG:3857"), Affine(10, 0, 2_000_000, 0, -10, 9_900_000), 3000, 26_000)
    plan = plan_tiles(geo, 2000, 1000, "map")
    assert plan.heights.min() < 0.97 * plan.heights.max()
    middle_x = plan.columns + plan.widths / 2
    down = ground_m(geo, (middle_x, plan.rows), (middle_x, plan.rows + plan.heights))
    np.testing.assert_allclose(down, 2000, rtol=1e-3)


def test_utm_far_from_its_meridian_follows_the_scale_across_the_zone() -> None:
    """500 km wide: the scale of UTM grows from 0.9996 to about 1.003."""
    geo = GeoReference(CRS("EPSG:32633"), Affine(25, 0, 500_000, 0, -25, 6_000_000), 20_000, 2000)
    plan = plan_tiles(geo, 5000, 5000, "map")
    assert len(np.unique(plan.panels)) > 1
    right, middle_y = plan.columns + plan.widths, plan.rows + plan.heights / 2
    middle_x = plan.columns + plan.widths / 2
    across = ground_m(geo, (plan.columns, middle_y), (right, middle_y))
    down = ground_m(geo, (middle_x, plan.rows), (middle_x, plan.rows + plan.heights))
    np.testing.assert_allclose(across, 5000, rtol=1e-3)
    np.testing.assert_allclose(down, 5000, rtol=1e-3)


def test_order_is_by_panel_line_column_and_lines_share_their_rows() -> None:
    geo = GeoReference(CRS("EPSG:32633"), Affine(1, 0, 500_000, 0, -1, 5_000_000), 2000, 100)
    plan = plan_tiles(geo, 25, 10, "map")
    keys = np.stack([plan.panels, plan.lines, plan.columns], axis=1)
    assert (np.lexsort(keys.T[::-1]) == np.arange(len(plan))).all()
    assert plan.panels.max() == (2000 - 25) // (25 * PANEL_TILES)
    for line in range(plan.lines.max() + 1):
        tiles = (plan.lines == line) & (plan.panels == 1)
        assert len(np.unique(plan.rows[tiles])) == len(np.unique(plan.heights[tiles])) == 1


@pytest.mark.parametrize(
    ("crs", "transform", "size", "sizes", "tiles"),
    [
        # The Ariel and Fongyuan protocols: 25 x 28 and 23 x 22 crops.
        ("EPSG:3857", (0.5971642834779, 3_918_467.8, 3_777_976.6), (2816, 3072), (200, 50), 700),
        ("EPSG:3826", (0.16, 221_142.3, 2_684_183.2), (4144, 3922), (100, 25), 506),
        # Exactly one tile, exactly two.
        ("EPSG:5041", (1.0, 2_000_000, 2_000_500), (101, 101), (100, 50), 1),
        ("EPSG:32633", (1.0, 500_000, 5_000_000), (151, 101), (100.04, 50), 2),
    ],
)
def test_known_counts(
    crs: str,
    transform: tuple[float, float, float],
    size: tuple[int, int],
    sizes: tuple[float, float],
    tiles: int,
) -> None:
    pixel, x, y = transform
    geo = GeoReference(CRS(crs), Affine(pixel, 0, x, 0, -pixel, y), *size)
    assert len(plan_tiles(geo, *sizes, "map")) == tiles


def test_unfit_sizes_are_refused_in_one_line() -> None:
    geo = GeoReference(CRS("EPSG:32633"), Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), 300, 200)
    for tile_m, stride_m, because in (
        (120, 10, "smaller than one tile"),
        (1, 1, r"only 2\.0 px"),
        (50, 0.2, "less than a pixel"),
        (0, 10, "tile_m is 0"),
        (50, float("nan"), "stride_m is nan"),
        (float("inf"), 10, "tile_m is inf"),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            plan_tiles(geo, tile_m, stride_m, "map.tif")
        assert "\n" not in str(caught.value)


def test_an_absurd_number_of_tiles_is_refused_before_any_memory_is_used() -> None:
    pixel, side = 0.5, 1_000_000
    geo = GeoReference(
        CRS("EPSG:32633"), Affine(pixel, 0, 300_000, 0, -pixel, 5_500_000), side, side
    )
    with pytest.raises(SkyfixError, match=f"{MAX_TILES // 1_000_000} million"):
        plan_tiles(geo, 200, 50, "map.tif")
