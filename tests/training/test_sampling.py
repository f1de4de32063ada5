"""Who meets whom in a batch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.datasets.contract import Matches, Positions
from skyfix.datasets.links import matches_of
from skyfix.errors import SkyfixError
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Sampler
from skyfix.training.batches import Shard, StepDataset, ViewImages
from skyfix.training.sampling import (
    EachView,
    LinkedPairs,
    Places,
    confusable,
    nearest_places,
)


def rows(places: int, images: int) -> list[np.ndarray]:
    return [np.arange(place * images, (place + 1) * images) for place in range(places)]


def places_drawing(sampler: Sampler, places: int = 10, **options: object) -> Places:
    sides = {"satellite": rows(places, 1), "drone": rows(places, 3)}
    return Places(sides, sampler, 0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep_last", [False, True])
def test_views_are_shuffled_on_their_own(keep_last: bool) -> None:
    sampler = Sampler(batch_size=4, keep_last=keep_last)
    drawing = EachView({"satellite": 10, "drone": 30}, sampler, seed=1)
    assert drawing.batches_per_epoch == (3 if keep_last else 2)
    batches = [drawing(0, position).rows for position in range(drawing.batches_per_epoch)]
    satellite = np.concatenate([batch["satellite"] for batch in batches])
    assert len(set(satellite)) == len(satellite) == (10 if keep_last else 8)
    assert all(len(batch["satellite"]) == len(batch["drone"]) for batch in batches)
    assert drawing(0, 0).pairs is None


def test_every_place_comes_once_with_its_own_images() -> None:
    drawing = places_drawing(Sampler("places", batch_size=5, images_per_place=2))
    seen = []
    for position in range(drawing.batches_per_epoch):
        drawn = drawing(3, position)
        assert drawn.pairs is not None
        np.testing.assert_array_equal(drawn.rows["satellite"], drawn.pairs["satellite"])
        np.testing.assert_array_equal(drawn.rows["drone"] // 3, drawn.pairs["drone"])
        np.testing.assert_array_equal(drawn.pairs["drone"], np.repeat(drawn.pairs["satellite"], 2))
        pairs = drawn.rows["drone"].reshape(-1, 2)
        assert (pairs[:, 0] != pairs[:, 1]).all()
        seen += drawn.pairs["satellite"].tolist()
    assert sorted(seen) == list(range(10))


def test_places_can_be_drawn_several_times_in_a_row() -> None:
    drawing = places_drawing(Sampler("places", batch_size=4, repeats=2))
    assert drawing.batches_per_epoch == 5
    drawn = [drawing(0, position) for position in range(5)]
    places = np.concatenate([batch.rows["satellite"] for batch in drawn])
    np.testing.assert_array_equal(places[::2], places[1::2])
    assert sorted(places[::2]) == list(range(10))
    drones = np.concatenate([batch.rows["drone"] for batch in drawn]).reshape(-1, 2)
    assert (drones[:, 0] != drones[:, 1]).any(), "images are drawn anew"


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 60), st.integers(1, 12), st.integers(0, 99))
def test_confusable_places_stand_together_and_all_once(places: int, size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Places on a line: the neighbours of each are the nearest ones.
    apart = np.abs(np.arange(places)[:, None] - np.arange(places)[None])
    neighbours = np.argsort(apart, axis=1, kind="stable")[:, 1:9]
    order = confusable(generator.permutation(places), neighbours, size, generator)
    assert sorted(order) == list(range(places))
    if places >= 40 and size >= 4:
        mined = np.abs(np.diff(order)).mean()
        assert mined < 0.7 * np.abs(np.diff(generator.permutation(places))).mean()


def test_mined_batches_hold_the_anchors_nearest() -> None:
    apart = np.abs(np.arange(40)[:, None] - np.arange(40)[None])
    neighbours = np.argsort(apart, axis=1, kind="stable")[:, 1:17]
    drawing = places_drawing(Sampler("places", batch_size=9), 40, neighbours=neighbours)
    first = drawing(0, 0).rows["satellite"]
    assert set(neighbours[first[0], :4]) <= set(first)
    assert set(first) <= {first[0], *neighbours[first[0]]}


def test_near_places_are_near_on_the_sphere() -> None:
    # At 60 degrees north a degree of longitude is half as far as one of latitude.
    lon_lat = np.array([[0, 60.0], [1.5, 60.0], [0, 61.0], [0, 65.0]])
    np.testing.assert_array_equal(nearest_places(Positions(lon_lat), 2)[0], [1, 2])
    flat = nearest_places(Positions(lon_lat, "m"), 2)
    np.testing.assert_array_equal(flat[0], [2, 1])
    # Several places at one spot are each other's neighbours, never their own.
    same = nearest_places(Positions(np.zeros((5, 2)), "m"), 3)
    assert all(row not in found and len(set(found)) == 3 for row, found in enumerate(same))


@st.composite
def links(draw: st.DrawFn) -> Matches:
    photos, tiles = draw(st.integers(4, 15)), draw(st.integers(4, 15))
    pairs = draw(
        st.sets(
            st.tuples(st.integers(0, photos - 1), st.integers(0, tiles - 1)),
            min_size=4,
            max_size=40,
        )
    )
    photo, tile = np.array(sorted(pairs)).T
    semi = np.array(draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))))
    return matches_of(photos, photo, tile, np.linspace(0.1, 1, len(pairs)), semi)


@settings(max_examples=60, deadline=None)
@given(links(), st.integers(1, 2))
def test_linked_pairs_exclude_each_other(matches: Matches, size: int) -> None:
    drawing = LinkedPairs(("satellite", "drone"), matches, Sampler("links", batch_size=size), 0)
    photos = np.repeat(np.arange(len(matches.start) - 1), np.diff(matches.start))
    linked = set(zip(photos.tolist(), matches.columns.tolist(), strict=True))
    assert drawing.batches_per_epoch == len(linked) // size
    try:
        drawn = [drawing(0, position) for position in range(drawing.batches_per_epoch)]
    except SkyfixError as error:
        assert size == 2 and "not linked to each other" in str(error)
        return
    for batch in drawn:
        sides = (batch.rows["drone"].tolist(), batch.rows["satellite"].tolist())
        for one, photo in enumerate(sides[0]):
            for other, tile in enumerate(sides[1]):
                assert ((photo, tile) in linked) == (one == other)
        assert batch.overlaps is not None
    if size == 1:
        assert {(int(b.rows["drone"][0]), int(b.rows["satellite"][0])) for b in drawn} == linked


def test_semi_positives_can_be_left_out() -> None:
    matches = matches_of(3, [0, 1, 2], [0, 1, 2], [0.9, 0.2, 0.8], [False, True, False])
    sampler = Sampler("links", batch_size=2, semi_positives=False)
    drawing = LinkedPairs(("satellite", "drone"), matches, sampler, 0)
    batch = drawing(0, 0)
    assert sorted(batch.rows["drone"]) == [0, 2]
    assert batch.overlaps is not None
    assert sorted(batch.overlaps) == [0.8, 0.9]


def test_processes_share_a_batch(tmp_path: Path) -> None:
    from PIL import Image

    paths = []
    for place in range(6):
        paths.append(tmp_path / f"{place}.png")
        Image.new("RGB", (8, 8), (40 * place, 0, 0)).save(paths[-1])
    plain = Preprocess((8, 8), (0.0,) * 3, (1.0,) * 3)
    views = {view: ViewImages(paths, np.arange(6)) for view in ("satellite", "drone")}
    augment = Augment(pad_px=2, joint_flip=0.5)

    def batch(shard: Shard) -> dict[str, object]:
        sampler = Sampler("places", batch_size=4)
        steps = StepDataset(views, sampler, augment, dict.fromkeys(views, plain), 0, shard=shard)
        return vars(steps[0])

    whole, parts = batch(Shard()), [batch(Shard(rank, 2)) for rank in range(2)]
    for view in views:
        for name in ("images", "places"):
            joined = np.concatenate([part[name][view] for part in parts])  # type: ignore[index]
            np.testing.assert_array_equal(joined, whole[name][view])  # type: ignore[index]
    with pytest.raises(SkyfixError, match="3 processes cannot share a batch of 4"):
        batch(Shard(0, 3))
