"""Photos of a known scene and where they are found.

Longer than other files, as every test asks the same scene.
"""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene import STRIDE_M, TILE_M, Scene, save
from thumbnails import Thumbnails

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m, offset
from skyfix.inference import Embedder
from skyfix.localize import Candidate, Fix, Locator, Picture, locate, locate_many

OBLIQUE = Pose(140, -55, 70, 75)
KEYS = [
    "photo",
    "located",
    "lon",
    "lat",
    "accuracy_m",
    "accuracy_95_m",
    "confidence",
    "reason",
    "method",
    "candidates",
]


@pytest.fixture(scope="module")
def oblique(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Taken with ``OBLIQUE`` over 45 m east, 30 m south of the middle."""
    photo = scene.photo(OBLIQUE, scene.ground(45, -30))
    return save(photo, tmp_path_factory.mktemp("photos") / "oblique.jpg")


def error_m(fix: Fix | Candidate, truth: tuple[float, float]) -> float:
    return float(distance_m(fix.lon, fix.lat, *truth))


def test_full_pose_gives_position_camera_and_footprint(scene, gallery, embedder, oblique):
    truth = scene.ground(45, -30)
    fix = locate(oblique, gallery, pose=OBLIQUE, embedder=embedder, register=False)
    assert fix.located
    assert fix.method == "tiles"
    assert error_m(fix, truth) < STRIDE_M
    assert error_m(fix, truth) < fix.accuracy_m < TILE_M
    assert fix.accuracy_m <= fix.accuracy_95_m
    assert 0.5 <= fix.confidence <= 1
    # The camera stands 70 / tan(55) = 49 m behind the ground point, towards 320 degrees.
    back_m = 70 / math.tan(math.radians(55))
    camera = offset(fix.lon, fix.lat, *(-back_m * np.array([np.sin(2.4435), np.cos(2.4435)])))
    assert float(distance_m(fix.camera_lon, fix.camera_lat, *camera)) < 0.1
    assert len(fix.footprint) == 4
    assert len(fix.candidates) == 5
    assert error_m(fix.candidates[0], truth) < STRIDE_M
    scores = [candidate.score for candidate in fix.candidates]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(("east_m", "north_m"), [(-60, 70), (0, 0), (100, -90)])
def test_positions_are_finer_than_tiles(scene, gallery, embedder, tmp_path: Path, east_m, north_m):
    pose = Pose(-20, -90, 75, 75)
    photo = save(scene.photo(pose, scene.ground(east_m, north_m)), tmp_path / "photo.jpg")
    fix = locate(photo, gallery, pose=pose, embedder=embedder)
    assert fix.located
    assert error_m(fix, scene.ground(east_m, north_m)) < STRIDE_M


def test_a_prior_position_limits_the_search(scene, gallery, embedder, oblique):
    far = (*scene.ground(-90, 80), 60.0)
    fix = locate(oblique, gallery, pose=OBLIQUE, near=far, embedder=embedder)
    tiles = fix.candidates
    assert tiles
    assert all(error_m(tile, far[:2]) <= 60 for tile in tiles)
    close = (*scene.ground(60, -20), 50.0)
    fix = locate(oblique, gallery, pose=OBLIQUE, near=close, embedder=embedder)
    assert error_m(fix, scene.ground(45, -30)) < STRIDE_M


def test_a_prior_changes_which_tiles_are_asked_not_their_scores(scene, gallery, embedder, oblique):
    everywhere = locate(oblique, gallery, pose=OBLIQUE, embedder=embedder, k=300)
    near = (*scene.ground(60, -20), 50.0)
    around = locate(oblique, gallery, pose=OBLIQUE, near=near, embedder=embedder, k=300)
    scores = {candidate.tile: candidate.score for candidate in everywhere.candidates}
    assert 5 < len(around.candidates) < len(everywhere.candidates) == len(gallery)
    for candidate in around.candidates:
        assert candidate.score == pytest.approx(scores[candidate.tile], abs=1e-4)


def test_outside_the_map_is_not_located(gallery, embedder, oblique):
    fix = locate(oblique, gallery, near=(15.5, 45.2, 200.0), embedder=embedder)
    assert not fix.located
    assert "no tile within 200 m" in fix.reason


def test_a_searched_heading_finds_what_a_wrong_one_does_not(scene, gallery, embedder, tmp_path):
    # A square whose side is a tile's, seen from straight above, turned by 90 degrees.
    height_m = TILE_M / 2 / math.tan(math.radians(30))
    pose = Pose(90, -90, height_m, 60)
    photo = save(scene.photo(pose, scene.ground(-40, 20), (240, 240)), tmp_path / "turned.jpg")
    searched = locate(photo, gallery, embedder=embedder)
    asserted = locate(photo, gallery, heading_deg=90, embedder=embedder)
    wrong = locate(photo, gallery, heading_deg=0, embedder=embedder)
    truth = scene.ground(-40, 20)
    assert error_m(searched.candidates[0], truth) < STRIDE_M
    assert error_m(asserted.candidates[0], truth) < STRIDE_M
    assert wrong.candidates[0].score < searched.candidates[0].score


def test_more_headings_find_what_few_miss_and_the_best_is_the_fix_s(
    scene, gallery, embedder, tmp_path: Path
):
    height_m = TILE_M / 2 / math.tan(math.radians(30))
    pose = Pose(157.5, -90, height_m, 60)
    photo = save(scene.photo(pose, scene.ground(-40, 20), (240, 240)), tmp_path / "turned.jpg")
    few = locate(photo, gallery, headings=4, embedder=embedder, register=False)
    many = locate(photo, gallery, headings=16, embedder=embedder, register=False)
    assert many.located
    assert many.heading_deg == 157.5
    assert error_m(many, scene.ground(-40, 20)) < STRIDE_M
    assert few.heading_deg is None or few.heading_deg % 90 == 0
    assert few.candidates[0].score < many.candidates[0].score
    assert (many.method, many.camera_lon) == ("tiles", None)
    (again,) = locate_many([photo], gallery, headings=16, embedder=embedder, register=False)
    assert again == many
    with pytest.raises(SkyfixError, match="0 headings"):
        locate(photo, gallery, headings=0, embedder=embedder)


def test_altitude_and_lens_give_the_scale_without_a_pitch(scene, gallery, embedder, tmp_path: Path):
    # 222 x 125 m of ground against tiles of 80 m, and 62 x 35 m.
    for altitude_m in (128.0, 36.0):
        pose = Pose(-20, -90, altitude_m, 82)
        photo = save(scene.photo(pose, scene.ground(10, -20)), tmp_path / "photo.jpg")
        assumed = locate(photo, gallery, pose=Pose(-20, None, altitude_m, 82), embedder=embedder)
        told = locate(photo, gallery, pose=pose, embedder=embedder)
        unscaled = locate(photo, gallery, pose=Pose(-20), embedder=embedder)
        assert assumed.candidates == told.candidates
        assert error_m(assumed.candidates[0], scene.ground(10, -20)) < STRIDE_M
        assert assumed.candidates[0].score > unscaled.candidates[0].score
        # The camera would only be where it was assumed to be.
        assert (assumed.camera_lon, assumed.footprint) == (None, ())


def test_without_heading_the_camera_stays_unknown(gallery, embedder, oblique):
    pose = Pose(None, OBLIQUE.pitch_deg, OBLIQUE.altitude_m, OBLIQUE.hfov_deg)
    fix = locate(oblique, gallery, pose=pose, embedder=embedder, register=False)
    assert (fix.camera_lon, fix.camera_lat, fix.footprint) == (None, None, ())
    assert len(fix.candidates) == 5


def test_many_equals_one_by_one_and_bad_photos_do_not_stop_it(
    scene, gallery, embedder, oblique, tmp_path: Path
):
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    flat = save(np.full((200, 300, 3), 90, np.uint8), tmp_path / "flat.jpg")
    photos = [oblique, empty, tmp_path / "missing.jpg", flat, oblique, oblique, oblique]
    up, low = Pose(140, 5, 70, 75), Pose(140, -90, 8, 60)
    poses = [OBLIQUE, OBLIQUE, None, OBLIQUE, up, low, Pose(heading_deg=140)]
    fixes = locate_many(photos, gallery, poses=poses, embedder=embedder)
    assert [fix.photo for fix in fixes] == [str(photo) for photo in photos]
    assert fixes[0].located
    alone = locate(oblique, gallery, pose=OBLIQUE, embedder=embedder)
    assert fixes[0].lon == pytest.approx(alone.lon, abs=1e-9)
    assert fixes[0].candidates[0].tile == alone.candidates[0].tile
    for fix, says in zip(
        fixes[1:6],
        ["0 bytes", "No such image", "featureless", "does not look", "smaller tiles"],
        strict=True,
    ):
        assert not fix.located
        assert says in fix.reason
        assert "\n" not in fix.reason
        assert fix.lon is fix.lat is fix.accuracy_m is None


def test_one_photo_that_cannot_be_read_is_an_error(gallery, embedder, tmp_path: Path):
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    with pytest.raises(SkyfixError, match=r"text\.jpg"):
        locate(text, gallery, embedder=embedder)
    with pytest.raises(SkyfixError, match="does not look at the ground"):
        flat = save(np.zeros((50, 50, 3), np.uint8) + np.arange(50, dtype=np.uint8)[:, None],
                    tmp_path / "ramp.jpg")  # fmt: skip
        locate(flat, gallery, pose=Pose(0, 20, 50, 60), embedder=embedder)


def test_json_has_the_agreed_keys_and_no_nan(gallery, embedder, oblique, tmp_path: Path):
    found = locate(oblique, gallery, pose=OBLIQUE, embedder=embedder).to_json()
    assert list(found) == [*KEYS, "camera_lon", "camera_lat", "footprint", "heading_deg"]
    assert list(found["candidates"][0]) == ["lon", "lat", "score", "tile"]
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    lost = locate(save(noise, tmp_path / "noise.jpg"), gallery, embedder=embedder).to_json()
    assert list(lost) == KEYS
    assert not lost["located"]
    assert (lost["lon"], lost["lat"], lost["accuracy_m"]) == (None, None, None)
    assert "confidence" in lost["reason"]
    assert len(lost["candidates"]) == 5
    for value in (found, lost):
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize("mode", ["CMYK", "LA", "I;16", "P"])
def test_photos_of_any_mode(scene, gallery, embedder, tmp_path: Path, mode):
    photo = Image.fromarray(scene.photo(OBLIQUE, scene.ground(45, -30)))
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    if mode == "I;16":
        Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        photo.convert(mode).save(path)
    fix = locate(path, gallery, pose=OBLIQUE, embedder=embedder)
    # Two of the modes are grey, so only colour ones have to be placed.
    assert len(fix.candidates) == 5
    if mode in ("CMYK", "P"):
        assert error_m(fix, scene.ground(45, -30)) < STRIDE_M


def test_too_few_tiles_are_no_evidence(scene, embedder, oblique, tmp_path: Path):
    small = Gallery.build(scene.path, tmp_path / "small", embedder, 200.0, 200.0)
    fix = locate(oblique, small, pose=OBLIQUE, embedder=embedder)
    assert not fix.located
    assert "4 tiles" in fix.reason


def test_arguments_are_checked(gallery, embedder, oblique):
    with pytest.raises(SkyfixError, match="not both"):
        locate(oblique, gallery, pose=OBLIQUE, heading_deg=3, embedder=embedder)
    with pytest.raises(SkyfixError, match="1 poses for 2 photos"):
        locate_many([oblique, oblique], gallery, poses=[OBLIQUE], embedder=embedder)
    with pytest.raises(SkyfixError, match="k is 0"):
        locate(oblique, gallery, k=0, embedder=embedder)
    with pytest.raises(SkyfixError, match="not on Earth"):
        locate(oblique, gallery, near=(45.0, 150.0, 100.0), embedder=embedder)
    other = Thumbnails()
    other.identity = "someone-else"
    with pytest.raises(SkyfixError, match="do not compare"):
        locate(oblique, gallery, embedder=other)


@pytest.mark.slow
def test_with_a_real_system_out_of_the_gallery_s_own_folder(scene, oblique, tmp_path: Path):
    built = Embedder("imagenet", device="cpu")
    built.system.with_input_px(96, 96)
    Gallery.build(scene.path, tmp_path / "real", built, TILE_M, STRIDE_M)
    fix = locate(oblique, Gallery.open(tmp_path / "real"), pose=OBLIQUE)
    assert fix.located
    assert error_m(fix, scene.ground(45, -30)) < TILE_M / 2


def test_no_photos_give_no_fixes(gallery, embedder):
    assert locate_many([], gallery, embedder=embedder) == []


def test_the_embedder_is_told_each_patch_s_altitude(gallery, embedder, oblique):
    locate_many([oblique, oblique], gallery, poses=[OBLIQUE, None], embedder=embedder)
    told = np.array(embedder.told_m)
    known = ~np.isnan(told)
    assert (told[known] == OBLIQUE.altitude_m).all()
    # The photo of known pose comes first, as one or several patches; the other is turned about.
    assert 0 < known.sum() < len(told)
    assert known[: known.sum()].all()


def test_a_frame_in_memory_is_located_like_its_file(scene, gallery, embedder, oblique):
    locator = Locator(gallery, embedder)
    with Image.open(oblique) as image:
        frame = Picture("frame 7", np.asarray(image.convert("RGB")))
    group = [locator.prepare(photo, OBLIQUE) for photo in (oblique, frame)]
    from_file, from_memory = locator.fixes(group)
    assert from_memory.photo == "frame 7"
    assert from_memory.lon == pytest.approx(from_file.lon)
    assert from_memory.accuracy_m == pytest.approx(from_file.accuracy_m)
    scores = locator.scores(group[1], locator.embed(group)[1])
    assert scores.shape == (1, len(gallery))
    assert str(gallery.tiles.id[scores.argmax()]) == from_memory.candidates[0].tile


def test_a_locator_can_look_elsewhere(scene, gallery, embedder, oblique):
    everywhere = Locator(gallery, embedder)
    near = (*scene.ground(45, -30), 60.0)
    there = everywhere.around(near)
    assert 0 < len(there.rows) < len(gallery) == len(everywhere.rows)
    prepared = there.prepare(oblique, OBLIQUE)
    expected = locate(oblique, gallery, pose=OBLIQUE, near=near, embedder=embedder)
    assert there.fixes([prepared]) == [expected]


def test_fixes_survive_json(scene, gallery, embedder, oblique):
    fix = locate(oblique, gallery, pose=OBLIQUE, embedder=embedder)
    moment = datetime(2026, 4, 27, 15, 24, 37, 850_000, UTC)
    for one in (fix, replace(fix, time=moment, time_s=1.25), Fix("x", False, reason="dark")):
        assert Fix.from_json(json.loads(json.dumps(one.to_json()))) == one
    for bad in (
        {},
        [],
        {"photo": "x"},
        {"photo": "x", "located": True, "colour": 1},
        {**fix.to_json(), "method": "magic"},
        {**fix.to_json(), "time": "noon"},
    ):
        with pytest.raises(SkyfixError, match="Not a fix"):
            Fix.from_json(bad)
