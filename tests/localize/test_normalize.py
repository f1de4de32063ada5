"""What is known of the camera decides which patches are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, centre_on_ground, project
from skyfix.localize.normalize import MAX_PATCHES, MIN_COVERAGE, patches

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
SIZE_PX = (16, 16)


def test_without_geometry_there_is_one_square():
    (raw,) = patches(PHOTO, Pose(), 100, 50, SIZE_PX)
    np.testing.assert_array_equal(raw.pixels, PHOTO[:, 35:125])
    (headed,) = patches(PHOTO, Pose(heading_deg=40), 100, 50, SIZE_PX)
    assert (headed.east_m, headed.north_m) == (0, 0)
    assert headed.coverage < 1


def test_nadir_patches_fill_the_photo():
    # 200 x 112.5 m of ground: whole patches in the middle, and those half outside.
    found = patches(PHOTO, Pose(0, -90, 100, 90), 100, 50, SIZE_PX)
    places = {(patch.east_m, patch.north_m): patch.coverage for patch in found}
    assert places[0, 0] == places[50, 0] == places[-50, 0] == 1
    assert places[100, 0] == pytest.approx(0.5, abs=0.07)
    assert (150, 0) not in places
    assert all(patch.pixels.shape == (16, 16, 3) for patch in found)


@settings(deadline=None, max_examples=40)
@given(
    st.floats(0, 360), st.floats(-90, -5), st.floats(20, 3000), st.floats(20, 120),
    st.floats(20, 300),
)  # fmt: skip
def test_patches_are_bounded_on_the_lattice_and_seen(heading, pitch, altitude, hfov, tile_m):
    pose = Pose(heading, pitch, altitude, hfov)
    found = patches(PHOTO, pose, tile_m, tile_m / 2, SIZE_PX)
    assert 1 <= len(found) <= MAX_PATCHES
    assert len(found) == 1 or min(patch.coverage for patch in found) >= MIN_COVERAGE
    steps = np.array([[patch.east_m, patch.north_m] for patch in found]) / (tile_m / 2)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert len(np.unique(np.round(steps), axis=0)) == len(found)
    for patch in found:
        if patch.coverage == 1:
            centre = centre_on_ground(pose) + np.array([patch.east_m, patch.north_m])
            x, y = project(centre, pose, 160, 90)
            assert 0 <= x <= 160
            assert 0 <= y <= 90


def test_near_sharp_ground_comes_first():
    found = patches(PHOTO, Pose(0, -25, 300, 70), 60, 30, SIZE_PX)
    assert len(found) == MAX_PATCHES
    assert all(patch.north_m < 0 for patch in found)


def test_a_photo_smaller_than_a_tile_gives_its_best_patch():
    (patch,) = patches(PHOTO, Pose(0, -90, 10, 60), 200, 100, SIZE_PX)
    assert (patch.east_m, patch.north_m) == (0, 0)
    assert patch.coverage < 0.02


def test_looking_up_is_refused():
    with pytest.raises(SkyfixError, match="does not look at the ground"):
        patches(PHOTO, Pose(0, 10, 100, 70), 100, 50, SIZE_PX)
