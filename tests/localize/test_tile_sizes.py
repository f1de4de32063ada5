"""Photos from several heights against tiles of several sizes."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scene import STRIDE_M, TILE_M, Scene, save
from thumbnails import Thumbnails
from videos import write_video

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.localize import Labelled, Locator, calibrate, locate, locate_many, track
from skyfix.localize.scales import fitting

SMALL_M, LARGE_M = 40.0, 160.0
WIDE = math.degrees(2 * math.atan(1))
"""A field of view with which a photo is twice as wide as the camera is high."""


@pytest.fixture(scope="module")
def scaled(scene: Scene, embedder: Thumbnails, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    out = tmp_path_factory.mktemp("scaled") / "g"
    sizes, strides = (SMALL_M, TILE_M, LARGE_M), (10, STRIDE_M, 20)
    return Gallery.build(scene.path, out, embedder, sizes, strides)


@pytest.mark.parametrize(
    ("pose", "fits"),
    [
        (Pose(30, -90, 22, WIDE), (0,)),
        (Pose(30, -90, 42, WIDE), (1,)),
        (Pose(None, -90, 100, WIDE), (2,)),
        (Pose(30, -90, 4, WIDE), (0,)),
        (Pose(30, -60, 100, WIDE), (2,)),
        # Without pitch the camera is taken to look straight down.
        (Pose(30, None, 30, WIDE), (0,)),
        (Pose(30, None, 42, WIDE), (1,)),
        (Pose(None, None, 500, WIDE), (2,)),
        (Pose(heading_deg=30), (0, 1, 2)),
        (Pose(altitude_m=100), (0, 1, 2)),
        (Pose(), (0, 1, 2)),
    ],
)
def test_what_is_known_chooses_the_sizes(pose: Pose, fits: tuple[int, ...]) -> None:
    assert fitting(pose, (400, 300), (SMALL_M, TILE_M, LARGE_M)) == fits
    assert fitting(pose, (400, 300), (TILE_M,)) == (0,)


def test_a_camera_that_looks_up_shows_no_ground() -> None:
    with pytest.raises(SkyfixError, match="does not look at the ground"):
        fitting(Pose(0, 20, 50, 60), (400, 300), (SMALL_M, TILE_M))


@pytest.mark.parametrize("height_m", [28.0, 50.0, 90.0])
def test_photos_from_any_height_are_found(scene, scaled, embedder, tmp_path: Path, height_m):
    pose, truth = Pose(70, -90, height_m, WIDE), scene.ground(-30, 40)
    photo = save(scene.photo(pose, truth), tmp_path / "photo.jpg")
    fix = locate(photo, scaled, pose=pose, embedder=embedder)
    assert fix.located
    assert float(distance_m(fix.lon, fix.lat, *truth)) < STRIDE_M
    assert fix.accuracy_m < TILE_M


@pytest.mark.parametrize("side_m", [SMALL_M, TILE_M, LARGE_M])
def test_without_altitude_the_size_that_fits_wins(scene, scaled, embedder, tmp_path: Path, side_m):
    """A photo that shows exactly one tile of some size."""
    east_m, north_m = 40.0, -20.0
    photo = save(scene.window(east_m, north_m, side_m, 240), tmp_path / "square.jpg")
    fix = locate(photo, scaled, heading_deg=0, embedder=embedder)
    best = fix.candidates[0]
    row = int(np.flatnonzero(scaled.tiles.id == best.tile)[0])
    assert scaled.tiles.size_m[row] == side_m
    assert float(distance_m(best.lon, best.lat, *scene.ground(east_m, north_m))) < STRIDE_M


def test_one_size_of_several_gives_what_its_own_gallery_gives(
    scene, gallery, scaled, embedder, tmp_path: Path
):
    pose = Pose(140, -90, 60, WIDE)
    photo = save(scene.photo(pose, scene.ground(45, -30)), tmp_path / "photo.jpg")
    near = (*scene.ground(30, -20), 70.0)
    for around in (None, near):
        one, several = (
            locate(photo, which, pose=pose, near=around, embedder=embedder)
            for which in (gallery, scaled)
        )
        assert several.candidates[0].tile == one.candidates[0].tile
        assert several.lon == pytest.approx(one.lon, abs=1e-9)
        assert several.accuracy_m == pytest.approx(one.accuracy_m, rel=1e-6)
        assert several.confidence == pytest.approx(one.confidence, abs=1e-6)


def test_photos_of_different_heights_go_in_one_batch(scene, scaled, embedder, tmp_path: Path):
    heights = (25.0, 55.0, 100.0, None)
    poses = [Pose(0, None if m is None else -90, m, WIDE) for m in heights]
    shown = [scene.photo(Pose(0, -90, m or 55.0, WIDE), scene.ground(20, 20)) for m in heights]
    photos = [save(one, tmp_path / f"{index}.jpg") for index, one in enumerate(shown)]
    fixes = locate_many(photos, scaled, poses=poses, embedder=embedder)
    for photo, pose, fix in zip(photos, poses, fixes, strict=True):
        alone = locate(photo, scaled, pose=pose, embedder=embedder)
        assert fix.candidates[0].tile == alone.candidates[0].tile
        assert fix.confidence == pytest.approx(alone.confidence, abs=1e-6)


def test_scores_follow_the_rows_size_by_size(scene, scaled, embedder, tmp_path: Path):
    photo = save(scene.window(40, -20, TILE_M, 240), tmp_path / "square.jpg")
    locator = Locator(scaled, embedder).around((*scene.ground(40, -20), 60.0))
    prepared = locator.prepare(photo, Pose(heading_deg=0))
    scores = locator.scores(prepared, locator.embed([prepared])[0])
    assert scores.shape == (1, len(locator.rows))
    best = str(scaled.tiles.id[locator.rows[scores.argmax()]])
    assert locator.fixes([prepared])[0].candidates[0].tile == best


def test_registration_serves_every_size(scene, scaled, embedder, tmp_path: Path):
    truth = scene.ground(-30, 40)
    for height_m in (28.0, 50.0, 90.0):
        pose = Pose(70, -90, height_m, WIDE)
        photo = save(scene.photo(pose, truth), tmp_path / f"{height_m:g}.jpg")
        fix = locate(photo, scaled, pose=pose, embedder=embedder)
        assert fix.method == "registration"
        assert float(distance_m(fix.lon, fix.lat, *truth)) < 3


def test_several_sizes_are_calibrated(scene, scaled, embedder, tmp_path: Path):
    shutil.copytree(scaled.path, tmp_path / "g")
    gallery, labelled = Gallery.open(tmp_path / "g"), []
    for number in range(20):
        pose, truth = Pose(70, -90, 28.0 + 4 * number, WIDE), scene.ground(4 * number - 40, 20)
        photo = save(scene.photo(pose, truth), tmp_path / f"{number}.jpg")
        labelled.append(Labelled(photo, *truth, pose))
    done = calibrate(gallery, labelled, embedder)
    assert {*done.reach_m} == {SMALL_M / 2, TILE_M / 2, LARGE_M / 2}
    assert (done.errors_m <= done.reach_m).mean() > 0.9


CLIMB = [(-80.0 + 8 * t, 50.0 - 5 * t, 25.0 + 5 * t) for t in range(16)]
"""Metres from the scene's middle, and above the ground: through all three sizes of tiles."""


@pytest.fixture(scope="module")
def climb(scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [
        scene.photo(Pose(122, -90, up, WIDE), scene.ground(*place), (320, 240))
        for *place, up in CLIMB
    ]
    pictures[9] = np.full_like(pictures[9], 5)
    return write_video(tmp_path_factory.mktemp("climb") / "climb.mp4", pictures, range(16), rate=1)


@pytest.mark.parametrize("altitude", [True, False])
@pytest.mark.parametrize(
    "options",
    [{"narrow": True, "register": False}, {"filter": "particles", "register": False}],
    ids=["kalman", "particles"],
)
def test_a_climb_is_tracked_from_size_to_size(
    scene, scaled, embedder, climb, tmp_path: Path, options, altitude
):
    log = tmp_path / "climb.csv"
    rows = [f"{t},122,-90,{up if altitude else ''}" for t, (_, _, up) in enumerate(CLIMB)]
    log.write_text("\n".join(["time_s,heading_deg,pitch_deg,rel_alt_m", *rows]))
    pose = Pose(hfov_deg=WIDE) if altitude else None
    steps = list(track(climb, scaled, log, pose=pose, embedder=embedder, **options))
    errors = [
        float(distance_m(step.filtered.lon, step.filtered.lat, *scene.ground(*place)))
        for step, (*place, _) in zip(steps, CLIMB, strict=True)
        if step.filtered.located
    ]
    if altitude:
        tiles = {step.measured.candidates[0].tile for step in steps if step.measured.candidates}
        sizes = {float(scaled.tiles.size_m[list(scaled.tiles.id).index(tile)]) for tile in tiles}
        assert sizes == {SMALL_M, TILE_M, LARGE_M}
        assert len(errors) >= 14
        assert steps[9].filtered.located
    assert len(errors) >= 8
    assert np.median(errors) < 15
    assert max(errors) < SMALL_M
