"""The poses table."""

from pathlib import Path

import pytest

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.localize import read_poses

HEADER = "file,heading_deg,pitch_deg,altitude_m,hfov_deg\n"


def table(tmp_path: Path, text: str, header: str = HEADER) -> Path:
    path = tmp_path / "poses.csv"
    path.write_text(header + text)
    return path


def test_values_and_empty_cells(tmp_path: Path):
    poses = read_poses(table(tmp_path, "a.jpg,272.5,-45,120,73.7\nb.jpg,-10,,,\nc.jpg,,,,\n"))
    assert poses.of("a.jpg") == Pose(272.5, -45, 120, 73.7)
    assert poses.of(Path("flight") / "b.jpg") == Pose(heading_deg=-10)
    assert poses.of("c.jpg") == Pose()


def test_columns_in_any_order_with_others_and_a_byte_order_mark(tmp_path: Path):
    header = "\ufefftime, hfov_deg,file,altitude_m,pitch_deg,heading_deg,roll_deg\n"
    poses = read_poses(table(tmp_path, "12:00,70,a.jpg,100,-90,5,2\n", header))
    assert poses.of("a.jpg") == Pose(5, -90, 100, 70, 2)


def test_rows_with_folders_match_the_end_of_the_path(tmp_path: Path):
    poses = read_poses(table(tmp_path, "one/a.jpg,1,,,\ntwo/a.jpg,2,,,\nb.jpg,3,,,\n"))
    assert poses.of("/data/one/a.jpg").heading_deg == 1
    assert poses.of("two/a.jpg").heading_deg == 2
    assert poses.of("two/b.jpg").heading_deg == 3


def test_a_row_of_another_folder_is_not_taken(tmp_path: Path):
    poses = read_poses(table(tmp_path, "one/a.jpg,1,,,\n"))
    with pytest.raises(SkyfixError, match=r"poses\.csv: no row for the photo two/a\.jpg"):
        poses.of("two/a.jpg")


def test_a_path_beats_a_name(tmp_path: Path):
    poses = read_poses(table(tmp_path, "a.jpg,1,,,\none/a.jpg,2,,,\n"))
    assert poses.of("x/one/a.jpg").heading_deg == 2
    assert poses.of("x/a.jpg").heading_deg == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.jpg,north,,,\n", r"row 2 \(a\.jpg\): heading_deg is not a number: 'north'"),
        ("a.jpg,1,,,\nb.jpg,,-95,,\n", r"row 3 \(b\.jpg\): pitch_deg is -95, out of range"),
        ("a.jpg,,,-3,\n", r"row 2 \(a\.jpg\): altitude_m is -3"),
        ("a.jpg,,,,200\n", r"row 2 \(a\.jpg\): hfov_deg is 200"),
        ("a.jpg,nan,,,\n", r"row 2 \(a\.jpg\): heading_deg is nan"),
        ("a.jpg,,,inf,\n", r"row 2 \(a\.jpg\): altitude_m is inf"),
        ("a.jpg,1,,,\nb.jpg,2,,,\na.jpg,3,,,\n", r"row 4: a\.jpg is already in row 2"),
        (",1,,,\n", "row 2: the file column is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, says: str):
    with pytest.raises(SkyfixError, match=says) as caught:
        read_poses(table(tmp_path, text))
    assert "poses.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named(tmp_path: Path):
    with pytest.raises(SkyfixError, match="column pitch_deg, hfov_deg missing"):
        read_poses(table(tmp_path, "", "file,heading_deg,altitude_m\n"))


def test_what_is_no_csv(tmp_path: Path):
    with pytest.raises(SkyfixError, match="No poses file"):
        read_poses(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81" * 50)
    with pytest.raises(SkyfixError, match=r"binary\.csv"):
        read_poses(tmp_path / "binary.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(SkyfixError, match="missing"):
        read_poses(tmp_path / "empty.csv")
    with pytest.raises(SkyfixError, match="Cannot read"):
        read_poses(tmp_path)
