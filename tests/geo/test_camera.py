"""The pinhole camera over flat ground."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.errors import SkyfixError
from skyfix.geo.camera import (
    MAX_RANGE_HEIGHTS,
    Pose,
    centre_on_ground,
    footprint,
    ground_to_pixel,
    pixel_to_ground,
    project,
    unproject,
)

WIDTH, HEIGHT = 1600, 900
EASY = settings(deadline=None)

poses = st.builds(
    Pose,
    heading_deg=st.floats(-720, 720),
    pitch_deg=st.floats(-90, -1),
    altitude_m=st.floats(1, 5000),
    hfov_deg=st.floats(5, 150),
    roll_deg=st.floats(-180, 180),
)
fractions = st.floats(0, 1)


def ray_hits_ground(pose: Pose, x: float, y: float) -> tuple[float, float] | None:
    """Literal twin: turn the ray of a pixel axis by axis, then walk it down to the plane."""
    focal = WIDTH / 2 / math.tan(math.radians(pose.hfov_deg) / 2)
    right, down, forward = (x - WIDTH / 2) / focal, (y - HEIGHT / 2) / focal, 1.0
    roll, pitch, heading = map(math.radians, (pose.roll_deg, pose.pitch_deg, pose.heading_deg))
    # Rolled clockwise about the optical axis: the image's right dips.
    right, down = (
        right * math.cos(roll) - down * math.sin(roll),
        right * math.sin(roll) + down * math.cos(roll),
    )
    # Pitched about the right axis: ahead and up in the vertical plane of the heading.
    ahead = forward * math.cos(pitch) + down * math.sin(pitch)
    up = forward * math.sin(pitch) - down * math.cos(pitch)
    east = ahead * math.sin(heading) + right * math.cos(heading)
    north = ahead * math.cos(heading) - right * math.sin(heading)
    if up >= -1e-9:
        return None
    steps = pose.altitude_m / -up
    return east * steps, north * steps


@pytest.mark.parametrize(
    ("heading_deg", "east_m", "north_m"),
    [(0, 0, 100), (90, 100, 0), (180, 0, -100), (-90, -100, 0), (270, -100, 0), (450, 100, 0)],
)
def test_optical_axis_at_45_degrees_meets_the_ground_one_height_ahead(heading_deg, east_m, north_m):
    pose = Pose(heading_deg, -45, 100, 70)
    assert centre_on_ground(pose) == pytest.approx([east_m, north_m], abs=1e-9)
    assert unproject([WIDTH / 2, HEIGHT / 2], pose, WIDTH, HEIGHT) == pytest.approx(
        [east_m, north_m], abs=1e-9
    )


def test_straight_down_the_top_of_the_image_is_the_heading():
    # 90 degrees across 1600 px at 100 m: 200 m, so 0.125 m a pixel.
    assert unproject([[0, 450], [1600, 450], [800, 0]], Pose(0, -90, 100, 90), WIDTH, HEIGHT) == (
        pytest.approx(np.array([[-100, 0], [100, 0], [0, 56.25]]))
    )
    assert unproject([[1600, 450], [800, 0]], Pose(90, -90, 100, 90), WIDTH, HEIGHT) == (
        pytest.approx(np.array([[0, -100], [56.25, 0]]))
    )


def test_positive_roll_dips_the_right_side():
    # Looking north and down with the right side lower, the axis' right neighbour is nearer.
    level, rolled = Pose(0, -45, 100, 70), Pose(0, -45, 100, 70, roll_deg=20)
    assert unproject([1000, 450], level, WIDTH, HEIGHT)[1] == pytest.approx(100)
    assert unproject([1000, 450], rolled, WIDTH, HEIGHT)[1] < 100


@EASY
@given(poses, fractions, fractions)
def test_unproject_equals_walking_the_ray(pose, across, along):
    x, y = across * WIDTH, along * HEIGHT
    expected = ray_hits_ground(pose, x, y)
    found = unproject([x, y], pose, WIDTH, HEIGHT)
    if expected is None:
        far = np.linalg.norm(found)
        assert np.isnan(far) or far > 1e6 * pose.altitude_m
    elif np.hypot(*expected) < 1e4 * pose.altitude_m:
        assert found == pytest.approx(np.array(expected), rel=1e-6, abs=1e-6 * pose.altitude_m)


@EASY
@given(poses, fractions, fractions)
def test_pixels_on_the_ground_round_trip(pose, across, along):
    pixel = np.array([across * WIDTH, along * HEIGHT])
    ground = unproject(pixel, pose, WIDTH, HEIGHT)
    if np.isfinite(ground).all() and np.linalg.norm(ground) < 100 * pose.altitude_m:
        assert project(ground, pose, WIDTH, HEIGHT) == pytest.approx(pixel, abs=1e-4)


@EASY
@given(poses)
def test_homographies_are_inverse_and_batches_equal_single_points(pose):
    both = ground_to_pixel(pose, WIDTH, HEIGHT) @ pixel_to_ground(pose, WIDTH, HEIGHT)
    assert both == pytest.approx(np.eye(3), abs=1e-6)
    points = np.array([[[800, 700], [100, 899]], [[1500, 850], [3, 600]]], dtype=float)
    batch = unproject(points, pose, WIDTH, HEIGHT)
    single = [unproject(point, pose, WIDTH, HEIGHT) for point in points.reshape(-1, 2)]
    np.testing.assert_allclose(batch.reshape(-1, 2), single, rtol=1e-9, atol=1e-9 * pose.altitude_m)


def test_what_is_behind_the_camera_has_no_pixel():
    assert np.isnan(project([0, -500], Pose(0, -20, 100, 60), WIDTH, HEIGHT)).all()


def test_sky_has_no_ground():
    pose = Pose(0, -10, 100, 70)
    top, bottom = unproject([[800, 0], [800, 900]], pose, WIDTH, HEIGHT)
    assert np.isnan(top).all()
    assert bottom[1] > 0


def test_footprint_straight_down_is_the_image_rectangle():
    corners = footprint(Pose(0, -90, 100, 90), WIDTH, HEIGHT)
    expected = [[-100, 56.25], [100, 56.25], [100, -56.25], [-100, -56.25]]
    assert corners == pytest.approx(np.array(expected))


def test_footprint_is_cut_at_the_range_and_before_the_horizon():
    pose = Pose(90, -10, 100, 70)
    corners = footprint(pose, WIDTH, HEIGHT)
    assert corners[:, 0].max() == pytest.approx(100 * MAX_RANGE_HEIGHTS)
    assert footprint(pose, WIDTH, HEIGHT, max_range_m=300)[:, 0].max() == pytest.approx(300)
    assert footprint(pose, WIDTH, HEIGHT, max_range_m=50).shape == (0, 2)


@EASY
@given(poses)
def test_footprint_projects_into_the_image(pose):
    corners = footprint(pose, WIDTH, HEIGHT)
    assert np.isfinite(corners).all()
    pixels = project(corners, pose, WIDTH, HEIGHT)
    assert (pixels >= -1e-3).all()
    assert (pixels <= np.array([WIDTH, HEIGHT]) + 1e-3).all()


@EASY
@given(poses, fractions, fractions)
def test_footprint_holds_the_ground_of_every_pixel_that_is_near_enough(pose, across, along):
    ground = unproject([across * WIDTH, along * HEIGHT], pose, WIDTH, HEIGHT)
    if not np.isfinite(ground).all():
        return
    heading = math.radians(pose.heading_deg)
    ahead_m = ground @ [math.sin(heading), math.cos(heading)]
    corners = footprint(pose, WIDTH, HEIGHT)
    near = ahead_m <= MAX_RANGE_HEIGHTS * pose.altitude_m
    if not near:
        # Cut off: the horizon, and what lies close below it.
        assert (corners @ [math.sin(heading), math.cos(heading)]).max(initial=0) < ahead_m
        return
    edges = np.roll(corners, -1, axis=0) - corners
    sides = edges[:, 0] * (ground - corners)[:, 1] - edges[:, 1] * (ground - corners)[:, 0]
    # In image order, which is clockwise seen from above.
    length_m = np.linalg.norm(edges, axis=1)
    assert (sides <= 1e-6 * pose.altitude_m * np.maximum(length_m, pose.altitude_m)).all()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"pitch_deg": -91}, "pitch_deg"),
        ({"pitch_deg": 91}, "pitch_deg"),
        ({"altitude_m": 0}, "altitude_m"),
        ({"altitude_m": -5}, "altitude_m"),
        ({"hfov_deg": 0}, "hfov_deg"),
        ({"hfov_deg": 180}, "hfov_deg"),
        ({"heading_deg": math.nan}, "heading_deg"),
        ({"altitude_m": math.inf}, "altitude_m"),
        ({"roll_deg": math.nan}, "roll_deg"),
    ],
)
def test_values_out_of_range_are_named(values, named):
    with pytest.raises(SkyfixError, match=named) as caught:
        Pose(**values)
    assert "\n" not in str(caught.value)


def test_projection_names_what_is_missing():
    with pytest.raises(SkyfixError, match="altitude_m, hfov_deg"):
        centre_on_ground(Pose(10, -45))
    with pytest.raises(SkyfixError, match="does not look at the ground"):
        ground_to_pixel(Pose(10, 5, 100, 70), WIDTH, HEIGHT)


def test_what_a_pose_allows():
    assert not Pose(heading_deg=3).has_geometry
    assert Pose(None, -45, 100, 70).has_geometry
    assert not Pose(None, -45, 100, 70).is_complete
    assert Pose(0, -45, 100, 70).is_complete
