"""The GTA-UAV reader on a made-up map with the true layout."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skyfix.datasets.gta_uav import GtaUav
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.synthetic_maps import generate_gta_uav
from skyfix.errors import SkyfixError

METRES = 0.45


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    return generate_gta_uav(tmp_path_factory.mktemp("gta"), places=5, test_places=3)


@pytest.fixture
def own(made_up, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made_up, tmp_path / "gta"))


def entries(root: Path, split: str = "test", area: str = "same") -> list[dict]:
    return json.loads((root / f"{area}-area-drone2sate-{split}.json").read_text())


def change(root: Path, **changes: object) -> None:
    """Change the first test photo's entry; a value of None removes the field."""
    table = entries(root)
    for field, value in changes.items():
        table[0][field] = value
        if value is None:
            del table[0][field]
    (root / "same-area-drone2sate-test.json").write_text(json.dumps(table))


@pytest.mark.parametrize("area", GtaUav.CHOICES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_links_are_those_of_the_tables(made_up, area, split):
    dataset = open_dataset(f"gta_uav@{area}:{made_up}")
    if split == "train":
        photos, tiles = dataset.train("drone"), dataset.train("satellite")
        matches = dataset.train_matches()
    else:
        photos, tiles = dataset.query("drone"), dataset.gallery("satellite")
        matches = dataset.matches("drone")
    expected = {entry["drone_img_name"]: entry for entry in entries(made_up, split, area)}
    assert {path.name for path in photos.paths} == expected.keys()
    for row, path in enumerate(photos.paths):
        entry = expected[path.name]
        links = slice(matches.start[row], matches.start[row + 1])
        names = [tiles.paths[column].name for column in matches.columns[links]]
        found = dict(zip(names, matches.overlap[links].tolist(), strict=True))
        weights = entry["pair_pos_semipos_sate_weight_list"]
        named = entry["pair_pos_semipos_sate_img_list"]
        assert found == dict(zip(named, weights, strict=True))
        positive = {name for name, semi in zip(names, matches.semi[links], strict=True) if not semi}
        assert positive == set(entry["pair_pos_sate_img_list"])
        best = max(entry["pair_pos_sate_img_list"], key=found.__getitem__)
        assert tiles.labels[[tile.name for tile in tiles.paths].index(best)] == photos.labels[row]
        np.testing.assert_allclose(photos.positions.values[row], entry["drone_loc_x_y"])
        assert photos.altitude_m[row] == entry["drone_metadata"]["height"]
    assert photos.positions.unit == tiles.positions.unit == "m"


def test_tiles_lie_where_their_names_say(made_up):
    tiles = GtaUav(made_up, "cross").gallery("satellite")
    centres = dict(zip(tiles.places, tiles.positions.values.tolist(), strict=True))
    assert len(tiles) == 16 + 64
    side_px = 24_576 / 2**5
    assert centres["5_0_0.png"] == pytest.approx([side_px / 2 * METRES] * 2)
    assert centres["5_3_1.png"] == pytest.approx([3.5 * side_px * METRES, 1.5 * side_px * METRES])
    # The authors' own example of an entry.
    assert GtaUav.MAP_PX / 2**5 * METRES * np.array([10.5, 20.5]) == pytest.approx([3628.8, 7084.8])


def test_generated_overlaps_are_those_of_the_footprints(made_up):
    for entry in entries(made_up, "train"):
        side = entry["drone_metadata"]["height"]
        x, y = entry["drone_loc_x_y"]
        lists = (entry[f"pair_pos_semipos_sate_{kind}_list"] for kind in ("img", "weight"))
        for name, overlap in zip(*lists, strict=True):
            zoom, column, row = map(int, name.removesuffix(".png").split("_"))
            tile = 24_576 / 2**zoom * METRES
            # Both footprints are covered with points, so that shares are areas.
            points = (np.arange(600) + 0.5) / 600 * 2 * side
            inside = [
                (
                    np.abs(points - side) < side / 2,
                    np.abs(centre - side + points - (index + 0.5) * tile) < tile / 2,
                )
                for centre, index in ((x, column), (y, row))
            ]
            shared = np.prod([(photo & square).mean() * 2 * side for photo, square in inside])
            assert overlap == pytest.approx(shared / (side**2 + tile**2 - shared), abs=0.02)
            assert overlap > 0.14


def test_cross_area_keeps_the_halves_apart(made_up):
    train, test = (
        [entry["drone_loc_x_y"][0] for entry in entries(made_up, split, "cross")]
        for split in ("train", "test")
    )
    assert max(train) < min(test)


def test_test_photos_without_a_positive_are_left_out(own):
    before = GtaUav(own, "same").query("drone")
    change(own, pair_pos_sate_img_list=[], pair_pos_sate_weight_list=[])
    dataset = GtaUav(own, "same")
    after = dataset.query("drone")
    assert len(after) == len(before) - 1 == len(dataset.gallery("drone"))
    assert len(dataset.matches("drone").start) == len(after) + 1


def test_tiles_may_ask_too(made_up):
    dataset = GtaUav(made_up, "same")
    query, matches = dataset.query("satellite"), dataset.matches("satellite")
    positives = {name for entry in entries(made_up) for name in entry["pair_pos_sate_img_list"]}
    assert {path.name for path in query.paths} == positives
    photos = dataset.gallery("drone")
    for row, path in enumerate(query.paths):
        links = slice(matches.start[row], matches.start[row + 1])
        found = {photos.paths[column].name for column in matches.columns[links]}
        assert found == {
            entry["drone_img_name"]
            for entry in entries(made_up)
            if path.name in entry["pair_pos_semipos_sate_img_list"]
        }


def test_a_photo_without_metadata_has_no_altitude(own):
    change(own, drone_metadata=None)
    assert np.isnan(GtaUav(own, "same").query("drone").altitude_m).sum() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drone_loc_x_y": None}, r"photo 1 is malformed: KeyError\('drone_loc_x_y'\)"),
        ({"drone_loc_x_y": [1.0]}, "photo 1 is malformed"),
        ({"pair_pos_semipos_sate_weight_list": [1.0]}, "photo 1 is malformed"),
        ({"drone_metadata": "high"}, "photo 1 is malformed"),
        ({"drone_img_dir": "../drone"}, "photo 1 leads out of the data set"),
        ({"drone_img_name": "none.png"}, r"names .*none.png, which is not there"),
        (
            {"pair_pos_sate_img_list": ["7_0_0.png"], "pair_pos_sate_weight_list": [0.5]},
            "photo 1 names tile 7_0_0.png, which is not in the folder",
        ),
        (
            {
                f"{kind}_sate_{field}_list": []
                for kind in ("pair_pos", "pair_pos_semipos")
                for field in ("img", "weight")
            },
            "photo 1 is linked to no tile",
        ),
    ],
)
def test_malformed_entries_are_named(own, changes, message):
    change(own, **changes)
    with pytest.raises(SkyfixError, match=message) as caught:
        GtaUav(own, "same").query("drone")
    assert "\n" not in str(caught.value)


def test_malformed_tables_and_folders(own, tmp_path):
    path = own / "same-area-drone2sate-test.json"
    for text in ("{", "{}", "[]"):
        path.write_text(text)
        with pytest.raises(SkyfixError, match=r"same-area-drone2sate-test.json"):
            GtaUav(own, "same").query("drone")
    path.unlink()
    assert len(GtaUav(own, "same").train("drone")) == 5
    with pytest.raises(SkyfixError, match=r"has no same-area-drone2sate-test.json. Expected "):
        GtaUav(own, "same").query("drone")
    Image.new("RGB", (4, 4)).save(own / "satellite/cover.png")
    with pytest.raises(SkyfixError, match=r"cover.png is not named <zoom>_<column>_<row>"):
        GtaUav(own, "same").train("drone")
    (own / "satellite").rename(own / "moved")
    with pytest.raises(SkyfixError, match=r"has no satellite. Expected satellite/<zoom>_"):
        GtaUav(own, "same").train("drone")
    with pytest.raises(SkyfixError, match=r"has no cross-area-drone2sate-train.json.*datasets.md"):
        GtaUav(tmp_path, "cross")
    with pytest.raises(SkyfixError, match=r"has no area 'near'. Use same or cross"):
        GtaUav(own, "near")
    with pytest.raises(SkyfixError, match=r"gta_uav needs a choice of area"):
        open_dataset(f"gta_uav:{own}")
    with pytest.raises(SkyfixError, match="GTA-UAV has no ground images"):
        GtaUav(own, "same").query("ground")
