"""The reader of a user's own folders."""

from pathlib import Path

import pytest
from PIL import Image

from skyfix.datasets.folder import Folder
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.splits import HeldOut, split_places
from skyfix.datasets.synthetic_drone import generate_folder
from skyfix.errors import SkyfixError


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    return root


def test_names_of_any_kind_are_places(tmp_path):
    root = put(
        tmp_path,
        *(f"train/{view}/{name}/1.jpg" for view in ("drone", "satellite") for name in "bé"),
        *(f"test/{view}/{name}/1.jpg" for view in ("drone", "satellite") for name in ("a b", "7")),
        "test/satellite/far away/1.png",
    )
    dataset = open_dataset(f"folder:{root}")
    # Sorted names of all places: 7, a b, b, far away, é.
    assert dataset.places == ("b", "é")
    assert dataset.train("drone").labels.tolist() == [2, 4]
    assert dataset.query("drone").labels.tolist() == [0, 1]
    gallery = dataset.gallery("satellite")
    assert gallery.places == ("7", "a b", "far away")
    assert gallery.labels.tolist() == gallery.numbers.tolist() == [0, 1, 3]
    assert gallery.only(["far away"]).labels.tolist() == [3]
    assert dataset.query("satellite").labels.tolist() == [0, 1]


def test_without_halves_everything_is_for_testing(tmp_path):
    root = put(tmp_path, "drone/x/1.jpg", "satellite/x/1.jpg", "ground/x/1.jpg", "ground/y/1.jpg")
    dataset = Folder(root)
    assert dataset.query("drone").places == dataset.gallery("satellite").places == ("x",)
    assert dataset.query("ground").places == ("x", "y")
    for read in (lambda: dataset.train("drone"), lambda: dataset.places):
        with pytest.raises(SkyfixError, match=r"has no train folder, .* train/<view>/<place>/"):
            read()


def test_training_places_can_be_held_out(tmp_path):
    dataset = Folder(generate_folder(tmp_path, places=4, test_places=1))
    training, validation = split_places(dataset, 0.5, seed=0)
    assert sorted(training + validation) == list(dataset.places)
    held_out = HeldOut(dataset, validation)
    assert held_out.query("drone").places == held_out.gallery("satellite").places == validation


def test_training_views_need_the_same_places(tmp_path):
    root = put(tmp_path, "train/drone/a/1.jpg", "train/satellite/a/1.jpg", "train/drone/b/1.jpg")
    with pytest.raises(SkyfixError, match=r"Place folder b is missing in .*train/satellite"):
        Folder(root).train("drone")
    put(root, "train/satellite/b/1.jpg")
    assert Folder(root).places == ("a", "b")
    (root / "train/drone/b/1.jpg").unlink()
    with pytest.raises(SkyfixError, match=r"No image in place folder .*drone/b"):
        Folder(root).train("drone")
    with pytest.raises(SkyfixError, match=r"there is no .*test/drone. Expected .*/<place>/"):
        Folder(root).query("drone")


def test_a_folder_of_something_else_is_refused(tmp_path):
    put(tmp_path, "pictures/a/1.jpg")
    with pytest.raises(SkyfixError, match=r"has no folder of a view. .* docs/datasets\.md"):
        Folder(tmp_path)
    put(tmp_path, "test/drone/a/1.jpg")
    with pytest.raises(SkyfixError, match="folder of places has no air images"):
        Folder(tmp_path).query("air")
    with pytest.raises(SkyfixError, match="folder has no choices, so leave out @150"):
        open_dataset(f"folder@150:{tmp_path}")
