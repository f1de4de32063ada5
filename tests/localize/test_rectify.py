"""Squares of ground out of oblique photos, compared with the ground that was photographed."""

import numpy as np
import pytest

from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.localize.rectify import rectified, turned

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
