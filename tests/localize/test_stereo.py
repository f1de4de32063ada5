"""Range out of pairs of photos of a known plane."""

from dataclasses import replace

import numpy as np
import pytest
from scene import Scene

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, axes, centre_on_ground
from skyfix.geo.ground import east_north
from skyfix.localize.stereo import range_from_stereo

SIZE_PX = (480, 320)
BASELINE_M = 6.0


def pair(scene, pose: Pose, centre) -> tuple[np.ndarray, np.ndarray, float]:
    """Left and right photo, the right camera ``BASELINE_M`` along the left one's right axis."""
    focal_px = SIZE_PX[0] / 2 / np.tan(np.radians(pose.hfov_deg) / 2)
    east_m, north_m = (float(one) for one in east_north(*scene.middle, *centre))
    step = BASELINE_M * axes(pose)[0]
    assert step[2] == pytest.approx(0)  # Level, so the altitude stays.
    beside = scene.ground(east_m + step[0], north_m + step[1])
    return scene.photo(pose, centre, SIZE_PX), scene.photo(pose, beside, SIZE_PX), focal_px


@pytest.mark.parametrize("heading_deg", [0, 130])
@pytest.mark.parametrize(("pitch_deg", "altitude_m"), [(-90, 60), (-90, 110), (-60, 70), (-40, 50)])
def test_the_range_of_a_plane(scene, heading_deg, pitch_deg, altitude_m):
    pose = Pose(heading_deg, pitch_deg, altitude_m, 65)
    left, right, focal_px = pair(scene, pose, scene.ground(0, 0))
    found = range_from_stereo(left, right, BASELINE_M, focal_px)
    truth_m = np.hypot(altitude_m, np.linalg.norm(centre_on_ground(pose)))
    assert found.range_m == pytest.approx(truth_m, rel=0.01)
    assert 0 <= found.spread_m < 0.05 * truth_m


@pytest.fixture(scope="module")
def gravel(scene) -> Scene:
    """The scene with fine texture all over."""
    grain = np.random.default_rng(2).integers(-60, 61, scene.pixels.shape)
    return replace(scene, pixels=np.clip(scene.pixels + grain, 0, 255).astype(np.uint8))


def test_a_roof_does_not_move_the_ground(gravel):
    pose = Pose(0, -90, 80, 65)
    left, right, focal_px = pair(gravel, pose, gravel.ground(0, 0))
    # A roof at half the range, at a fifth of the image: twice the shift.
    shift = round(focal_px * BASELINE_M / 80)
    roof = np.random.default_rng(1).integers(0, 256, (140, 200, 3), np.uint8)
    left[90:230, 160:360] = roof
    right[90:230, 160 - 2 * shift : 360 - 2 * shift] = roof
    found = range_from_stereo(left, right, BASELINE_M, focal_px)
    assert found.range_m == pytest.approx(80, rel=0.03)


def test_large_images_are_reduced_without_changing_the_range(gravel):
    pose = Pose(0, -90, 80, 65)
    left, right, focal_px = pair(gravel, pose, gravel.ground(0, 0))
    left, right = (np.repeat(np.repeat(one, 4, axis=0), 4, axis=1) for one in (left, right))
    found = range_from_stereo(left, right, BASELINE_M, 4 * focal_px)
    assert found.range_m == pytest.approx(80, rel=0.02)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("left", "right", "says"),
    [
        (np.full((240, 320, 3), 90, np.uint8), np.full((240, 320, 3), 90, np.uint8), "too little"),
        (noise(0), noise(1), "too little texture|fit no plane"),
        (noise(0), noise(0), "too little texture|too far"),
        (noise(0), np.roll(noise(0), 20, axis=1), "too little texture|fit no plane"),
        (noise(0), noise(0)[:200], "320 x 240 px, the right one 320 x 200"),
    ],
)
def test_pairs_that_give_no_range(left, right, says):
    with pytest.raises(SkyfixError, match=says) as caught:
        range_from_stereo(left, right, 1.0, 300.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("baseline_m", "focal_px"), [(-1, 300), (0, 300), (1, -5), (np.nan, 300)])
def test_lengths_are_checked(baseline_m, focal_px):
    with pytest.raises(SkyfixError, match="Give a length above 0"):
        range_from_stereo(noise(0), noise(0), baseline_m, focal_px)
