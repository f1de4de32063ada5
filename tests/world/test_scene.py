from pathlib import Path

import cv2
import numpy as np
import pytest
from boards import CORNERS, Grid, checkerboard, pixels_of

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, unproject
from skyfix.geo.ground import distance_m, offset
from skyfix.world.scene import Look, Scene
from skyfix.world.waypoints import Place, Waypoint, look_at

SIZE = (512, 384)


def middle(scene: Scene) -> Place:
    geo = scene.surface.geo
    lon, lat = geo.lonlat(geo.width_px / 2, geo.height_px / 2)
    return scene.place(float(lon), float(lat))


@pytest.mark.parametrize("crs", CORNERS)
@pytest.mark.parametrize(
    "pose",
    [Pose(0, -90, 90, 70, 0), Pose(33, -60, 80, 60, 4), Pose(200, -42, 60, 65, -3)],
    ids=["nadir", "oblique", "flat"],
)
def test_corners_of_a_checkerboard_lie_where_the_pinhole_puts_them(
    tmp_path: Path, crs: str, pose: Pose
) -> None:
    scene = Scene.of_ortho(Grid(checkerboard(), 0.25, crs).write(tmp_path / "board.tif"))
    geo = scene.surface.geo
    at = look_at(middle(scene), pose)
    lines = np.arange(1, 20) * 40.0
    corners = np.stack(np.meshgrid(lines, lines), axis=-1).reshape(-1, 2)
    expected = pixels_of(geo, at, corners, 0.0, SIZE)
    near = (expected > 12).all(axis=1) & (expected < np.array(SIZE) - 12).all(axis=1)
    # Far off, the squares are too small for the corner finder's window.
    step = np.linalg.norm(
        pixels_of(geo, at, corners + np.array([0, 20]), 0.0, SIZE) - expected, axis=1
    )
    expected = expected[near & (step > 9)]
    assert len(expected) >= 9
    found = found_corners(scene.photo(at, SIZE), expected)
    errors = np.linalg.norm(found - expected, axis=1)
    assert errors.max() < 0.5
    assert errors.mean() < 0.2


def box(tmp_path: Path) -> Scene:
    """A house of 20 x 12 x 15 m on ground at 120 m, with bright and dark squares on its roof."""
    ortho = np.full((3, 600, 600), 10, np.uint8)
    ortho[:, 240:360, 200:400] = checkerboard(600, 40)[:, 240:360, 200:400] + 30
    heights = np.full((1, 300, 300), 120.0, np.float32)
    heights[:, 120:180, 100:200] = 135.0
    return Scene.of_ortho(
        Grid(ortho, 0.1).write(tmp_path / "o.tif"), Grid(heights, 0.2).write(tmp_path / "d.tif")
    )


@pytest.mark.parametrize("pose", [Pose(20, -90, 70, 50, 0), Pose(70, -55, 60, 50, 2)])
def test_squares_on_a_roof_lie_where_the_pinhole_puts_them(tmp_path: Path, pose: Pose) -> None:
    scene = box(tmp_path)
    at = look_at(middle(scene), pose)
    corners = np.stack(np.meshgrid([240, 280, 320, 360], [280, 320]), axis=-1).reshape(-1, 2)
    expected = pixels_of(scene.surface.geo, at, corners, 135.0, SIZE)
    errors = np.linalg.norm(found_corners(scene.photo(at, SIZE), expected) - expected, axis=1)
    assert errors.max() < 0.5


def test_the_outline_of_a_box_lies_where_the_pinhole_puts_it(tmp_path: Path) -> None:
    scene = box(tmp_path)
    at = look_at(middle(scene), Pose(20, -90, 70, 50, 0))
    # The dark squares count as roof too.
    picture = scene.photo(at, SIZE)[..., 0].astype(np.float32) > 40
    outline = np.array([[200, 240], [400, 240], [400, 360], [200, 360]], float)
    expected = pixels_of(scene.surface.geo, at, outline, 135.0, SIZE)
    found = corners_of(255 * picture.astype(np.float32), expected)
    np.testing.assert_allclose(found, expected, atol=0.5)


def found_corners(picture: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Corners of squares (N, 2) near the expected ones, to a fraction of a pixel."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    rule = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 0.001)
    # OpenCV puts whole numbers at pixel centres.
    start = (expected - 0.5).astype(np.float32)[:, None].copy()
    return cv2.cornerSubPix(grey, start, (5, 5), (-1, -1), rule)[:, 0] + 0.5


def corners_of(picture: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Corners of a bright four-sided thing near ``quad``: edges found along their normals."""
    lines = []
    inside = quad.mean(axis=0)
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along = (end - start) / np.linalg.norm(end - start)
        normal = np.array([-along[1], along[0]])
        normal *= np.sign((inside - start) @ normal)
        points = []
        for share in np.linspace(0.2, 0.8, 25):
            steps = np.arange(-4, 4, 0.05)
            path = (start + share * (end - start) + steps[:, None] * normal).astype(np.float32)
            values = cv2.remap(picture, path[:, 0] - 0.5, path[:, 1] - 0.5, cv2.INTER_LINEAR)
            points.append(path[np.argmax(values.ravel() > 127)])
        vx, vy, x, y = cv2.fitLine(np.array(points), cv2.DIST_L2, 0, 0.01, 0.01).ravel()
        lines.append(np.cross([x, y, 1], [x + vx, y + vy, 1]))
    found = []
    for before, after in zip(np.roll(lines, 1, axis=0), lines, strict=True):
        x, y, w = np.cross(before, after)
        found.append((x / w, y / w))
    return np.array(found)


@pytest.mark.parametrize("crs", CORNERS)
def test_the_point_at_the_centre_is_the_one_that_was_looked_at(tmp_path: Path, crs: str) -> None:
    scene = Scene.of_ortho(Grid(checkerboard(400), 0.5, crs).write(tmp_path / "board.tif"))
    place = middle(scene)
    seen = scene.seen_at_centre(look_at(place, Pose(130, -40, 100, 60, 0)))
    assert seen is not None
    assert distance_m(seen.lon, seen.lat, place.lon, place.lat) < 0.1
    level = Waypoint(place.lon, place.lat, 50.0, Pose(0, 0, 50, 60, 0))
    assert scene.seen_at_centre(level) is None


def test_a_marker_in_the_picture_leads_back_to_its_place(tmp_path: Path) -> None:
    """From pixels and pose alone: what anybody does who locates something in a photo."""
    board = np.full((3, 600, 600), 60, np.uint8)
    board[:, 300:304, 340:344] = 250
    scene = Scene.of_ortho(Grid(board, 0.25, "EPSG:3857").write(tmp_path / "m.tif"))
    geo = scene.surface.geo
    at = look_at(middle(scene), Pose(75, -50, 70, 60, 2))
    bright = np.clip(scene.photo(at, SIZE)[..., 0].astype(float) - 160, 0, None)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    pixel = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()
    lon, lat = offset(at.lon, at.lat, *unproject(pixel, at.pose, *SIZE))
    assert distance_m(lon, lat, *geo.lonlat(342, 302)) < 0.2


def test_gaps_of_the_map_are_no_places(tmp_path: Path) -> None:
    board = checkerboard(400)
    board[:, :, 200:] = 0
    scene = Scene.of_ortho(Grid(board, 0.5, nodata=0).write(tmp_path / "half.tif"))
    places = scene.grid(20.0, 30.0)
    assert places
    columns = [float(scene.surface.geo.pixel(place.lon, place.lat)[0]) for place in places]
    assert max(columns) <= 200 - 30 / 0.5 + 1
    assert min(columns) >= 30 / 0.5 - 1


def test_the_ground_of_a_place_is_not_its_roof(tmp_path: Path) -> None:
    heights = np.full((1, 200, 200), 40.0, np.float32) + np.arange(200, dtype=np.float32) * 0.05
    heights[:, 90:110, 90:110] += 12
    scene = Scene.of_ortho(
        Grid(checkerboard(400), 0.5).write(tmp_path / "o.tif"),
        Grid(heights, 1.0).write(tmp_path / "d.tif"),
    )
    assert middle(scene).ground_m == pytest.approx(45.0, abs=0.5)


def test_a_look_changes_season_and_shadows() -> None:
    town = Scene.of_town(2, 200.0, 1.0)
    other = Scene.of_town(2, 200.0, 1.0, Look(sun=(90, 25), greenness=-1, haze=0.3))
    np.testing.assert_array_equal(town.surface.rgb, other.surface.rgb)
    at = look_at(middle(town), Pose(0, -60, 80, 60, 0))
    first, second = (scene.photo(at, (64, 64)).astype(int) for scene in (town, other))
    assert np.abs(first - second).mean() > 10
    with pytest.raises(SkyfixError, match="sun elevation"):
        Look(sun=(0, 2))


def test_a_map_takes_on_the_shadows_of_a_sun(tmp_path: Path) -> None:
    heights = np.zeros((1, 200, 200), np.float32)
    heights[:, 90:110, 90:110] = 20.0
    ortho = Grid(np.full((3, 200, 200), 120, np.uint8), 1.0).write(tmp_path / "o.tif")
    dsm = Grid(heights, 1.0).write(tmp_path / "d.tif")
    scene = Scene.of_ortho(ortho, dsm, Look(sun=(180, 45)))
    at = look_at(middle(scene), Pose(0, -90, 150, 60, 0))
    picture = scene.photo(at, (100, 100)).mean(axis=2)
    # North of the tower, where it throws its shadow, and south of it.
    assert picture[50 - 12, 50] < 0.75 * picture[50 + 14, 50]


def test_the_same_seed_gives_the_same_bytes() -> None:
    pictures = []
    for _ in range(2):
        scene = Scene.of_town(4, 200.0, 1.0)
        at = look_at(middle(scene), Pose(10, -50, 60, 60, 0))
        pictures.append(scene.photo(at, (96, 64), np.random.default_rng(5)))
    np.testing.assert_array_equal(*pictures)


def test_an_incomplete_pose_is_refused() -> None:
    scene = Scene.of_town(4, 200.0, 1.0)
    with pytest.raises(SkyfixError, match="Cannot render"):
        scene.photo(Waypoint(3.0, 45.0, 50.0, Pose(pitch_deg=-90)), (64, 64))
