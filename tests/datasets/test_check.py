"""Whether a check tells a complete download from every kind of incomplete one."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from skyfix.datasets.check import check
from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.registry import generate, names, open_reader, reader_class
from skyfix.datasets.sues200 import Sues200
from skyfix.datasets.synthetic_drone import generate_denseuav, generate_sues200


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the published DenseUAV have 3 training and 2 test places."""
    monkeypatch.setattr(DenseUAV, "PLACES", {"train": 3, "query": 2, "gallery": 5})


@pytest.fixture
def root(tmp_path: Path, small: None) -> Path:
    return generate_denseuav(tmp_path / "dense", places=3, test_places=2)


def verdicts(root: Path) -> dict[str, str]:
    return {part.part.name: part.verdict for part in check(DenseUAV(root)).parts}


def test_a_complete_set_is_complete(root):
    report = check(DenseUAV(root))
    assert report.state == "complete"
    assert report.unreadable == report.remarks == report.problems == ()
    # 5 places of 3 photos and 6 satellite images, in the galleries once more.
    assert report.decoded == 2 * 5 * 9
    assert verdicts(root)["train/drone"] == "complete, 3 places"


def test_missing_places_and_images_are_counted(root):
    for folder in ("query_drone", "gallery_drone"):
        shutil.rmtree(root / f"test/{folder}/000004")
    (root / "train/drone/000001/H80.JPG").unlink()
    assert check(DenseUAV(root)).state == "differs"
    found = verdicts(root)
    assert found["test/query_drone"] == "incomplete: 1 of 2 places"
    assert found["test/gallery_drone"] == "incomplete: 4 of 5 places"
    assert found["train/drone"] == "incomplete: 8 of 9 images"
    assert found["train/satellite"] == "complete, 3 places"


def test_more_than_was_published_differs(root):
    Image.new("RGB", (4, 4)).save(root / "train/drone/000001/H85.JPG")
    assert verdicts(root)["train/drone"] == "more than published: 10 of 9 images"


def test_unreadable_images_are_named(root):
    bad = root / "train/satellite/000002/H90.tif"
    bad.write_bytes(bad.read_bytes()[:100])
    (root / "test/query_drone/000003/H80.JPG").write_bytes(b"")
    report = check(DenseUAV(root))
    assert report.state == "differs"
    assert len(report.unreadable) == 2
    assert any(str(bad) in str(error) for error in report.unreadable)


def test_queries_without_a_match_are_counted(root):
    shutil.rmtree(root / "test/gallery_satellite/000004")
    remarks = check(DenseUAV(root)).remarks
    assert remarks == ("3 of 6 images of test/query_drone have no match in test/gallery_satellite",)


def test_an_absent_half_can_be_done_without(root):
    shutil.rmtree(root / "train")
    report = check(DenseUAV(root))
    assert report.state == "differs"
    assert verdicts(root)["train/drone"] == "absent"
    assert verdicts(root)["test/query_drone"] == "complete, 2 places"


def test_views_with_different_places_are_a_wrong_layout(root):
    shutil.rmtree(root / "train/drone/000001")
    report = check(DenseUAV(root))
    assert report.state == "wrong layout"
    assert len(report.problems) == 1
    assert "000001 is missing in" in report.problems[0]
    assert verdicts(root)["train/drone"] == "wrong layout"


def test_a_split_of_one_s_own_is_told_apart(tmp_path):
    root = generate_sues200(tmp_path, places=3, test_places=2, layout="split")
    for folder in root.glob("Training/150/*"):
        (folder / "0003").rename(folder / "0008")
    remarks = check(Sues200(root, 150)).remarks
    assert remarks == (
        "1 places of Training/150/drone are not those of the published split, such as 0008",
        "1 places of Training/150/satellite are not those of the published split, such as 0008",
    )


def test_recalled_counts_are_marked(tmp_path):
    generate("cvact", tmp_path, places=2)
    report = check(open_reader(f"cvact:{tmp_path}"))
    assert report.state == "differs"
    assert report.parts[0].verdict == "incomplete: 2 of 35,532 places (recalled, not verified)"
    first = report.to_json()["parts"][0]
    assert (first["published_places"], first["published_verified"]) == (35_532, False)


def test_pairs_that_lack_an_image_are_remarked(tmp_path):
    generate("cvact", tmp_path, places=2)
    for image in sorted(tmp_path.glob("ANU_data_small/streetview/*"))[:1]:
        image.unlink()
    remarks = check(open_reader(f"cvact:{tmp_path}")).remarks
    assert len(remarks) == 1
    assert "pairs lack an image, such as pano" in remarks[0]


@pytest.mark.parametrize("name", names())
def test_made_up_sets_are_readable_but_not_the_published_ones(name, tmp_path):
    generate(name, tmp_path, places=2)
    choices = reader_class(name).CHOICES
    spec = f"{name}@{choices[0]}:{tmp_path}" if choices else f"{name}:{tmp_path}"
    report = check(open_reader(spec))
    published = any(part.compared for part in report.parts)
    assert report.state == ("differs" if published else "complete")
    assert not report.unreadable
    assert not report.remarks
    assert report.decoded > 0
