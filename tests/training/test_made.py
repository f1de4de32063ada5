"""Pairs that are made while training."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from grounds_made_up import (
    GROUNDS,
    PAIRS,
    SOURCES,
    write_both,
    write_ground,
    write_pairs,
    write_picture,
    write_table,
)
from PIL import Image
from torch.utils.data import DataLoader

from skyfix.datasets.grounds import Grounds
from skyfix.errors import SkyfixError
from skyfix.training.batches import Shard, StepImages
from skyfix.training.made import MadePairs

WHOLE = Shard()


pytestmark = pytest.mark.usefixtures("opencv_threads")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Grounds:
    return Grounds(write_both(tmp_path_factory.mktemp("grounds")))


def batches(
    grounds: Grounds, size: int = 8, side_px: int = 64, seed: int = 0, shard: Shard = WHOLE
) -> MadePairs:
    return MadePairs(grounds, size, side_px, seed, shard)


def equal(one: StepImages, other: StepImages) -> bool:
    return all(torch.equal(one.images[view], other.images[view]) for view in one.images)


def test_a_batch_holds_pairs_of_images_of_different_places(both: Grounds) -> None:
    batch = batches(both)[0]
    for view in ("satellite", "drone"):
        assert batch.images[view].shape == (8, 3, 64, 64)
        assert batch.images[view].dtype == torch.uint8
        assert batch.places[view].tolist() == list(range(8))
        assert torch.isnan(batch.altitude_m[view]).all()
    assert (batch.overlaps, batch.unreadable) == (None, ())


def test_a_batch_is_a_pure_function_of_seed_and_number(both: Grounds) -> None:
    made = batches(both)
    # In another order, by another object.
    later, first = made[5], made[2]
    again = batches(both)
    assert equal(again[2], first)
    assert equal(again[5], later)
    assert not equal(first, later)
    assert not equal(batches(both, seed=1)[2], first)


def test_processes_share_a_batch(both: Grounds) -> None:
    whole = batches(both)[3]
    shares = [batches(both, shard=Shard(rank, 2))[3] for rank in range(2)]
    for view, images in whole.images.items():
        assert torch.equal(torch.cat([share.images[view] for share in shares]), images)
        assert torch.equal(torch.cat([share.places[view] for share in shares]), whole.places[view])


def test_an_epoch_is_as_many_pairs_as_there_are(both: Grounds) -> None:
    assert batches(both, size=2).batches_per_epoch == (8 + 1) // 2
    assert batches(both, size=64).batches_per_epoch == 1


def test_a_place_is_in_a_batch_once(tmp_path: Path) -> None:
    write_pairs(tmp_path / "real", places=3, photos=4)
    write_table(tmp_path / "sources.csv", SOURCES, ["real", 1, 4])
    data = Grounds(tmp_path)
    assert len(batches(data, size=3)[0].places["drone"]) == 3
    with pytest.raises(SkyfixError, match=r"real gives 3 places at most, its share .* is 4"):
        batches(data, size=4)[0]


def test_tiles_of_a_ground_do_not_show_the_same(tmp_path: Path) -> None:
    write_ground(tmp_path / "map", side_px=100, least_px=80, most_px=80)
    write_table(tmp_path / "sources.csv", SOURCES, ["map", 1, 4])
    with pytest.raises(SkyfixError, match=r"map gives 1 places at most, its share of a batch is 4"):
        batches(Grounds(tmp_path), size=4)[0]


def plain_and_striped(folder: Path) -> None:
    """Two pictures that no season and no camera makes alike."""
    folder.mkdir(parents=True)
    striped = np.zeros((96, 96, 3), np.uint8)
    striped[:, (np.arange(96) // 12) % 2 == 1] = 230
    Image.fromarray(striped).save(folder / "striped.png")
    Image.fromarray(np.full_like(striped, 110)).save(folder / "plain.png")


@pytest.mark.parametrize("kind", ["pairs", "grounds"])
def test_both_sides_of_a_row_show_one_place(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "two"
    plain_and_striped(folder)
    names = ("plain.png", "striped.png")
    if kind == "pairs":
        write_table(folder / "pairs.csv", PAIRS, *([n, n, n, n, 0] for n in names))
    else:
        write_table(folder / "grounds.csv", GROUNDS, *([n, "", 60, 90] for n in names))
    write_table(tmp_path / "sources.csv", SOURCES, ["two", 1, 1])
    made = batches(Grounds(tmp_path), size=2)
    striped = []
    for number in range(24):
        # Of the middle: a border may be black.
        middles = [images[..., 16:48, 16:48].float() for images in made[number].images.values()]
        striped.append([int(middle.std(dim=(1, 2, 3)).argmax()) for middle in middles])
    satellite, drone = np.array(striped).T
    # Now and then a rectangle covers a plain image.
    assert (satellite == drone).sum() >= 21
    assert 4 < satellite.sum() < 20


def test_loaders_do_not_wait_for_threads_that_stayed_with_their_parent(both: Grounds) -> None:
    cv2.setNumThreads(8)
    cv2.GaussianBlur(np.zeros((4000, 4000), np.uint8), (0, 0), 5)
    made = batches(both, side_px=256)
    # Whether a child does wait is a matter of chance; that no threads are left to wait for is not.
    assert cv2.getNumThreads() == 1
    loader = DataLoader(made, batch_size=None, sampler=range(4), num_workers=2, timeout=60)
    seen = list(loader)
    assert all(equal(one, made[number]) for number, one in enumerate(seen))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["ground.png", "", 300, 400], "tiles of 300 px and more, but at most 200 px"),
        (["ground.png", "", 90, 60], "tiles of 90 px and more, but at most 60 px"),
        (["ground.png", "small.png", 60, 90], "small.png is not of the size of .*ground.png"),
        (["missing.png", "", 60, 90], "missing.png"),
    ],
)
def test_unfit_pictures_are_named(tmp_path: Path, row: list[object], message: str) -> None:
    write_picture(tmp_path / "map" / "ground.png", 200, 0)
    write_picture(tmp_path / "map" / "small.png", 100, 0)
    write_table(tmp_path / "map" / "grounds.csv", GROUNDS, row)
    write_table(tmp_path / "sources.csv", SOURCES, ["map", 1, 2])
    with pytest.raises(SkyfixError, match=message) as caught:
        batches(Grounds(tmp_path), size=2)
    assert "\n" not in str(caught.value)
