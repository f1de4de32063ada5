"""The CVACT reader on made-up trees with the true layout."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from skyfix.datasets.cvact import CVACT
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.synthetic_pairs import generate_cvact
from skyfix.errors import SkyfixError

STRUCTS = ("trainSet", "valSet", "valSetAll")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pairs 1 to 4 train, 5 and 6 validate, 5 to 7 test."""
    return generate_cvact(tmp_path / "cvact", places=4, test_places=2)


def index(root: Path) -> dict:
    content = loadmat(root / "ACT_data.mat")
    return {name: content[name] for name in ("panoIds", "utm", *STRUCTS)}


def test_splits_follow_the_index(root):
    content = index(root)
    names = [str(name) for name in content["panoIds"]]
    dataset = open_dataset(f"cvact:{root}")
    assert dataset.places == tuple(names[:4])
    for view in ("ground", "satellite"):
        assert dataset.train(view).labels.tolist() == [1, 2, 3, 4]
        assert dataset.query(view).labels.tolist() == [5, 6]
        assert dataset.gallery(view).paths == dataset.query(view).paths
    test = open_dataset(f"cvact@test:{root}")
    assert test.gallery("satellite").labels.tolist() == [5, 6, 7]
    assert test.train("ground").paths == dataset.train("ground").paths
    assert dataset.query("ground").paths[0] == (
        root / f"ANU_data_small/streetview/{names[4]}_grdView.jpg"
    )
    assert test.query("satellite").paths[0] == (
        root / f"ANU_data_test/satview_polish/{names[4]}_satView_polish.jpg"
    )


def test_positions_are_metres(root):
    positions = CVACT(root, "test").query("ground").positions
    assert positions.unit == "m"
    np.testing.assert_array_equal(positions.values, index(root)["utm"][4:])


def test_places_can_be_chosen_by_name(root):
    train = CVACT(root).train("ground")
    part = train.only([train.places[2], train.places[0]])
    assert part.labels.tolist() == [1, 3]
    assert part.only([train.places[2]]).numbers.tolist() == [3]


def test_pairs_that_lack_an_image_are_left_out_and_counted(root):
    dataset = CVACT(root)
    assert dataset.remarks() == ()
    lost = dataset.train("satellite").places[1]
    (root / f"ANU_data_small/satview_polish/{lost}_satView_polish.jpg").unlink()
    dataset = CVACT(root)
    for view in ("ground", "satellite"):
        assert dataset.train(view).labels.tolist() == [1, 3, 4]
    assert dataset.remarks() == (f"1 of 4 train pairs lack an image, such as {lost}",)


def test_cell_arrays_of_names_are_read_too(root):
    content = index(root)
    cells = np.empty((len(content["panoIds"]), 1), dtype=object)
    cells[:, 0] = [str(name) for name in content["panoIds"]]
    expected = CVACT(root).train("ground").places
    savemat(root / "ACT_data.mat", {**content, "panoIds": cells})
    assert CVACT(root).train("ground").places == expected


def test_without_the_test_struct_or_any_pair(root):
    content = index(root)
    del content["valSetAll"]
    savemat(root / "ACT_data.mat", content)
    assert len(CVACT(root).query("ground")) == 2
    with pytest.raises(SkyfixError, match=r"has no valSetAll in ACT_data.mat"):
        CVACT(root, "test").query("ground")
    (root / "ANU_data_small").rename(root / "moved")
    with pytest.raises(SkyfixError, match=r"no complete pair of the train split. .*_grdView\.jpg"):
        CVACT(root).train("ground")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"panoIds": np.array(["../../etc", "b"])}, "is not the name of a pair"),
        ({"utm": np.zeros((3, 2))}, "is not CVACT's index"),
        ({"trainSet": {"a": "x", "trainInd": np.array([[0], [1]])}}, "outside 1 to 7"),
        ({"trainSet": {"a": "x", "trainInd": np.array([[8]])}}, "outside 1 to 7"),
        ({"trainSet": {"a": "x", "trainInd": np.array([[1.5]])}}, "whole numbers"),
        ({"trainSet": {"a": "x", "trainInd": "abc"}}, "whole numbers"),
        ({"trainSet": {"only": 1}}, "is not CVACT's index"),
        ({"trainSet": np.array([1, 2])}, "is not CVACT's index"),
    ],
)
def test_a_malformed_index_is_refused(root, changes, message):
    savemat(root / "ACT_data.mat", {**index(root), **changes})
    with pytest.raises(SkyfixError, match=message) as caught:
        CVACT(root).train("ground")
    assert "\n" not in str(caught.value)


def test_other_files_folders_views_and_splits(root, tmp_path):
    with pytest.raises(SkyfixError, match=r"has no ACT_data.mat. Expected .* docs/datasets.md"):
        CVACT(tmp_path)
    with pytest.raises(SkyfixError, match=r"no split 'train'. Use val or test"):
        CVACT(root, "train")
    with pytest.raises(SkyfixError, match=r"no choice 'all'. There are val, test"):
        open_dataset(f"cvact@all:{root}")
    with pytest.raises(SkyfixError, match="CVACT has no drone images"):
        CVACT(root).query("drone")
    for content in (b"", b"no matlab", (root / "ACT_data.mat").read_bytes()[:200]):
        (root / "ACT_data.mat").write_bytes(content)
        with pytest.raises(SkyfixError, match=r"ACT_data.mat") as caught:
            CVACT(root).train("ground")
        assert "\n" not in str(caught.value)
