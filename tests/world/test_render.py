import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain import plain_town

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, project
from skyfix.geo.ground import east_north
from skyfix.world.appearance import DRONE, Ground
from skyfix.world.march import Marcher
from skyfix.world.render import Renderer
from skyfix.world.town import Town

WIDTH, HEIGHT = 240, 180
RED = (255, 20, 20)


def renderer_of(town: Town) -> Renderer:
    """Even light: what is painted is what is seen."""
    return Renderer(town, Ground(town.rgb, town.height_m), DRONE)


def with_marker(x_m: float, y_m: float, side_px: int = 6) -> Town:
    """A red square whose centre is (x_m, y_m), a whole number of pixels."""
    town = plain_town()
    column, row = round(x_m / town.gsd_m), round(y_m / town.gsd_m)
    half = side_px // 2
    town.rgb[row - half : row + half, column - half : column + half] = RED
    return town


def red_centre(photo: np.ndarray) -> np.ndarray:
    """Pixel (x, y) of the red things' centre, from the image's corner."""
    redness = np.clip(photo[..., 0].astype(float) - photo[..., 1] - 20, 0, None)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]] + 0.5
    return np.array([(x * redness).sum(), (y * redness).sum()]) / redness.sum()


@settings(max_examples=25, deadline=None)
@given(
    heading=st.floats(0, 360), pitch=st.floats(-90, -35), altitude=st.floats(50, 90),
    hfov=st.floats(50, 80), roll=st.floats(-8, 8), dx=st.integers(-15, 15), dy=st.integers(-15, 15),
)  # fmt: skip
def test_a_known_point_on_the_map_appears_where_the_pinhole_puts_it(
    heading: float, pitch: float, altitude: float, hfov: float, roll: float, dx: int, dy: int
) -> None:
    pose = Pose(heading, pitch, altitude, hfov, roll)
    town = with_marker(100, 100)
    reach = altitude / np.tan(np.radians(-pitch))
    # The camera stands back, so that the marker is near the image centre.
    x_m = 100 - reach * np.sin(np.radians(heading)) + dx
    y_m = 100 + reach * np.cos(np.radians(heading)) + dy
    ground = east_north(*town.lonlat(x_m, y_m), *town.lonlat(100, 100))
    expected = project(np.array(ground), pose, WIDTH, HEIGHT)
    assume(20 < expected[0] < WIDTH - 20 and 20 < expected[1] < HEIGHT - 20)
    photo = renderer_of(town).photo(pose, x_m, y_m, WIDTH, HEIGHT)
    np.testing.assert_allclose(red_centre(photo), expected, atol=0.7)


@pytest.mark.parametrize(
    ("heading", "x_m", "y_m", "side"),
    [
        (0, 100, 80, "top"), (0, 120, 100, "right"), (90, 120, 100, "top"),
        (90, 100, 120, "right"), (180, 100, 120, "top"), (270, 100, 80, "right"),
    ],
)  # fmt: skip
def test_a_camera_that_looks_down_has_its_heading_at_the_top(
    heading: float, x_m: float, y_m: float, side: str
) -> None:
    pose = Pose(heading, -90, 60, 60)
    x, y = red_centre(renderer_of(with_marker(x_m, y_m)).photo(pose, 100, 100, WIDTH, HEIGHT))
    if side == "top":
        assert y < HEIGHT / 2 - 30 and x == pytest.approx(WIDTH / 2, abs=8)
    else:
        assert x > WIDTH / 2 + 30 and y == pytest.approx(HEIGHT / 2, abs=8)


def test_raising_the_pitch_moves_the_ground_down_and_brings_the_sky() -> None:
    renderer = renderer_of(with_marker(100, 60))
    steep = red_centre(renderer.photo(Pose(0, -60, 60, 60), 100, 100, WIDTH, HEIGHT))
    flatter = red_centre(renderer.photo(Pose(0, -45, 60, 60), 100, 100, WIDTH, HEIGHT))
    assert flatter[1] > steep[1] + 30
    level = renderer.photo(Pose(0, 0, 60, 60), 100, 100, WIDTH, HEIGHT).astype(int)
    above, below = level[: HEIGHT // 2 - 3], level[-20:]
    assert (above[..., 2] > above[..., 0] + 10).all()
    assert (np.abs(below[..., 2] - below[..., 0]) < 60).all()
    np.testing.assert_array_less(below.mean(), above.mean())


def test_a_roof_is_displaced_by_its_height() -> None:
    town = with_marker(110, 90)
    town.height_m[160:200, 200:240] = 20.0
    pose = Pose(0, -90, 80, 60)
    photo = renderer_of(town).photo(pose, 100, 100, WIDTH, HEIGHT)
    ground = np.array(east_north(*town.lonlat(100, 100), *town.lonlat(110, 90)))
    # 60 m below the camera instead of 80.
    expected = project(ground * 80 / 60, pose, WIDTH, HEIGHT)
    np.testing.assert_allclose(red_centre(photo), expected, atol=0.8)


def test_walls_show_their_own_colour_and_not_the_roofs() -> None:
    town = plain_town()
    town.height_m[190:210, 180:220] = 15.0
    town.rgb[190:210, 180:220] = RED
    town.building[190:210, 180:220] = 1
    blue = Town(**{**vars(town), "wall_rgb": np.array([[0, 0, 0], [60, 80, 220]], np.float32),
                   "wall_angle_rad": np.zeros(2, np.float32)})  # fmt: skip
    photo = renderer_of(blue).photo(Pose(0, -35, 40, 60), 100, 150, WIDTH, HEIGHT).astype(int)
    is_roof = photo[..., 0] > photo[..., 2] + 60
    is_wall = photo[..., 2] > photo[..., 0] + 40
    assert is_roof.sum() > 100 and is_wall.sum() > 100
    columns = is_roof.any(axis=0) & is_wall.any(axis=0)
    roof_bottom = HEIGHT - 1 - np.argmax(is_roof[::-1, columns], axis=0)
    # Seen from the south, the wall hangs below the roof.
    assert (np.argmax(is_wall[:, columns], axis=0) >= roof_bottom - 2).mean() > 0.9


def test_a_building_hides_what_is_behind_it() -> None:
    town = with_marker(100, 60)
    pose = Pose(0, -25, 30, 60)
    seen = renderer_of(town).photo(pose, 100, 120, WIDTH, HEIGHT)
    town.height_m[125:130, 150:250] = 25.0
    hidden = renderer_of(town).photo(pose, 100, 120, WIDTH, HEIGHT)
    assert (seen[..., 0].astype(int) - seen[..., 1]).max() > 100
    assert (hidden[..., 0].astype(int) - hidden[..., 1]).max() < 50


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_marching_equals_dense_steps(seed: int) -> None:
    """The plain twin walks every ray in steps of 2 cm."""
    rng = np.random.default_rng(seed)
    heights = np.zeros((80, 80), np.float32)
    for row, column in rng.integers(5, 65, (6, 2)):
        heights[row : row + 8, column : column + 8] = rng.uniform(3, 15)
    gsd_m = 0.5
    origin = np.array([20.0, 20.0, 30.0], np.float32)
    rays = rng.normal(0, 0.6, (40, 3)).astype(np.float32)
    rays[:, 2] = -1
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    marched = Marcher(heights, gsd_m)(origin, rays)
    t = np.arange(0, 120, 0.02, dtype=np.float32)
    points = origin + t[None, :, None] * rays[:, None, :]
    cells = np.floor(points[..., :2] / gsd_m).astype(int)
    inside = ((cells >= 0) & (cells < 80)).all(axis=-1)
    x, y = np.moveaxis(cells.clip(0, 79), -1, 0)
    surface = np.where(inside, heights[y, x], 0)
    dense = t[np.argmax(points[..., 2] <= surface, axis=1)]
    # Corners are rounded by interpolation; a few rays graze them.
    assert (np.abs(marched - dense) < 0.5).mean() >= 0.9


def test_an_incomplete_pose_is_refused() -> None:
    with pytest.raises(SkyfixError, match="Cannot render"):
        renderer_of(plain_town(50)).photo(Pose(pitch_deg=-90), 10, 10)
