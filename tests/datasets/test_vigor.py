"""The VIGOR reader on made-up cities with the true layout."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from skyfix.datasets.contract import is_linked
from skyfix.datasets.registry import open_dataset
from skyfix.datasets.synthetic_maps import generate_vigor
from skyfix.datasets.vigor import Vigor
from skyfix.errors import SkyfixError


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    return generate_vigor(tmp_path_factory.mktemp("vigor"), places=3, test_places=2)


@pytest.fixture
def own(made_up, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made_up, tmp_path / "vigor"))


def table(root: Path, split: str, city: str = "Seattle") -> list[list[str]]:
    names = {"train": "same_area_balanced_train", "test": "same_area_balanced_test"}
    text = (root / f"splits/{city}/{names.get(split, 'pano_label_balanced')}.txt").read_text()
    return [line.split() for line in text.splitlines()]


def test_same_area_uses_all_cities(made_up):
    dataset = open_dataset(f"vigor@same:{made_up}")
    assert is_linked(dataset)
    counts = [len(images) for images in (dataset.train("ground"), dataset.query("ground"))]
    assert counts == [4 * 3, 4 * 2]
    assert len(dataset.gallery("satellite")) == 4 * 16
    cities = {path.parent.name for path in dataset.query("ground").paths}
    assert cities == set(Vigor.CITIES)
    assert not set(dataset.train("ground").paths) & set(dataset.query("ground").paths)


def test_cross_area_keeps_cities_apart(made_up):
    dataset = open_dataset(f"vigor@cross:{made_up}")
    train, query = dataset.train("ground"), dataset.query("ground")
    assert {path.parent.name for path in train.paths} == {"NewYork", "Seattle"}
    assert {path.parent.name for path in query.paths} == {"Chicago", "SanFrancisco"}
    assert (len(train), len(query)) == (2 * 5, 2 * 5)
    gallery = dataset.gallery("satellite")
    assert {path.parent.name for path in gallery.paths} == {"Chicago", "SanFrancisco"}
    assert len(gallery) == 2 * 16
    assert not set(train.labels.tolist()) & set(gallery.labels.tolist())


@pytest.mark.parametrize("area", Vigor.CHOICES)
def test_matches_are_those_of_the_tables(made_up, area):
    dataset = Vigor(made_up, area)
    query, gallery, matches = dataset.query("ground"), dataset.gallery("satellite"), None
    matches = dataset.matches("ground")
    rows = {
        cells[0]: cells
        for city in Vigor.CITIES
        for cells in table(made_up, "test" if area == "same" else "cross", city)
    }
    assert len(matches.start) == len(query) + 1
    for row, path in enumerate(query.paths):
        links = slice(matches.start[row], matches.start[row + 1])
        names = [gallery.paths[column].name for column in matches.columns[links]]
        semi = dict(zip(names, matches.semi[links].tolist(), strict=True))
        cells = rows[path.name]
        assert semi == {cells[1]: False, cells[4]: True, cells[7]: True, cells[10]: True}
        positive = [name for name, is_semi in semi.items() if not is_semi]
        label = gallery.labels[[tile.name for tile in gallery.paths].index(positive[0])]
        assert query.labels[row] == label
    assert (matches.overlap == 1).all()


def test_training_tiles_are_those_that_are_linked(made_up):
    dataset = Vigor(made_up, "same")
    tiles, matches = dataset.train("satellite"), dataset.train_matches()
    assert np.unique(matches.columns).tolist() == list(range(len(tiles)))
    named = {
        cells[column]
        for city in Vigor.CITIES
        for cells in table(made_up, "train", city)
        for column in (1, 4, 7, 10)
    }
    assert {path.name for path in tiles.paths} == named
    labels = dataset.train("ground").labels
    first = matches.columns[~matches.semi]
    assert tiles.labels[first].tolist() == labels.tolist()


def test_tiles_may_ask_too(made_up):
    dataset = Vigor(made_up, "same")
    query, gallery = dataset.query("satellite"), dataset.gallery("ground")
    matches = dataset.matches("satellite")
    assert set(query.labels.tolist()) == set(gallery.labels.tolist())
    for row in range(len(query)):
        links = slice(matches.start[row], matches.start[row + 1])
        good = matches.columns[links][~matches.semi[links]]
        assert set(gallery.labels[good].tolist()) == {int(query.labels[row])}


def test_positions_come_from_the_names(made_up):
    dataset = Vigor(made_up, "same")
    tile, panorama = dataset.gallery("satellite"), dataset.query("ground")
    _, lat, lon = tile.paths[0].stem.split("_")
    assert tile.positions.values[0].tolist() == [float(lon), float(lat)]
    _, lat, lon, _ = panorama.paths[0].name.split(",")
    assert panorama.positions.values[0].tolist() == [float(lon), float(lat)]
    assert tile.positions.unit == "deg"


def test_cities_may_hold_their_views(own):
    expected = Vigor(own, "same").query("ground")
    for city in Vigor.CITIES:
        (own / city).mkdir()
        (own / "ground" / city).rename(own / city / "panorama")
        (own / "satellite" / city).rename(own / city / "satellite")
    dataset = Vigor(own, "same")
    assert dataset.query("ground").labels.tolist() == expected.labels.tolist()
    assert dataset.query("ground").paths[0].parent == own / "Chicago/panorama"
    assert dataset.gallery("satellite").places[0].startswith("Chicago/satellite_")


def test_cross_area_needs_its_own_cities_only(own):
    for city in ("NewYork", "Seattle"):
        shutil.rmtree(own / "ground" / city)
    dataset = Vigor(own, "cross")
    assert len(dataset.query("ground")) == 10
    with pytest.raises(SkyfixError, match=r"has no ground/NewYork. Expected .* NewYork/panorama/"):
        dataset.train("ground")
    (own / "splits/Chicago/satellite_list.txt").unlink()
    with pytest.raises(SkyfixError, match=r"has no splits/Chicago/satellite_list.txt"):
        Vigor(own, "cross").query("ground")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.split()[0], "line 1 has 1 columns. Expected 13"),
        (lambda line: line.replace(line.split()[4], "none.png"), "names tile Chicago/none.png, wh"),
        (lambda line: f"../{line}", "leads out of the data set"),
        (lambda line: f"x{line}", "which is not there"),
        (lambda line: "", "is empty"),
    ],
)
def test_malformed_tables_are_named(own, change, message):
    path = own / "splits/Chicago/same_area_balanced_test.txt"
    path.write_text(change(path.read_text().splitlines()[0]))
    with pytest.raises(SkyfixError, match=message) as caught:
        Vigor(own, "same").query("ground")
    assert "\n" not in str(caught.value)


def test_tile_lists_are_checked(own):
    path = own / "splits/Chicago/satellite_list.txt"
    tiles = path.read_text()
    path.write_text(tiles + tiles.splitlines()[0])
    with pytest.raises(SkyfixError, match="lists a tile twice"):
        Vigor(own, "same").query("ground")
    path.write_text(tiles + "a.png\nb.png\n")
    with pytest.raises(SkyfixError, match=r"names .*a.png, which is not there, and 1 more"):
        Vigor(own, "same").query("ground")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SkyfixError, match="Cannot read the split table"):
        Vigor(own, "same").query("ground")


def test_other_folders_areas_and_views(made_up, tmp_path):
    with pytest.raises(SkyfixError, match=r"has no splits. Expected splits/<City>/satellite_list"):
        Vigor(tmp_path, "same")
    with pytest.raises(SkyfixError, match=r"has no area 'all'. Use same or cross"):
        Vigor(made_up, "all")
    with pytest.raises(SkyfixError, match=r"vigor needs a choice of area.* same, cross"):
        open_dataset(f"vigor:{made_up}")
    with pytest.raises(SkyfixError, match=r"VIGOR has no drone images. Use satellite or ground"):
        Vigor(made_up, "same").query("drone")
