"""Pairs rendered from a map and its heights."""

from pathlib import Path

import numpy as np
import pytest
from rasters import texture, write_map

from skyfix.datasets.grounds import SOURCE_TABLE, Grounds
from skyfix.errors import SkyfixError
from skyfix.files import write_csv
from skyfix.images import read_image
from skyfix.training.rendered_pairs import render_pairs


@pytest.fixture
def ground(tmp_path: Path) -> tuple[Path, Path]:
    """A map of 200 x 150 m and its heights."""
    heights = (20 * (texture(400, 300, bands=1, seed=1) > 150)).astype(np.float32)
    return (
        write_map(tmp_path / "map.tif", texture(400, 300)),
        write_map(tmp_path / "dsm.tif", heights),
    )


def test_every_place_has_a_tile_and_views_that_differ(
    ground: tuple[Path, Path], tmp_path: Path
) -> None:
    render_pairs(*ground, tmp_path / "rendered", 40.0, 64, 4, seed=0)
    write_csv(tmp_path / SOURCE_TABLE, ("folder", "share", "together"), [["rendered", 1, 4]])
    (source,) = Grounds(tmp_path).sources
    by_place: dict[str, set[bytes]] = {}
    for pair in source.items:
        assert read_image(pair.satellite).size == read_image(pair.drone).size == (64, 64)
        by_place.setdefault(pair.place, set()).add(read_image(pair.drone).tobytes())
    assert len(by_place) >= 4
    assert all(len(views) == 3 for views in by_place.values())


def test_the_same_seed_renders_the_same(ground: tuple[Path, Path], tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        render_pairs(*ground, tmp_path / name, 60.0, 32, 2, seed=seed)
    one, same, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("one", "same", "other")
    )
    assert one == same
    assert one != other


def test_too_little_ground_is_told(ground: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match=r"room for \d+ tiles of 100 m, half a batch takes 16"):
        render_pairs(*ground, tmp_path / "rendered", 100.0, 32, 16, seed=0)
