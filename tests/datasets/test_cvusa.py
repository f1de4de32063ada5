"""The CVUSA reader on made-up trees with the true layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skyfix.datasets.cvusa import CVUSA, generate
from skyfix.datasets.registry import names, open_dataset
from skyfix.datasets.splits import HeldOut, split_places
from skyfix.errors import SkyfixError
from skyfix.layers.polar import unrolled


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree that a test may damage."""
    return generate(tmp_path / "cvusa", places=5, test_places=3)


def table(root: Path, name: str = "train") -> Path:
    return root / f"splits/{name}-19zl.csv"


def test_views_share_places_and_labels(root: Path) -> None:
    dataset = CVUSA(root)
    satellite, ground = dataset.train("satellite"), dataset.train("ground")
    assert dataset.places == satellite.places == ground.places
    assert dataset.places == ("0000001", "0000002", "0000003", "0000004", "0000005")
    assert satellite.labels.tolist() == ground.labels.tolist() == [1, 2, 3, 4, 5]
    assert satellite.labels.dtype == np.int64
    assert satellite.paths[0] == root / "bingmap/19/0000001.jpg"
    assert ground.paths[0] == root / "streetview/panos/0000001.jpg"


def test_queries_and_gallery_are_the_test_places(root: Path) -> None:
    dataset = CVUSA(root)
    assert dataset.query("ground").labels.tolist() == [6, 7, 8]
    assert dataset.gallery("satellite").labels.tolist() == [6, 7, 8]
    assert not set(dataset.places) & set(dataset.query("ground").places)


def test_order_is_by_number_whatever_the_tables(root: Path) -> None:
    rows = table(root).read_text().splitlines()
    table(root).write_text("\n".join([*reversed(rows), ""]))
    assert CVUSA(root).train("ground").labels.tolist() == [1, 2, 3, 4, 5]


def test_tables_need_no_third_column_and_may_have_spaces(root: Path) -> None:
    row = "bingmap/19/0000002.jpg , streetview/panos/0000002.jpg\r\n\r\n"
    table(root).write_text(row)
    assert CVUSA(root).train("ground").labels.tolist() == [2]


def test_one_table_is_enough(root: Path) -> None:
    table(root).unlink()
    dataset = CVUSA(root)
    assert len(dataset.query("ground")) == 3
    with pytest.raises(SkyfixError, match=r"has no splits/train-19zl\.csv"):
        dataset.train("ground")
    table(root, "val").unlink()
    with pytest.raises(SkyfixError, match=r"Not a CVUSA folder: .* See docs/datasets\.md"):
        CVUSA(root)
    with pytest.raises(SkyfixError, match=r"No such folder: .*absent"):
        CVUSA(root / "absent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bingmap/19/0000001.jpg\n", r"row 1 names no pair. Expected satellite,ground"),
        ("a/1.jpg,b/1.jpg\n\n../1.jpg,b/2.jpg\n", r"row 2 leads out of the data set"),
        ("a/1.jpg,/etc/passwd\n", r"row 1 leads out of the data set"),
        ("a/x.jpg,b/x.jpg\n", r"a/x\.jpg is not named by a number"),
        ("a/1.jpg,b/1.jpg\na/01.jpg,b/2.jpg\n", r"names place 01 twice"),
        ("a/1.jpg,b/1.jpg\n", r"names .*a/1\.jpg, which is not there"),
        ("\n", r"train-19zl\.csv is empty"),
    ],
)
def test_malformed_tables_are_named(root: Path, text: str, message: str) -> None:
    table(root).write_text(text)
    with pytest.raises(SkyfixError, match=message) as caught:
        CVUSA(root).train("satellite")
    assert "\n" not in str(caught.value)


def test_binary_tables_and_other_views_are_refused(root: Path) -> None:
    with pytest.raises(SkyfixError, match=r"CVUSA has no drone images\. Use satellite or ground"):
        CVUSA(root).train("drone")
    table(root).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SkyfixError, match="Cannot read the split table"):
        _ = CVUSA(root).places


def test_the_registry_knows_it(root: Path) -> None:
    assert "cvusa" in names()
    assert open_dataset(f"cvusa:{root}").places == CVUSA(root).places


def test_training_places_can_be_held_out(root: Path) -> None:
    dataset = CVUSA(root)
    training, validation = split_places(dataset, fraction=0.4, seed=0)
    assert sorted((*training, *validation)) == list(dataset.places)
    held_out = HeldOut(dataset, validation)
    assert held_out.query("ground").labels.tolist() == [int(place) for place in validation]


def test_made_up_pairs_show_the_same_ground(root: Path) -> None:
    """North lies in the middle of a panorama, the centre of the satellite image below."""
    for place in CVUSA(root).places:
        satellite = np.asarray(Image.open(root / f"bingmap/19/{place}.jpg"))
        panorama = np.asarray(Image.open(root / f"streetview/panos/{place}.jpg"))
        height, width, _ = panorama.shape
        expected = unrolled(satellite, height, width)
        turned = np.roll(expected, width // 4, axis=1)
        same, other = (
            np.corrcoef(panorama.ravel(), image.ravel())[0, 1] for image in (expected, turned)
        )
        assert same > 0.8
        assert same > other + 0.3


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    folders = [generate(tmp_path / name, places=2, test_places=1, seed=4) for name in "ab"]
    for path in sorted(folders[0].rglob("*.*")):
        other = folders[1] / path.relative_to(folders[0])
        assert path.read_bytes() == other.read_bytes()


def test_positions_come_from_the_table_of_locations(root: Path) -> None:
    locations = root / "split_locations/all.csv"
    rows = [f"{40 + n},{-80 - n},{40.5 + n},{-80.5 - n},0\n" for n in range(1, 9)]
    locations.write_text("".join(rows))
    dataset = CVUSA(root)
    satellite, ground = dataset.query("satellite").positions, dataset.query("ground").positions
    assert satellite is not None and ground is not None
    assert (satellite.unit, ground.unit) == ("deg", "deg")
    assert satellite.values.tolist() == [[-86, 46], [-87, 47], [-88, 48]]
    assert ground.values.tolist() == [[-86.5, 46.5], [-87.5, 47.5], [-88.5, 48.5]]
    locations.write_text("".join(rows[:7]))
    assert CVUSA(root).train("ground").positions is not None
    with pytest.raises(SkyfixError, match=r"has 7 rows, one a place, but there are places 6 to 8"):
        CVUSA(root).query("ground")
    locations.write_text("here,there,x,y\n")
    with pytest.raises(SkyfixError, match="Cannot read the table of positions"):
        CVUSA(root).query("ground")
    locations.unlink()
    assert CVUSA(root).query("ground").positions is None


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SkyfixError, match=r"Cannot write .*file"):
        generate(tmp_path / "file")
