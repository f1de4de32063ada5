"""Photos of a made-up town registered to its map."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import STRIDE_M, TILE_M, Scene, save

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m, offset
from skyfix.localize import Fix, locate
from skyfix.localize.edges import Agreement, Template, edge_field
from skyfix.localize.ground_view import ground_view
from skyfix.localize.maps import Maps
from skyfix.localize.places import likely_places
from skyfix.localize.register import Place, register

NADIR, OBLIQUE = Pose(-20, -90, 75, 75), Pose(140, -55, 70, 75)


def error_m(fix: Fix, truth: tuple[float, float]) -> float:
    return float(distance_m(fix.lon, fix.lat, *truth))


@pytest.mark.parametrize("pose", [NADIR, OBLIQUE], ids=["nadir", "oblique"])
def test_registration_is_finer_than_tiles(scene, gallery, embedder, tmp_path: Path, pose):
    truth = scene.ground(33, -27)
    photo = save(scene.photo(pose, truth), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, pose=pose, embedder=embedder)
    assert fix.method == "registration"
    assert error_m(fix, truth) < 1.5
    assert fix.heading_deg == pytest.approx(pose.heading_deg % 360, abs=2.1)
    assert len(fix.footprint) == 4
    tiles = locate(photo, gallery, pose=pose, embedder=embedder, register=False)
    assert error_m(fix, truth) < error_m(tiles, truth)


def test_a_wrong_heading_and_altitude_are_corrected(scene, gallery, embedder, tmp_path: Path):
    truth, camera = scene.ground(20, 10), Pose(30, -90, 75, 75)
    photo = save(scene.photo(camera, truth), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, pose=Pose(36, -90, 80, 75), embedder=embedder)
    assert fix.method == "registration"
    assert error_m(fix, truth) < 2
    assert fix.heading_deg == pytest.approx(30, abs=2.1)
    assert float(distance_m(fix.camera_lon, fix.camera_lat, *truth)) < 3
    # 270 of 480 px of 75 degrees across: 115 x 65 m from 75 m above the ground.
    left, right = fix.footprint[:2]
    assert float(distance_m(*left, *right)) == pytest.approx(115, rel=0.05)


def test_the_heading_is_found(scene, gallery, embedder, tmp_path: Path):
    truth = scene.ground(-40, 20)
    photo = save(scene.photo(Pose(100, -90, 75, 75), truth), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, pose=Pose(None, -90, 75, 75), embedder=embedder)
    assert fix.method == "registration"
    assert error_m(fix, truth) < 2
    assert fix.heading_deg == pytest.approx(100, abs=2.1)


def test_a_photo_of_unknown_pose_is_registered_where_it_fits(
    scene, gallery, embedder, tmp_path: Path
):
    truth = scene.ground(-40, 20)
    # 80 m of ground across its shorter side.
    photo = save(scene.photo(Pose(70, -90, 93, 75), truth), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, embedder=embedder)
    assert fix.method == "registration"
    assert error_m(fix, truth) < 3
    assert fix.heading_deg == pytest.approx(70, abs=4)
    assert fix.camera_lon is None
    assert fix.footprint == ()


def test_a_photo_that_is_not_from_above_is_left_to_the_tiles(
    scene, gallery, embedder, tmp_path: Path
):
    photo = save(scene.photo(OBLIQUE, scene.ground(45, -30)), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, embedder=embedder)
    assert fix.method != "registration"


@pytest.mark.slow
def test_other_ground_is_told_from_the_map_s(scene, gallery, embedder, tmp_path: Path):
    # The map's mirror image: every house and road of the same make, none at its place.
    mirrored = Scene(scene.path, np.ascontiguousarray(scene.pixels[::-1]), scene.middle)
    places = [(0, 0), (60, 40), (-70, 50), (30, -80), (-50, -60), (80, -10), (-90, 0), (10, 90),
              (70, 80), (-20, 30)]  # fmt: skip
    own, other = (
        [
            locate(
                save(ground.photo(NADIR, ground.ground(*place)), tmp_path / "photo.jpg"),
                gallery,
                pose=NADIR,
                embedder=embedder,
            )
            for place in places
        ]
        for ground in (scene, mirrored)
    )
    assert min(fix.confidence for fix in own) > 0.99
    assert max(fix.confidence for fix in other) < 0.95
    # Of these, 5 of 10 are refused: the shipped calibration was not fitted to this descriptor.
    assert sum(not fix.located for fix in other) >= 0.4 * len(places)


def test_noise_is_refused_with_a_hint(gallery, embedder, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)
    fix = locate(save(noise, tmp_path / "noise.png"), gallery, pose=NADIR, embedder=embedder)
    assert not fix.located
    assert fix.confidence < 0.5
    assert "Check the pose" in fix.reason


def test_wrong_places_agree_less(scene, gallery, embedder):
    truth = scene.ground(80, 80)
    view = ground_view(scene.photo(NADIR, truth), NADIR)
    maps = Maps(gallery)
    right = register(view, maps, [Place(*truth, 0)], 30.0)
    wrong = register(view, maps, [Place(*scene.ground(-90, -90), 0)], 30.0)
    assert right is not None
    assert wrong is not None
    assert right.agreement > 2 * wrong.agreement
    both = register(view, maps, [Place(*scene.ground(-90, -90), 0), Place(*truth, 0)], 30.0)
    assert both is not None
    assert both.place == 1
    assert both.z > both.runner_up_z


def test_a_map_that_is_gone_leaves_the_tiles(scene, embedder, tmp_path: Path):
    moved = tmp_path / "moved.tif"
    shutil.copy(scene.path, moved)
    gallery = Gallery.build(moved, tmp_path / "gallery", embedder, TILE_M, STRIDE_M)
    truth = scene.ground(45, -30)
    photo = save(scene.photo(OBLIQUE, truth), tmp_path / "photo.jpg")
    moved.write_bytes(moved.read_bytes() + b"changed")
    for _ in range(2):
        fix = locate(photo, gallery, pose=OBLIQUE, embedder=embedder)
        assert fix.located
        assert fix.method == "tiles"
        assert error_m(fix, truth) < STRIDE_M
        assert "moved.tif is not there any more" in fix.reason
        moved.unlink(missing_ok=True)


def test_windows_of_the_map_lie_where_they_should(scene, gallery):
    maps = Maps(gallery)
    window = maps.window(0, *scene.ground(25, -40), 100.0, 200)
    assert window is not None
    assert window.valid.all()
    expected = scene.window(25, -40, 100.0, 200).astype(float)
    assert np.abs(window.pixels - expected).mean() < 6
    beyond = maps.window(0, *scene.ground(230, 0), 100.0, 64)
    assert beyond is not None
    assert 0.1 < beyond.valid.mean() < 0.3
    outside = maps.window(0, *scene.ground(5000, 0), 100.0, 64)
    assert outside is not None
    assert not outside.valid.any()
    maps.close()


@settings(max_examples=20)
@given(st.integers(0, 40), st.integers(0, 30), st.integers(0, 5))
def test_agreement_is_one_at_the_true_shift(row, column, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    picture = noise.repeat(6, axis=0).repeat(6, axis=1)
    field = edge_field(picture, np.ones((120, 120), bool))
    part = field[row : row + 80, column : column + 90]
    found = Agreement(field, np.ones((80, 90), bool)).at(Template(part))
    assert found.shape == (41, 31)
    assert np.unravel_index(found.argmax(), found.shape) == (row, column)
    assert found.max() == pytest.approx(1.0, abs=0.02)
    assert found.min() >= -1.001


def test_edges_ignore_brightness_and_its_sign():
    ramp = np.zeros((64, 64, 3), np.uint8) + 40
    ramp[:, 32:] = 200
    shown = np.ones((64, 64), bool)
    field, inverse = edge_field(ramp, shown), edge_field(255 - ramp, shown)
    assert np.allclose(field, inverse, atol=1e-3)
    assert np.allclose(field, edge_field(ramp // 2 + 30, shown), atol=0.1)
    assert not edge_field(ramp, np.zeros((64, 64), bool)).any()


@settings(max_examples=25)
@given(st.integers(1, 8), st.floats(10, 150), st.integers(0, 9))
def test_places_are_apart_and_best_first(count, apart_m, seed):
    rng = np.random.default_rng(seed)
    lon, lat = offset(15.0, 45.0, *rng.uniform(-300, 300, (2, 60)))
    tiles = type("Some", (), {"lon": lon, "lat": lat, "source": np.zeros(60, int)})()
    scores = rng.normal(size=60)
    places, best = likely_places(tiles, np.arange(60), scores, apart_m, count)
    assert 1 <= len(places) <= count
    assert best[0] == scores.max()
    assert (np.diff(best) <= 0).all()
    for number, one in enumerate(places):
        for other in places[:number]:
            assert float(distance_m(one.lon, one.lat, other.lon, other.lat)) >= apart_m * 0.99
