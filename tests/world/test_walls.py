from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import plain_town

from skyfix.world.appearance import DRONE
from skyfix.world.town import Town
from skyfix.world.walls import wall_colours

CENTRE_M, LENGTH_M, WIDTH_M = 50.0, 24.0, 12.0


def house(angle_rad: float) -> Town:
    """One house around (50, 50), its long walls in the direction of the angle."""
    town = plain_town(200)
    box = ((100.0 - 0.5, 100.0 - 0.5), (2 * LENGTH_M, 2 * WIDTH_M), np.degrees(angle_rad))
    cv2.fillConvexPoly(town.building, np.round(cv2.boxPoints(box)).astype(np.int32), 1)
    colours = np.array([[0, 0, 0], [200, 190, 180]], np.float32)
    return replace(town, wall_rgb=colours, wall_angle_rad=np.array([0, angle_rad], np.float32))


def seen(town: Town, end: bool, up_m: float, azimuth_deg: float) -> np.ndarray:
    """Colours (N, 3) along one wall, seen straight on from outside."""
    angle = float(town.wall_angle_rad[1])
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    out, line = (along, across) if end else (across, along)
    reach, half = (LENGTH_M / 2, WIDTH_M / 2) if end else (WIDTH_M / 2, LENGTH_M / 2)
    # Away from the corners, where either wall may be meant.
    steps = np.linspace(-half + 3, half - 3, 60)
    flat = CENTRE_M + reach * out + steps[:, None] * line
    hits = np.column_stack([flat, np.full(60, up_m)]).astype(np.float32)
    rays = np.tile(np.append(-out, 0.0).astype(np.float32), (60, 1))
    epoch = replace(DRONE, sun_azimuth_deg=azimuth_deg, sun_elevation_deg=20)
    return wall_colours(town, epoch, np.ones(60, int), hits, rays, np.full(60, 0.1, np.float32))


@given(angle=st.floats(0, np.pi), end=st.booleans(), azimuth=st.floats(0, 360))
def test_a_wall_is_lit_evenly_however_it_is_turned(angle: float, end: bool, azimuth: float) -> None:
    below_windows = seen(house(angle), end, 0.3, azimuth)
    assert np.ptp(below_windows, axis=0).max() < 1


def test_the_side_towards_a_low_sun_is_the_brighter_one() -> None:
    # The long wall's normal here points down the map, to the south.
    south = seen(house(0.0), False, 0.3, 180).mean()
    north = seen(house(0.0), False, 0.3, 0).mean()
    assert south > 1.5 * north


def test_windows_are_dark_and_take_half_of_their_row() -> None:
    wall = seen(house(0.3), False, 1.6, 90)
    assert wall.min() < 0.7 * wall.max()
    assert wall.mean() == pytest.approx((wall.min() + wall.max()) / 2, rel=0.15)
