"""Photos of one town searched in the maps of another: a plain no, not the likeliest place."""

import csv
from pathlib import Path

import numpy as np
import pytest

from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize import Fix, locate_many, read_poses
from skyfix.world.sample import SampleSize, write_sample

SIZE = SampleSize(
    training_places=1, test_places=1, views=1, photos=10, map_m=600.0, view_px=64, gsd_m=0.5
)
TILE_M, STRIDE_M = 100.0, 25.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("towns")
    return [write_sample(folder / str(seed), seed, SIZE) for seed in (0, 1)]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder("imagenet")


@pytest.fixture(scope="module")
def home(towns: list[Path], embedder: Embedder) -> Gallery:
    """The map of the first town."""
    out = towns[0].parent / "gallery"
    return Gallery.build(towns[0] / "map.tif", out, embedder, TILE_M, STRIDE_M)


def fixes(town: Path, home: Gallery, embedder: Embedder) -> list[Fix]:
    photos = sorted((town / "photos").glob("*.jpg"))
    table = read_poses(town / "photos" / "poses.csv")
    poses = [table.of(photo) for photo in photos]
    return locate_many(photos, home, poses=poses, embedder=embedder)


def test_photos_of_another_town_are_refused(towns, home, embedder) -> None:
    """Towns of one generator are more alike than real ones: 8 of 10 are refused today."""
    found = fixes(towns[1], home, embedder)
    assert len(found) == SIZE.photos
    refused = [fix for fix in found if not fix.located]
    assert len(refused) >= 0.8 * len(found)
    for fix in refused:
        assert fix.lon is None
        assert fix.confidence < 0.5
        assert "No place stands out" in fix.reason


def test_photos_of_the_town_itself_are_located(towns, home, embedder) -> None:
    found = fixes(towns[0], home, embedder)
    with (towns[0] / "photos" / "truth.csv").open(newline="") as stream:
        truth = [
            (float(row["ground_lon"]), float(row["ground_lat"])) for row in csv.DictReader(stream)
        ]
    errors_m = [
        float(distance_m(fix.lon, fix.lat, *place)) if fix.located else np.inf
        for fix, place in zip(found, truth, strict=True)
    ]
    assert sum(np.array(errors_m) < TILE_M / 2) >= 0.9 * len(found)
