"""Squares of ground out of oblique photos, compared with the ground that was photographed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.geo.camera import Pose, centre_on_ground, project, unproject
from skyfix.localize.rectify import is_shown, rectified, square_grid, turned

SIDE_M, SIZE_PX = 40.0, 64


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.astype(float).ravel(), other.astype(float).ravel())[0, 1])


@pytest.mark.parametrize("heading_deg", [0, 30, 90, 200, -45])
@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(-90, 0), (-60, 0), (-40, 0), (-70, 15)])
def test_rectified_ground_is_the_ground(scene, heading_deg, pitch_deg, roll_deg):
    pose = Pose(heading_deg, pitch_deg, 80, 70, roll_deg)
    photo = scene.photo(pose, scene.ground(20, -10))
    view = rectified(photo, pose, centre_on_ground(pose), SIDE_M, (SIZE_PX, SIZE_PX))
    truth = scene.window(20, -10, SIDE_M, SIZE_PX)
    assert view.shape == truth.shape
    assert correlation(view, truth) > 0.97
    assert correlation(np.rot90(view), truth) < 0.7
    assert correlation(view[:, ::-1], truth) < 0.7


def test_patches_away_from_the_centre_lie_where_they_say(scene):
    pose = Pose(50, -55, 80, 75)
    photo = scene.photo(pose, scene.ground(0, 0))
    centre = centre_on_ground(pose) + np.array([10.0, 15.0])
    view = rectified(photo, pose, centre, 30.0, (SIZE_PX, SIZE_PX))
    assert correlation(view, scene.window(10, 15, 30.0, SIZE_PX)) > 0.97


def test_what_the_photo_does_not_show_has_the_mean_colour(scene):
    pose = Pose(0, -90, 20, 60)
    photo = scene.photo(pose, scene.ground(0, 0))
    view = rectified(photo, pose, np.zeros(2), 80.0, (SIZE_PX, SIZE_PX))
    corner = view[0, 0]
    assert (view[:4] == corner).all()
    np.testing.assert_allclose(corner, photo.reshape(-1, 3).mean(axis=0), atol=4)


def test_no_sky_in_the_ground():
    # Grey ground, blue sky: at -8 degrees the horizon lies above the upper third.
    pose, photo = Pose(0, -8, 30, 60), np.full((270, 480, 3), 100, np.uint8)
    photo[:70] = (0, 0, 255)
    for ahead_m in (60.0, 150.0, 400.0, -100.0):
        view = rectified(photo, pose, np.array([0.0, ahead_m]), 160.0, (SIZE_PX, SIZE_PX))
        assert (view == view[..., :1]).all()


def test_fine_patterns_do_not_alias():
    # A checkerboard of single pixels, shrunk about ten times, has to come out plain grey.
    photo = np.indices((2000, 2000)).sum(axis=0) % 2 * 255
    photo = np.repeat(photo[..., None], 3, axis=2).astype(np.uint8)
    pose = Pose(20, -90, 100, 90)
    view = rectified(photo, pose, np.zeros(2), 100.0, (100, 100))
    assert np.abs(view.astype(int) - 127).max() < 20


def test_turning_puts_north_up(scene):
    pose = Pose(65, -90, 100, 60)
    photo = scene.photo(pose, scene.ground(0, 0), (400, 300))
    view, coverage = turned(photo, 65)
    assert view.shape == (300, 300, 3)
    assert 0.85 < coverage < 1
    side_m = 300 * 2 * 100 * np.tan(np.radians(30)) / 400
    truth = scene.window(0, 0, side_m, 300)
    assert correlation(view[80:-80, 80:-80], truth[80:-80, 80:-80]) > 0.95


def test_heading_north_is_the_central_square(scene):
    photo = scene.pixels[:200, :320]
    view, coverage = turned(photo, 0.0)
    assert coverage == 1.0
    np.testing.assert_array_equal(view, photo[:, 60:260])


@settings(max_examples=30)
@given(
    st.floats(0, 360), st.floats(-90, -25), st.floats(20, 2000), st.floats(30, 100),
    st.floats(-40, 40), st.floats(0.15, 0.4), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3),
)  # fmt: skip
def test_every_point_lands_within_a_tenth_of_a_pixel(
    heading_deg, pitch_deg, altitude_m, hfov_deg, roll_deg, side, east, north
):
    """Waves along east and along north, photographed by walking each pixel's ray."""
    pose = Pose(heading_deg, pitch_deg, altitude_m, hfov_deg, roll_deg)
    wide_m = 2 * altitude_m * math.tan(math.radians(hfov_deg) / 2)
    side_m = side * wide_m
    centre = centre_on_ground(pose) + np.array([east, north]) * side_m
    length_m = side_m / 4

    def waves(ground: np.ndarray) -> np.ndarray:
        value = np.sin(2 * np.pi * np.nan_to_num(ground) / length_m) * 120 + 127
        return np.round(np.concatenate([value, value[..., :1]], axis=-1)).astype(np.uint8)

    width, height = 720, 540
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    photo = waves(unproject(np.stack([x, y], axis=-1), pose, width, height))
    view = rectified(photo, pose, centre, side_m, (SIZE_PX, SIZE_PX))
    ground = (centre + square_grid(SIZE_PX, SIZE_PX) * side_m).reshape(SIZE_PX, SIZE_PX, 2)
    # Far ahead, and close up with a wide lens, the photo is too coarse to show the waves.
    steps = [np.diff(project(ground, pose, width, height), axis=axis) for axis in (0, 1)]
    fine = min(float(np.nanmin(np.linalg.norm(step, axis=-1))) for step in steps)
    shown = is_shown(ground, pose, (width, height))
    if fine < 0.6 or shown.mean() < 0.5:
        return
    expected, found = waves(ground).astype(float), view.astype(float)
    px_m = side_m / SIZE_PX
    for axis in (0, 1):
        slope = 120 * 2 * np.pi / length_m * np.cos(2 * np.pi * ground[..., axis] / length_m) * px_m
        error = (found - expected)[..., axis]
        # By bands, so that no part of the view can hide a shift of its own.
        for part in np.array_split(np.argwhere(shown), 4):
            rows, columns = part.T
            steep = slope[rows, columns]
            shift_px = steep @ error[rows, columns] / (steep @ steep)
            assert abs(shift_px) < 0.1
