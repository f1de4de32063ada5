"""The University-1652 reader on made-up trees and on the optional real extract.

Longer than other files, as one data set has many layouts and rules.
"""

import json

import numpy as np
import pytest
from PIL import Image

from skyfix.datasets.registry import names, open_dataset
from skyfix.datasets.splits import HeldOut, read_groups, split_places
from skyfix.datasets.university1652 import University1652, University1652WX, altitude_m, generate
from skyfix.errors import SkyfixError


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    root = tmp_path_factory.mktemp("u1652")
    return generate(root, places=6, test_places=3, distractors=2, drone_views=2, side_px=32)


@pytest.fixture
def own(tmp_path):
    """A tree that a test may damage."""
    return generate(tmp_path / "own", places=3, test_places=2, distractors=1, side_px=16)


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_training_views_share_places_and_labels(made_up):
    dataset = University1652(made_up)
    drone, satellite = dataset.train("drone"), dataset.train("satellite")
    assert dataset.places == drone.places == satellite.places
    assert dataset.places == ("0001", "0002", "0003", "0004", "0005", "0006")
    assert satellite.labels.tolist() == [1, 2, 3, 4, 5, 6]
    assert drone.labels.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert drone.labels.dtype == np.int64
    assert [path.parent.name for path in drone.paths] == [f"{label:04d}" for label in drone.labels]
    assert [path.name for path in drone.paths[:2]] == ["image-01.jpeg", "image-02.jpeg"]
    assert satellite.paths[0].name == "0001.jpg"


def test_gallery_holds_the_queries_and_the_distractors(made_up):
    dataset = University1652(made_up)
    for view in ("drone", "satellite"):
        query, gallery = dataset.query(view).places, dataset.gallery(view).places
        assert query == ("0007", "0008", "0009")
        assert gallery == (*query, "0010", "0011")


def test_the_test_folder_itself_is_accepted(made_up, monkeypatch):
    whole, test = University1652(made_up), University1652(made_up / "test")
    assert test.query("drone").paths == whole.query("drone").paths
    assert test.train("drone").labels.tolist() == whole.train("drone").labels.tolist()
    monkeypatch.chdir(made_up / "test")
    assert len(University1652(".").train("satellite")) == len(whole.train("satellite"))


def test_a_test_part_alone_is_enough(own):
    (own / "train").rename(own / "elsewhere")
    dataset = University1652(own)
    assert len(dataset.query("satellite")) == 2
    with pytest.raises(SkyfixError, match=r"has no train/drone. Expected train/{drone,satellite}/"):
        dataset.train("drone")


def test_order_is_by_number_not_by_listing(own):
    (own / "train/drone/0002").rename(own / "train/drone/12")
    (own / "train/satellite/0002").rename(own / "train/satellite/12")
    dataset = University1652(own)
    assert dataset.places == ("0001", "0003", "12")
    assert dataset.train("satellite").labels.tolist() == [1, 3, 12]


def test_hidden_and_foreign_files_are_passed_over(own):
    before = University1652(own).train("drone").paths
    (own / "train/drone/.DS_Store").write_bytes(b"x")
    (own / "train/drone/.cache").mkdir()
    (own / "train/drone/readme.txt").write_text("x")
    (own / "train/drone/0001/notes.txt").write_text("x")
    (own / "train/drone/0001/._image-01.jpeg").write_bytes(b"x")
    assert University1652(own).train("drone").paths == before


def test_png_and_capital_suffixes_are_images(own):
    Image.new("RGB", (4, 4)).save(own / "train/drone/0001/a.PNG")
    assert own / "train/drone/0001/a.PNG" in University1652(own).train("drone").paths


def test_street_and_google_are_optional(own):
    dataset = University1652(own)
    with pytest.raises(SkyfixError, match=r"has no train/street. Expected .*street}/<id>/"):
        dataset.train("ground")
    with pytest.raises(SkyfixError, match="has no train/google"):
        dataset.google()
    for place in dataset.places:
        for folder in ("street", "google"):
            (own / "train" / folder / place).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(own / f"train/street/{place}/1.jpg")
    Image.new("RGB", (4, 4)).save(own / "train/google/0002/1.jpg")
    dataset = University1652(own)
    assert dataset.train("ground").labels.tolist() == [1, 2, 3]
    assert dataset.google().labels.tolist() == [2]
    assert dataset.google().places == dataset.places


def test_a_wrong_folder_is_named(tmp_path):
    with pytest.raises(SkyfixError) as caught:
        University1652(tmp_path)
    assert one_line(caught) == (
        f"Not a University-1652 folder: {tmp_path} has no train/satellite. "
        "Expected train/{drone,satellite}/<id>/. See docs/datasets.md."
    )
    with pytest.raises(SkyfixError, match=r"No such folder: .*absent"):
        University1652(tmp_path / "absent")


@pytest.mark.parametrize("lacking", ["drone", "satellite"])
def test_a_missing_place_is_named(own, lacking):
    folder = own / "train" / lacking / "0002"
    for image in folder.iterdir():
        image.unlink()
    with pytest.raises(SkyfixError, match=f"No image in place folder {folder}"):
        University1652(own).train(lacking)
    folder.rmdir()
    for view in ("drone", "satellite"):
        with pytest.raises(SkyfixError, match=f"0002 is missing in .*train/{lacking}"):
            University1652(own).train(view)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("site-a", "is not a number"),
        ("04", "holds place 4 twice: 0004 and 04"),
        ("9" * 30, "not a"),
    ],
)
def test_odd_place_names_are_refused(own, name, message):
    (own / "test/query_drone" / name).mkdir()
    with pytest.raises(SkyfixError, match=message) as caught:
        University1652(own).query("drone")
    one_line(caught)


def test_a_view_folder_without_places_is_refused(own):
    (own / "test/query_drone").rename(own / "moved")
    (own / "test/query_drone").mkdir()
    with pytest.raises(SkyfixError, match=r"No place folders in .*query_drone"):
        University1652(own).query("drone")
    with pytest.raises(SkyfixError, match="University-1652 has no air images"):
        University1652(own).query("air")


def test_only_keeps_the_asked_places(made_up):
    drone = University1652(made_up).train("drone")
    part = drone.only(["0005", "0002"])
    assert part.places == ("0002", "0005")
    assert part.labels.tolist() == [2, 2, 5, 5]
    assert set(part.paths) == {path for path in drone.paths if path.parent.name in part.places}
    with pytest.raises(SkyfixError, match="No place 0077"):
        drone.only(["0077"])


def test_same_seed_same_files(tmp_path):
    first, second = (
        generate(tmp_path / name, places=1, test_places=1, side_px=16, seed=4) for name in "ab"
    )
    other = generate(tmp_path / "c", places=1, test_places=1, side_px=16, seed=5)
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert len(files) == 4 + 8 + 2 * 4
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)
    assert all((first / f).read_bytes() != (other / f).read_bytes() for f in files)


def test_split_is_seeded_and_complete(made_up):
    dataset = University1652(made_up)
    train, validation = split_places(dataset, 1 / 3, seed=1)
    assert len(validation) == 2
    assert sorted(train + validation) == list(dataset.places)
    assert (train, validation) == split_places(dataset, 1 / 3, seed=1)
    assert len({split_places(dataset, 1 / 3, seed=seed) for seed in range(20)}) > 1
    held_out = HeldOut(dataset, validation)
    assert held_out.query("drone").places == held_out.gallery("satellite").places == validation


def test_split_keeps_groups_together(made_up):
    dataset = University1652(made_up)
    groups = {"0001": "a", "0004": "a", "0006": "a", "0002": "b", "0003": "b"}
    for seed in range(20):
        parts = split_places(dataset, 0.5, seed, groups)
        assert all(parts)
        for part in parts:
            assert len({"0001", "0004", "0006"} & set(part)) in (0, 3)
            assert len({"0002", "0003"} & set(part)) in (0, 2)


def test_split_refuses_what_it_cannot_do(made_up):
    dataset = University1652(made_up)
    for fraction in (0, 1, -0.5, float("nan")):
        with pytest.raises(SkyfixError, match="between 0 and 1"):
            split_places(dataset, fraction, seed=0)
    with pytest.raises(SkyfixError, match="cannot be divided"):
        split_places(dataset, 0.5, seed=0, groups=dict.fromkeys(dataset.places, "one"))


def test_groups_from_a_table(tmp_path):
    table = tmp_path / "places.csv"
    table.write_text("id,overlap_group\n0001,3\n0002,\n0004,3\n")
    assert read_groups(table) == {"0001": "3", "0004": "3"}
    table.write_text("id,other\n0001,3\n")
    with pytest.raises(SkyfixError, match="no column overlap_group"):
        read_groups(table)
    with pytest.raises(SkyfixError, match="Cannot read the table"):
        read_groups(tmp_path / "absent.csv")


def test_data_sets_open_by_name(made_up):
    assert open_dataset(f"university1652:{made_up}").places[0] == "0001"
    for spec in ("university1652", "university1652:", str(made_up)):
        with pytest.raises(SkyfixError, match="NAME:ROOT"):
            open_dataset(spec)
    with pytest.raises(SkyfixError, match=f"Unknown data set 'x'. Names: {names()[0]}"):
        open_dataset(f"x:{made_up}")


def test_real_extract(shared):
    root = shared / "data" / "university1652_mini"
    dataset = University1652(root)
    counts = {
        "train": len(dataset.train("drone")),
        "query_drone": len(dataset.query("drone")),
        "gallery_satellite": len(dataset.gallery("satellite")),
        "query_satellite": len(dataset.query("satellite")),
        "gallery_drone": len(dataset.gallery("drone")),
    }
    assert counts == {
        "train": 280,
        "query_drone": 208,
        "gallery_satellite": 142,
        "query_satellite": 102,
        "gallery_drone": 208,
    }
    groups = read_groups(root / "places.csv")
    assert (len(set(groups.values())), len(groups)) == (42, 117)
    train, validation = split_places(dataset, 0.2, seed=0, groups=groups)
    assert abs(len(validation) - 56) <= 2
    assert not {groups.get(p, p) for p in train} & {groups.get(p, p) for p in validation}


def test_altitudes_come_from_the_file_names(own):
    folder = own / "train/drone/0001"
    for name in ("image-54", "image-55", "image-00", "photo"):
        Image.new("RGB", (4, 4)).save(folder / f"{name}.jpeg")
    dataset = University1652(own)
    drone = dataset.train("drone").only(["0001"])
    altitudes = {
        path.stem: value for path, value in zip(drone.paths, drone.altitude_m, strict=True)
    }
    assert (altitudes["image-01"], altitudes["image-54"]) == (256.0, 121.5)
    assert 256 > altitudes["image-02"] > altitudes["image-03"] > 250
    for unknown in ("image-55", "image-00", "photo"):
        assert np.isnan(altitudes[unknown])
    assert dataset.train("satellite").altitude_m is None


def test_the_4k_photos_are_passed_over(own):
    before = University1652(own).query("drone").paths
    (own / "test/4K_drone/0004").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(own / "test/4K_drone/0004/1.jpeg")
    assert University1652(own).query("drone").paths == before


def test_the_160k_gallery_is_flat(own):
    with pytest.raises(SkyfixError, match="has no test/gallery_satellite_160k"):
        University1652(own).gallery_160k()
    folder = own / "test/gallery_satellite_160k"
    folder.mkdir()
    for name in ("b.jpg", "a.png"):
        Image.new("RGB", (4, 4)).save(folder / name)
    for root in (own, own / "test"):
        images = University1652(root).gallery_160k()
        assert images.places == ("a.png", "b.jpg")
        assert images.labels.tolist() == [0, 1]
        assert images.only(["b.jpg"]).labels.tolist() == [1]


def test_the_weather_set_is_the_same_files(made_up):
    assert len(set(University1652WX.CONDITIONS)) == 10
    assert University1652WX.CONDITIONS[0] == "normal"
    dataset = open_dataset(f"university1652_wx:{made_up}")
    assert dataset.query("drone").paths == University1652(made_up).query("drone").paths
    assert dataset.CONDITIONS == University1652WX.CONDITIONS


def test_published_counts_agree_with_each_other():
    images, places = University1652.TEST_IMAGES, University1652.TEST_PLACES
    per_place = University1652.DRONE_IMAGES
    # Place 0000 has one drone photo more than the others.
    assert images["query_drone"] == per_place * places["query_drone"] + 1
    assert images["gallery_drone"] == per_place * places["gallery_drone"] + 1
    assert images["gallery_satellite"] == places["gallery_satellite"]


def test_altitudes_equal_the_authors_of_mbf(golden):
    authors = json.loads((golden / "mbf" / "status_text_university.json").read_text())
    np.testing.assert_allclose(altitude_m(np.arange(1, 55)), authors["heights_m"], rtol=1e-12)
    # The sentences that the network is given are those of the whole metres.
    whole = [str(int(value)) for value in altitude_m(np.arange(1, 55))]
    assert whole == authors["printed_integers"]
