"""Folders of training ground: what is read, what is kept apart, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from grounds_made_up import (
    GROUNDS,
    PAIRS,
    SOURCES,
    write_both,
    write_ground,
    write_pairs,
    write_table,
)

from skyfix.datasets.grounds import Ground, Grounds, Pair
from skyfix.errors import SkyfixError


def test_pairs_and_grounds_of_a_folder(tmp_path: Path) -> None:
    real, ground = Grounds(write_both(tmp_path)).sources
    assert (real.name, real.share, real.together, len(real.items)) == ("real", 0.5, 2, 8)
    assert real.items[3] == Pair(
        tmp_path / "real" / "3.png", tmp_path / "real" / "3_0.png", "place 3", "cluster 1"
    )
    assert ground.items == (Ground(tmp_path / "map" / "ground.png", None, 60, 90),)


def test_places_apart_are_asked_for_among_all_places(tmp_path: Path) -> None:
    write_pairs(tmp_path / "real", places=5, photos=2, apart=2)
    write_table(tmp_path / "sources.csv", SOURCES, ["real", 1, 1])
    data = Grounds(tmp_path)
    assert [pair.place for pair in data.sources[0].items] == [
        f"place {number}" for number in (0, 0, 1, 1, 2, 2)
    ]  # fmt: skip
    photos, tiles = data.query("drone"), data.gallery("satellite")
    assert [path.name for path in photos.paths] == ["3_0.png", "3_1.png", "4_0.png", "4_1.png"]
    assert len(tiles) == 5
    for photo, label in zip(photos.paths, photos.labels, strict=True):
        true = np.array(tiles.paths)[tiles.labels == label]
        assert [path.stem for path in true] == [photo.stem.partition("_")[0]]
    assert len(data.query("satellite")) == len(data.gallery("drone")) / 2 == 2


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match=r"Cannot read .*sources.csv"):
        Grounds(tmp_path / "nowhere")


BAD_SHARES = ("many", "nan", "inf", "-1", "0")


@pytest.mark.parametrize(
    ("table", "header", "row", "message"),
    [
        ("sources.csv", SOURCES, None, "names no source"),
        ("real/pairs.csv", "satellite,drone,place", ["0.png", "0_0.png", "a"],
         "pairs.csv, line 2: give satellite, drone, place, cluster, apart"),
        ("real/pairs.csv", PAIRS, ["0.png", "0_0.png", "a", "a", 1], "holds no training pair"),
        ("real/pairs.csv", "\udcff", None, r"Cannot read .*pairs.csv"),
        ("map/grounds.csv", GROUNDS, ["ground.png", ""],
         "grounds.csv, line 2: give file, other, least_px, most_px"),
        ("map/grounds.csv", GROUNDS, None, "grounds.csv is empty"),
        ("map/grounds.csv", None, None, r"Cannot read .*grounds.csv"),
        ("map/grounds.csv", GROUNDS, ["ground.png", "", "inf", 90],
         "least_px is no number above 0: 'inf'"),
        ("sources.csv", SOURCES, ["real", 0.5, "nan"], "together is no number above 0"),
        *(("sources.csv", SOURCES, ["real", share, 2], f"share is no number above 0: '{share}'")
          for share in BAD_SHARES),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_in_a_line(
    tmp_path: Path, table: str, header: str | None, row: list[object] | None, message: str
) -> None:
    path = write_both(tmp_path) / table
    path.unlink()
    if header is not None:
        write_table(path, header, *([row] if row else []))
    with pytest.raises(SkyfixError, match=message) as caught:
        Grounds(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_source_of_grounds_needs_no_pairs(tmp_path: Path) -> None:
    write_ground(tmp_path / "map", 200, 60, 90)
    write_table(tmp_path / "sources.csv", SOURCES, ["map", 1, 4])
    data = Grounds(tmp_path)
    assert len(data.sources[0].items) == 1
    assert len(data.query("drone")) == 0
