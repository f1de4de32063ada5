"""The DenseUAV reader on made-up trees with the true layout."""

from pathlib import Path

import numpy as np
import pytest

from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.synthetic_drone import generate_denseuav
from skyfix.errors import SkyfixError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return generate_denseuav(tmp_path / "dense", places=3, test_places=2)


def test_galleries_hold_training_and_test_places(root):
    dataset = open_dataset(f"denseuav:{root}")
    assert dataset.places == ("000000", "000001", "000002")
    for view in ("drone", "satellite"):
        query, gallery = dataset.query(view), dataset.gallery(view)
        assert query.places == ("000003", "000004")
        assert gallery.places == (*dataset.places, *query.places)
    satellite = dataset.train("satellite")
    assert [path.name for path in satellite.paths[:6]] == [
        "H100.tif",
        "H100_old.tif",
        "H80.tif",
        "H80_old.tif",
        "H90.tif",
        "H90_old.tif",
    ]
    assert satellite.altitude_m is None


def test_altitudes_and_positions(root):
    drone = DenseUAV(root).query("drone")
    assert [path.name for path in drone.paths[:3]] == ["H100.JPG", "H80.JPG", "H90.JPG"]
    assert drone.altitude_m.tolist() == [100, 80, 90] * 2
    assert drone.positions.unit == "deg"
    expected = np.repeat([[120.3806, 30.3203], [120.3808, 30.3204]], 3, axis=0)
    np.testing.assert_allclose(drone.positions.values, expected, atol=1e-9)


def test_the_last_line_of_a_place_counts(root):
    table = root / "Dense_GPS_ALL.txt"
    (root / "Dense_GPS_train.txt").unlink()
    (root / "Dense_GPS_test.txt").unlink()
    extra = "test/satellite/000003/H90.tif E120.5 N-30.25 93\n\nx/000004/H80.tif E120.75 N30.5\n"
    table.write_text(table.read_text() + extra)
    values = DenseUAV(root).query("satellite").positions.values
    assert values[[0, 6]].tolist() == [[120.5, -30.25], [120.75, 30.5]]


def test_the_two_tables_replace_the_joint_one(root):
    expected = DenseUAV(root).gallery("drone").positions.values
    (root / "Dense_GPS_ALL.txt").unlink()
    np.testing.assert_array_equal(DenseUAV(root).gallery("drone").positions.values, expected)
    (root / "Dense_GPS_test.txt").unlink()
    assert len(DenseUAV(root).train("drone")) == 9
    with pytest.raises(SkyfixError, match=r"Dense_GPS_\*\.txt tell no position of place 000003"):
        DenseUAV(root).query("drone")
    (root / "Dense_GPS_train.txt").unlink()
    with pytest.raises(SkyfixError, match=r"has no Dense_GPS_ALL.txt.* docs/datasets.md"):
        DenseUAV(root).train("drone")


@pytest.mark.parametrize(
    "line",
    [
        "test/satellite/000003/H80.tif 120.5 30.5 93",
        "test/satellite/000003/H80.tif N30.5 E120.5 93",
        "test/satellite/000003/H80.tif E190 N30 93",
        "test/satellite/000003/H80.tif E1.2.3 N30 93",
        "H80.tif E120 N30 93",
    ],
)
def test_malformed_lines_are_named(root, line):
    table = root / "Dense_GPS_ALL.txt"
    table.write_text(f"{line}\n")
    with pytest.raises(SkyfixError, match=r"ALL.txt, line 1 is not a position") as caught:
        DenseUAV(root).train("drone")
    assert "\n" not in str(caught.value)


def test_binary_tables_and_wrong_folders(root, tmp_path):
    with pytest.raises(SkyfixError, match=r"has no train/satellite. Expected train/\{drone,sat"):
        DenseUAV(tmp_path)
    with pytest.raises(SkyfixError, match="DenseUAV has no ground images"):
        DenseUAV(root).train("ground")
    (root / "test/gallery_satellite").rename(root / "moved")
    with pytest.raises(SkyfixError, match=r"has no test/gallery_satellite. Expected test/\{query,"):
        DenseUAV(root).gallery("satellite")
    (root / "Dense_GPS_ALL.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SkyfixError, match="Cannot read the table of positions"):
        DenseUAV(root).query("drone")


def test_a_photo_of_another_name_has_no_altitude(root):
    folder = root / "train/drone/000000"
    (folder / "H80.JPG").rename(folder / "other.JPG")
    altitudes = DenseUAV(root).train("drone").altitude_m
    assert np.isnan(altitudes).tolist() == [False, False, True, *[False] * 6]


def test_published_counts(root):
    parts = DenseUAV(root).parts()
    assert {(part.role, part.view): (part.images, part.places) for part in parts} == {
        ("train", "drone"): (6_768, 2_256),
        ("train", "satellite"): (13_536, 2_256),
        ("query", "drone"): (2_331, 777),
        ("query", "satellite"): (4_662, 777),
        ("gallery", "drone"): (9_099, 3_033),
        ("gallery", "satellite"): (18_198, 3_033),
    }
