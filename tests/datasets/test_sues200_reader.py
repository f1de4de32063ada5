"""The SUES-200 reader on made-up trees of its three layouts and on the optional real place."""

from pathlib import Path

import numpy as np
import pytest

from skyfix.datasets.registry import open_dataset
from skyfix.datasets.sues200 import Sues200
from skyfix.datasets.synthetic_drone import generate_sues200
from skyfix.errors import SkyfixError

LAYOUTS = ("raw", "split", "mccg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The raw layout, which a test may damage."""
    return generate_sues200(tmp_path / "sues", places=3, test_places=2)


def test_the_published_split():
    train, test = Sues200.TRAIN_PLACES, Sues200.TEST_PLACES
    assert (len(train), len(test), len(train | test)) == (120, 80, 200)
    assert not train & test
    # Ends of the ranges of the published list, and places that it skips.
    assert {"0001", "0007", "0009", "0034", "0091", "0106", "0187", "0200"} <= train
    assert {"0008", "0012", "0014", "0035", "0092", "0107", "0188", "0195"} <= test


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_places_whatever_the_layout(tmp_path, layout):
    root = generate_sues200(tmp_path, places=3, test_places=2, layout=layout)
    dataset = Sues200(root, 200)
    assert dataset.places == dataset.train("satellite").places == ("0001", "0002", "0003")
    assert dataset.query("drone").places == ("0008", "0012")
    assert dataset.gallery("satellite").labels.tolist() == [1, 2, 3, 8, 12]
    assert dataset.gallery("drone").labels.tolist() == [1, 1, 2, 2, 3, 3, 8, 8, 12, 12]
    assert dataset.query("satellite").labels.tolist() == [8, 12]
    assert dataset.train("drone").altitude_m.tolist() == [200.0] * 6
    assert dataset.train("satellite").altitude_m is None
    assert [path.name for path in dataset.train("drone").paths[:2]] == ["0.jpg", "1.jpg"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_altitudes_are_apart(tmp_path, layout):
    root = generate_sues200(tmp_path, places=2, test_places=1, layout=layout)
    photos = [Sues200(root, altitude).train("drone").paths for altitude in (150, 200, 250, 300)]
    assert len({path for paths in photos for path in paths}) == 16
    for altitude, paths in zip((150, 200, 250, 300), photos, strict=True):
        assert all(f"/{altitude}/" in path.as_posix() for path in paths)


def test_the_registry_asks_for_the_altitude(root):
    assert open_dataset(f"sues200@150:{root}").altitude_m == 150
    with pytest.raises(SkyfixError, match=r"needs a choice of altitude.* 150, 200, 250, 300"):
        open_dataset(f"sues200:{root}")
    with pytest.raises(SkyfixError, match=r"no choice '170'. There are 150, 200, 250, 300"):
        open_dataset(f"sues200@170:{root}")
    with pytest.raises(SkyfixError, match="no altitude 170 m"):
        Sues200(root, 170)


def test_a_wrong_folder_is_told_all_layouts(tmp_path):
    with pytest.raises(SkyfixError) as caught:
        Sues200(tmp_path, 150)
    message = str(caught.value)
    for part in ("satellite-view/<id>/", "*drone*/<id>/150/", "Training/150/", "test/150/"):
        assert part in message
    assert "docs/datasets.md" in message
    assert "\n" not in message


@pytest.mark.parametrize(("layout", "half"), [("split", "Training"), ("mccg", "train")])
def test_a_missing_altitude_is_named(tmp_path, layout, half):
    root = generate_sues200(tmp_path, places=1, test_places=1, layout=layout)
    for folder in root.glob("T*" if layout == "split" else "t*"):
        (folder / "250").rename(folder / "350")
    with pytest.raises(SkyfixError, match=f"has no {half}/250/satellite"):
        Sues200(root, 250)


def test_raw_folders_that_lack_something(root):
    with pytest.raises(SkyfixError, match="SUES-200 has no ground images"):
        Sues200(root, 150).query("ground")
    drone = root / "drone_view_512"
    for image in (drone / "0002/150").iterdir():
        image.unlink()
    with pytest.raises(SkyfixError, match=r"No image in place folder .*0002/150"):
        Sues200(root, 150).train("drone")
    assert len(Sues200(root, 200).train("drone")) == 6
    (drone / "0002").rename(root / "0002")
    with pytest.raises(SkyfixError, match=r"0002 is missing in .*drone_view_512"):
        Sues200(root, 150).train("satellite")
    drone.rename(root / "elsewhere")
    with pytest.raises(SkyfixError, match=r"has no \*drone\*. Expected \*drone\*/<id>/150/"):
        Sues200(root, 150).query("drone")
    (root / "drone_a").mkdir()
    (root / "drone_b").mkdir()
    with pytest.raises(SkyfixError, match="several drone folders: drone_a and drone_b"):
        Sues200(root, 150).query("drone")


def test_a_raw_folder_without_test_places(tmp_path):
    root = generate_sues200(tmp_path, places=2, test_places=0)
    with pytest.raises(SkyfixError, match="None of the SUES-200 query places"):
        Sues200(root, 300).query("satellite")


def test_published_counts(root):
    parts = Sues200(root, 150).parts()
    assert {(part.role, part.view): (part.images, part.places) for part in parts} == {
        ("train", "drone"): (6_000, 120),
        ("train", "satellite"): (120, 120),
        ("query", "drone"): (4_000, 80),
        ("query", "satellite"): (80, 80),
        ("gallery", "drone"): (10_000, 200),
        ("gallery", "satellite"): (200, 200),
    }


def test_a_real_place(shared):
    dataset = Sues200(shared / "data" / "sues200_place", 250)
    assert dataset.places == ("0001",)
    photos = dataset.train("drone")
    assert [path.name for path in photos.paths] == ["0.jpg", "1.jpg", "2.jpg"]
    np.testing.assert_array_equal(photos.altitude_m, 250)
    assert len(dataset.gallery("satellite")) == 1
