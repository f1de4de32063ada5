"""The reader of a user's own table of pairs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from skyfix.datasets.contract import is_linked
from skyfix.datasets.pairs import PairPlaces, Pairs
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.synthetic_drone import generate_pairs
from skyfix.errors import SkyfixError


def write(folder: Path, text: str, name: str = "pairs.csv") -> Path:
    """A table, and every image that it names."""
    (folder / name).write_text(text, encoding="utf-8")
    for cell in text.replace("\n", ",").replace(";", ",").split(","):
        if cell.strip().endswith((".jpg", ".png")):
            (folder / cell.strip()).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(folder / cell.strip())
    return folder / name


PLACES = """query,positives,lon,lat,split
a1.jpg,t2.png; t1.png,7.5,46.5,train
a2.jpg,t1.png;t2.png,,,train
b1.jpg,t3.png,8,47,train
c1.jpg,t5.png,9,48,test
,t4.png;t6.png,,,test
"""


def test_rows_that_form_places_give_labels(tmp_path):
    dataset = open_dataset(f"pairs:{write(tmp_path, PLACES)}")
    assert isinstance(dataset, PairPlaces)
    assert not is_linked(dataset)
    assert dataset.places == ("t1.png", "t3.png")
    drone, tiles = dataset.train("drone"), dataset.train("satellite")
    assert [path.name for path in drone.paths] == ["a1.jpg", "a2.jpg", "b1.jpg"]
    assert drone.labels.tolist() == [0, 0, 2]
    assert [path.name for path in tiles.paths] == ["t1.png", "t2.png", "t3.png"]
    assert tiles.labels.tolist() == [0, 0, 2]
    assert dataset.query("drone").labels.tolist() == [4]
    assert dataset.query("satellite").labels.tolist() == [4]
    assert dataset.gallery("satellite").labels.tolist() == [3, 4, 5]
    assert drone.positions.values[[0, 2]].tolist() == [[7.5, 46.5], [8, 47]]
    assert np.isnan(drone.positions.values[1]).all()


def test_rows_that_overlap_in_part_give_links(tmp_path):
    text = "query,positives\nb.jpg,t2.png;t3.png\na.jpg,t1.png;t2.png\n,t0.png\n"
    dataset = open_dataset(f"pairs@ground:{write(tmp_path, text)}")
    assert isinstance(dataset, Pairs)
    assert is_linked(dataset)
    query, gallery = dataset.query("ground"), dataset.gallery("satellite")
    matches = dataset.matches("ground")
    assert [path.name for path in query.paths] == ["a.jpg", "b.jpg"]
    assert [path.name for path in gallery.paths] == ["t0.png", "t1.png", "t2.png", "t3.png"]
    assert (matches.start.tolist(), matches.columns.tolist()) == ([0, 2, 4], [1, 2, 2, 3])
    assert not matches.semi.any()
    assert query.positions is None
    assert [path.name for path in dataset.query("satellite").paths] == [
        "t1.png",
        "t2.png",
        "t3.png",
    ]
    with pytest.raises(SkyfixError, match=r"No row of .* is for training. Say in a column split"):
        dataset.train("ground")
    with pytest.raises(SkyfixError, match=r"has no drone images. Use ground or satellite"):
        dataset.query("drone")


@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=6))
def test_labels_are_given_only_if_they_tell_the_matches(tmp_path_factory, tiles):
    folder = tmp_path_factory.mktemp("pairs")
    rows = (f"q{row}.jpg,{';'.join(f't{t}.png' for t in own)}\n" for row, own in enumerate(tiles))
    table = write(folder, "".join(("query,positives\n", *rows)))
    dataset = open_dataset(f"pairs:{table}")
    clean = all(one == other or not one & other for one in tiles for other in tiles)
    assert isinstance(dataset, PairPlaces) == clean
    query, gallery = dataset.query("drone"), dataset.gallery("satellite")
    linked = None if clean else dataset.matches("drone")
    for row, path in enumerate(query.paths):
        if linked is None:
            columns = np.flatnonzero(gallery.labels == query.labels[row])
        else:
            columns = linked.columns[linked.start[row] : linked.start[row + 1]]
        found = {gallery.paths[column].name for column in columns}
        assert found == {f"t{tile}.png" for tile in tiles[int(path.stem[1:])]}


def test_the_generated_table_holds_a_distractor(tmp_path):
    dataset = open_dataset(f"pairs:{generate_pairs(tmp_path, places=2, test_places=2)}")
    assert len(dataset.train("drone")) == 4
    assert set(dataset.gallery("satellite").labels) - set(dataset.query("drone").labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column query"),
        ("query,tiles\na.jpg,t.png\n", "has no column positives"),
        ("query,positives,long\na.jpg,t.png,7\n", "has an unknown column long. Use query and"),
        ("query,positives\n", "is empty"),
        ("query,positives\na.jpg\n", "row 2 has not as many cells as the header"),
        ("query,positives\na.jpg,t.png,7\n", "row 2 has not as many cells as the header"),
        ("query,positives\na.jpg, ;\n", "row 2 names no positive"),
        ("query,positives,split\na.jpg,t.png,val\n", "row 2 has the split 'val'. Use train or te"),
        ("query,positives,split\n,t.png,train\n", "row 2 is for training and names no query"),
        ("query,positives\na.jpg,t.png\na.jpg,u.png\n", "row 3 names query a.jpg again"),
        ("query,positives,lon,lat\na.jpg,t.png,7,\n", "row 2: lon '7', lat '' is no position"),
        ("query,positives,lon,lat\na.jpg,t.png,46,99\n", "row 2: lon '46', lat '99' is no posi"),
        ("query,positives,lon,lat\na.jpg,t.png,nan,1\n", "row 2: lon 'nan', lat '1' is no posi"),
        ("query,positives\n../a.jpg,t.png\n", "row 2 leads out of the data set"),
        ('query,positives\na.jpg,"t.png\n', "Cannot read the table of pairs"),
    ],
)
def test_malformed_tables_are_named(tmp_path, text, message):
    table = write(tmp_path, text)
    with pytest.raises(SkyfixError, match=message) as caught:
        Pairs(table)
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(SkyfixError, match=r"No such table: .*pairs.csv. Expected a CSV with the"):
        open_dataset(f"pairs:{tmp_path}")
    table = write(tmp_path, "query,positives\na.jpg,t.png;u.png\n")
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "u.png").unlink()
    with pytest.raises(SkyfixError, match=r"names .*a.jpg, which is not there, and 1 more"):
        Pairs(table)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SkyfixError, match="Cannot read the table of pairs"):
        Pairs(table)


def test_a_byte_order_mark_and_other_names_are_fine(tmp_path):
    table = write(tmp_path, "\ufeffquery,positives\nmine/a.jpg,t.png\n", name="other.csv")
    assert [path.name for path in Pairs(table).query("drone").paths] == ["a.jpg"]
