"""Sharded search on a cluster of two nodes: the same answers, through the death of shards."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clusters import cluster, processes, wait_for_processes
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.sharded import ShardedMatches, ShardedSearch

pytest.importorskip("ray", reason="ray is not installed: pip install 'skyfix[ray]'")

pytestmark = [pytest.mark.full, pytest.mark.slow]

SHARDS = 4


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def sharded(gallery: Gallery, address: str) -> Iterator[ShardedSearch]:
    with ShardedSearch(gallery, address, SHARDS) as search:
        yield search


def queries_of(gallery: Gallery, number: int) -> np.ndarray:
    mixed = gallery.descriptors[:: len(gallery) // number][:number] + np.float32(0.1)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def near(gallery: Gallery, row: int, radius_m: float) -> tuple[float, float, float]:
    return float(gallery.tiles.lon[row]), float(gallery.tiles.lat[row]), radius_m


def assert_equal(found: ShardedMatches, gallery: Gallery, queries: np.ndarray, k: int, at) -> None:
    expected = gallery.search(queries, k, at)
    assert not found.partial
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.scores.view(np.int32), expected.scores.view(np.int32))


@pytest.mark.parametrize("number", [1, 13])
@pytest.mark.parametrize("k", [1, 10, 5000])
def test_answers_are_those_of_one_machine(
    sharded: ShardedSearch, gallery: Gallery, number: int, k: int
) -> None:
    queries = queries_of(gallery, number)
    for at in (None, near(gallery, 100, 25), near(gallery, 900, 90), (0.0, 0.0, 1000.0)):
        assert_equal(sharded.search(queries, k, at), gallery, queries, k, at)


def test_a_circle_asks_only_the_shards_that_it_meets(
    sharded: ShardedSearch, gallery: Gallery
) -> None:
    assert len(sharded) == SHARDS
    queries = queries_of(gallery, 2)
    assert sharded.search(queries, 3).asked == tuple(range(SHARDS))
    asked = [
        set(sharded.search(queries, 3, near(gallery, row, 8)).asked)
        for row in range(0, len(gallery), 100)
    ]
    assert min(map(len, asked)) == 1 and set.union(*asked) == set(range(SHARDS))
    assert sharded.search(queries, 3, (0.0, 0.0, 1000.0)).asked == ()


def test_a_killed_shard_starts_again_and_a_hasty_answer_says_that_it_is_partial(
    sharded: ShardedSearch, gallery: Gallery
) -> None:
    queries, k = queries_of(gallery, 3), len(gallery)
    for pid in wait_for_processes("Shard", SHARDS)[:2]:
        os.kill(pid, signal.SIGKILL)
    hasty = sharded.search(queries, k, timeout_s=0.5)
    assert hasty.partial and hasty.missing
    found = set(hasty.rows[0]) - {-1}
    lost = set(np.concatenate([sharded._rows[shard] for shard in hasty.missing]))
    assert found == set(range(k)) - lost
    assert_equal(sharded.search(queries, k), gallery, queries, k, None)
    assert len(wait_for_processes("Shard", SHARDS)) == SHARDS


def test_a_reduced_gallery(map_path: Path, tmp_path: Path, address: str) -> None:
    short = Gallery.build(map_path, tmp_path / "short", MeanColours(), 20, 8, dims=12)
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(6, short.dimensions)).astype(np.float32)
    with ShardedSearch(short.path, address, 3) as search:
        assert_equal(search.search(queries, 30), short, queries, 30, None)


def test_a_gallery_that_changed_is_refused(map_path: Path, tmp_path: Path, address: str) -> None:
    old = Gallery.build(map_path, tmp_path / "g", MeanColours(), 20, 10)
    queries = queries_of(old, 2)
    others = set(processes("Shard"))
    with ShardedSearch(old, address, 2) as search:
        own = set(processes("Shard")) - others
        assert_equal(search.search(queries, 5), old, queries, 5, None)
        more = write_map(tmp_path / "more.tif", texture(200, 200, seed=9))
        old.add([more], MeanColours())
        assert len(own) == 2
        for pid in own:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(SkyfixError, match="changed") as caught:
            search.search(queries, 5)
        assert "\n" not in str(caught.value)


def test_unfit_questions_are_refused_in_one_line(
    sharded: ShardedSearch, gallery: Gallery, tmp_path: Path, address: str
) -> None:
    good = queries_of(gallery, 2)
    for because, call in (
        ("shape", lambda: sharded.search(good[:, :-1], 3)),
        ("k is 0", lambda: sharded.search(good, 0)),
        ("not on Earth", lambda: sharded.search(good, 3, (15, 95, 100))),
        ("0 shards", lambda: ShardedSearch(gallery, address, 0)),
        ("GiB", lambda: ShardedSearch(gallery, address, len(gallery))),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            call()
        assert "\n" not in str(caught.value)
