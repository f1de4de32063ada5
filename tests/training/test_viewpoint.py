"""Views of flat pictures against the analytic camera of skyfix.geo.camera."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skyfix.geo.camera import Pose, axes, project, unproject
from skyfix.training import viewpoint
from skyfix.training.viewpoint import Pyramid

SEEDS = st.integers(0, 2**32 - 1)
SIDE_PX = 200


def mapped(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) through a homography."""
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def pixels_of(side_px: int) -> np.ndarray:
    """Corners, centre and others of a view, (x, y), the first pixel's centre is 0."""
    last = side_px - 1
    return np.array([[0, 0], [last, 0], [last, last], [0, last], [last / 2, last / 2], [3, 7]])


@given(st.floats(0, 7), st.floats(10, 900), st.floats(-50, 50), st.floats(-50, 50))
def test_a_tile_is_what_a_camera_sees_that_looks_straight_down(
    turn_rad: float, side: float, x: float, y: float
) -> None:
    centre = np.array([x, y])
    seen = mapped(viewpoint.tile(centre, side, turn_rad, SIDE_PX), pixels_of(SIDE_PX))
    pose = Pose(float(np.degrees(turn_rad)), -90.0, side / 2, 90.0)
    # The camera counts pixels from their corner; north is up in the picture.
    ground = unproject(pixels_of(SIDE_PX) + 0.5, pose, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(seen, centre + ground * [1, -1], atol=1e-6 * side)


def camera_of(to_picture: np.ndarray, side_px: int) -> tuple[Pose, np.ndarray]:
    """The camera behind a view and the point (x, y) of the picture below it.

    From the orthogonality of a rotation's columns (Hartley and Zisserman, section 8.1.1).
    """
    principal = np.array([[1, 0, -(side_px - 1) / 2], [0, 1, -(side_px - 1) / 2], [0, 0, 1]])
    # From (east, north, 1) of the picture to the camera's axes, the focal length still to come.
    rays = principal @ np.linalg.inv(to_picture) @ np.diag([1.0, -1.0, 1.0])
    centre = mapped(to_picture, np.full((1, 2), (side_px - 1) / 2))[0] * [1, -1]
    rays *= np.sign(rays[2] @ [*centre, 1])
    both = rays[:, 0] + 1j * rays[:, 1]
    assume(abs(both[2]) > 1e-4 * abs(both[:2]).max() / side_px)
    squared = -(both[0] ** 2 + both[1] ** 2) / both[2] ** 2
    assert abs(squared.imag) < 1e-6 * squared.real, "no camera with square pixels"
    focal_px = np.sqrt(squared.real)
    rays[:2] /= focal_px
    rays /= np.linalg.norm(rays[:, 0])
    turned = np.column_stack([rays[:, 0], rays[:, 1], np.cross(rays[:, 0], rays[:, 1])])
    at = -turned.T @ rays[:, 2]
    right, _, forward = turned
    heading = np.arctan2(forward[0], forward[1])
    level = np.array([np.cos(heading), -np.sin(heading), 0.0])
    roll = np.arctan2(right @ np.cross(forward, level), right @ level)
    pose = Pose(
        float(np.degrees(heading)),
        float(np.degrees(np.arcsin(forward[2]))),
        float(at[2]),
        float(np.degrees(2 * np.arctan(side_px / 2 / focal_px))),
        float(np.degrees(roll)),
    )
    np.testing.assert_allclose(axes(pose), turned, atol=1e-5)
    return pose, at[:2] * [1, -1]


@given(SEEDS, st.floats(40, 600))
def test_a_photo_is_what_some_camera_sees(seed: int, side: float) -> None:
    centre = np.array([310.0, 290.0])
    rng = np.random.default_rng(seed)
    to_picture, step = viewpoint.random_photo(centre, side, SIDE_PX, rng)
    pose, below = camera_of(to_picture, SIDE_PX)
    assert pose.hfov_deg is not None
    assert pose.pitch_deg is not None
    assert viewpoint.FOV_DEG[0] - 1e-3 <= pose.hfov_deg <= viewpoint.FOV_DEG[1] + 1e-3
    assert -viewpoint.STEEPEST_DEG <= pose.pitch_deg <= -viewpoint.FLATTEST_DEG + 1e-3
    points = mapped(to_picture, pixels_of(SIDE_PX))
    seen = project((points - below) * [1, -1], pose, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(seen - 0.5, pixels_of(SIDE_PX), atol=1e-3)
    shown = step * SIDE_PX / side
    assert viewpoint.SHOWN[0] <= shown <= viewpoint.SHOWN[1]
    # A step to the right at the photo's centre, where the ground is as far as it was drawn.
    across = mapped(to_picture, np.array([[99.0, 99.5], [100.0, 99.5]]))
    assert np.linalg.norm(across[1] - across[0]) == pytest.approx(step, rel=0.01)


@given(SEEDS, st.floats(40, 600))
def test_a_photo_looks_at_its_tile_and_sees_no_sky(seed: int, side: float) -> None:
    centre = np.array([310.0, 290.0])
    rng = np.random.default_rng(seed)
    to_picture, _ = viewpoint.random_photo(centre, side, SIDE_PX, rng)
    target = mapped(to_picture, np.full((1, 2), (SIDE_PX - 1) / 2))[0]
    assert (abs(target - centre) <= viewpoint.OFF_CENTRE * side + 1e-6).all()
    depths = np.column_stack([pixels_of(SIDE_PX), np.ones(6)]) @ to_picture[2]
    assert (depths > 0).all() or (depths < 0).all()


@given(SEEDS)
def test_an_image_seen_anew_without_slant_keeps_its_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    to_image, step, _ = viewpoint.random_look((300, 300), SIDE_PX, False, rng)
    across, down = to_image[:2, 0], to_image[:2, 1]
    assert across @ down == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(across) == pytest.approx(step)
    assert np.linalg.norm(down) == pytest.approx(step)
    middle = mapped(to_image, np.full((1, 2), (SIDE_PX - 1) / 2))[0]
    assert (abs(middle - 149.5) <= 0.06 * 300 + 1e-6).all()


def test_a_slanted_look_is_one_of_a_tilted_plane() -> None:
    looks = [
        viewpoint.random_look((300, 300), SIDE_PX, True, np.random.default_rng(seed))[0]
        for seed in range(20)
    ]
    assert all(abs(look[2, :2]).max() > 0 for look in looks)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)


def test_a_view_of_the_picture_itself_is_the_picture(picture: np.ndarray) -> None:
    seen = Pyramid(picture).view(np.eye(3), 256, 1.0, 0)
    assert Pyramid(picture).size_px == (256, 256)
    np.testing.assert_array_equal(seen, picture)


def test_a_view_from_afar_does_not_alias(picture: np.ndarray) -> None:
    far = viewpoint.tile(np.array([127.5, 127.5]), 256, 0.3, 16)
    smooth = Pyramid(picture).view(far, 16, 16.0, 4)
    aliased = Pyramid(picture).view(far, 16, 1.0, 4)
    assert smooth.astype(float).std() < 0.2 * aliased.astype(float).std()


def test_relief_bends_an_image_now_and_then(picture: np.ndarray) -> None:
    bent = [viewpoint.with_relief(picture, np.random.default_rng(seed)) for seed in range(20)]
    same = [np.array_equal(one, picture) for one in bent]
    assert 3 < sum(same) < 17
    flat = np.full((64, 64, 3), 77, np.uint8)
    for seed in range(6):
        np.testing.assert_array_equal(
            viewpoint.with_relief(flat, np.random.default_rng(seed)), flat
        )
