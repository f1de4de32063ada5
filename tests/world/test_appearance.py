from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import GREY, plain_town

from skyfix.world.appearance import DRONE, SATELLITE, cast_shadows, develop, illuminate
from skyfix.world.town import build_town

CENTRE = 100


def tower(height_m: float) -> np.ndarray:
    heights = np.zeros((201, 201), np.float32)
    heights[CENTRE - 2 : CENTRE + 3, CENTRE - 2 : CENTRE + 3] = height_m
    return heights


def test_the_sun_in_the_south_throws_shadows_to_the_north() -> None:
    shadow = cast_shadows(tower(20.0), 0.5, sun_azimuth_deg=180, sun_elevation_deg=45)
    column = np.flatnonzero(shadow[:, CENTRE])
    # 20 m at 45 degrees are 40 px up the map from the tower's northern edge.
    assert column.max() == CENTRE - 3
    assert column.min() == pytest.approx(CENTRE - 2 - 40, abs=1)
    assert not shadow[CENTRE:].any()


def test_the_sun_in_the_east_throws_shadows_to_the_west() -> None:
    shadow = cast_shadows(tower(20.0), 0.5, sun_azimuth_deg=90, sun_elevation_deg=45)
    assert shadow[CENTRE, CENTRE - 20] and not shadow[CENTRE, CENTRE + 3 :].any()


@given(azimuth=st.floats(0, 360), elevation=st.floats(20, 80))
def test_shadows_point_away_from_the_sun_and_are_as_long_as_the_sun_is_low(
    azimuth: float, elevation: float
) -> None:
    height_m, gsd_m = 12.0, 0.5
    shadow = cast_shadows(tower(height_m), gsd_m, azimuth, elevation)
    rows, columns = np.nonzero(shadow)
    away = -np.array([np.sin(np.radians(azimuth)), -np.cos(np.radians(azimuth))])
    along = (np.stack([columns, rows], axis=1) - CENTRE) @ away
    assert (along > -3.6).all()
    length_px = height_m / np.tan(np.radians(elevation)) / gsd_m
    assert along.max() == pytest.approx(length_px, abs=4.5)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), azimuth=st.floats(0, 360), elevation=st.floats(25, 70))
def test_shadows_equal_a_walk_towards_the_sun(seed: int, azimuth: float, elevation: float) -> None:
    """The plain twin: from every pixel, step by step to the sun."""
    rng = np.random.default_rng(seed)
    heights = np.zeros((60, 60), np.float32)
    for row, column in rng.integers(10, 45, (4, 2)):
        heights[row : row + 6, column : column + 6] = rng.uniform(2, 10)
    rows, columns = np.mgrid[:60, :60]
    shadow = np.zeros((60, 60), bool)
    for step in np.arange(1, 60):
        row = np.round(rows - step * np.cos(np.radians(azimuth))).astype(int)
        column = np.round(columns + step * np.sin(np.radians(azimuth))).astype(int)
        inside = (row >= 0) & (row < 60) & (column >= 0) & (column < 60)
        seen = np.where(inside, heights[row.clip(0, 59), column.clip(0, 59)], 0)
        shadow |= seen - step * np.tan(np.radians(elevation)) > heights + 0.05
    agreement = (cast_shadows(heights, 1.0, azimuth, elevation) == shadow).mean()
    assert agreement > 0.96


def test_shadows_darken_the_ground_and_sunny_ground_keeps_its_colour() -> None:
    town = plain_town(201)
    town.height_m[:] = tower(20.0)
    epoch = replace(DRONE, sun_azimuth_deg=180, sun_elevation_deg=45, warmth=0.0)
    lit = illuminate(town, epoch).rgb.mean(axis=2)
    sunny, shaded = lit[160, 40], lit[CENTRE - 20, CENTRE]
    assert sunny == pytest.approx(1.14 * GREY, rel=0.06)
    assert shaded < 0.6 * sunny


def test_the_roof_side_that_faces_the_sun_is_brighter() -> None:
    town = plain_town(100)
    rows = np.abs(np.arange(100) - 50)[:, None] * np.ones(100)
    town.height_m[:] = np.clip(12 - 0.35 * rows, 0, None)
    lit = illuminate(town, replace(DRONE, sun_azimuth_deg=180, sun_elevation_deg=40)).rgb
    north, south = lit[40, 50].mean(), lit[60, 50].mean()
    assert south > 1.3 * north


def test_the_two_days_differ_in_light_season_and_cars() -> None:
    town = build_town(5, 300.0, 0.5)
    satellite, drone = illuminate(town, SATELLITE), illuminate(town, DRONE)
    assert np.abs(satellite.rgb.astype(int) - drone.rgb).mean() > 8
    # The ground is the same: only cars differ in height.
    moved = satellite.height_m != drone.height_m
    assert 0 < moved.mean() < 0.05
    assert satellite.height_m[moved].max() <= 2.0


def test_illumination_is_deterministic_and_leaves_the_town_alone() -> None:
    town = build_town(5, 200.0, 1.0)
    before = town.rgb.copy()
    first, second = illuminate(town, DRONE), illuminate(town, DRONE)
    np.testing.assert_array_equal(first.rgb, second.rgb)
    np.testing.assert_array_equal(town.rgb, before)


def test_developing_keeps_the_picture() -> None:
    ramp = np.tile(np.linspace(40, 200, 96, dtype=np.uint8)[None, :, None], (64, 1, 3))
    photo = develop(ramp, np.random.default_rng(0))
    assert photo.shape == ramp.shape and photo.dtype == np.uint8
    assert np.corrcoef(photo.ravel(), ramp.ravel())[0, 1] > 0.98
    assert (photo != ramp).mean() > 0.5
