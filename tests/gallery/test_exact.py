"""Scores and order that do not depend on how the products were worked out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyfix.gallery import Gallery
from skyfix.gallery.exact import best_of, exact
from skyfix.gallery.nearby import Cap, rows_near
from skyfix.gallery.search import Matches, nearest
from skyfix.gallery.space_filling import compact_groups, hilbert_key


def unit(shape: tuple[int, int], seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def found(queries: np.ndarray, tiles: np.ndarray, rows: np.ndarray, k: int) -> Matches:
    """``exact`` among some rows, which are multiplied in one go."""
    return exact(
        queries,
        k,
        len(rows),
        lambda some, most: nearest(some, [(rows, tiles[rows])] if len(rows) else [], most),
        lambda wanted: tiles[wanted],
    )


def reference(queries: np.ndarray, tiles: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Everything in double precision, sorted in full."""
    products = queries.astype(np.float64) @ tiles.astype(np.float64).T
    scores = products.astype(np.float32)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, 1)


@pytest.mark.parametrize("queries", [1, 2, 7])
def test_parts_give_what_the_whole_gives(queries: int) -> None:
    """Single precision alone does not: its products differ with the sizes of the matrices."""
    asked, tiles, k = unit((queries, 256), 1), unit((3000, 256), 2), 40
    tiles[1500:] = tiles[:1500]
    whole = found(asked, tiles, np.arange(3000), k)
    groups = np.array_split(np.random.default_rng(3).permutation(3000), 7)
    parts = best_of([found(asked, tiles, np.sort(group), k) for group in groups], k)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_array_equal(whole.scores.view(np.int32), parts.scores.view(np.int32))
    rows, scores = reference(asked, tiles, k)
    np.testing.assert_array_equal(whole.rows, rows)
    np.testing.assert_array_equal(whole.scores, scores)
    assert (whole.rows[:, 1] == whole.rows[:, 0] + 1500).all(), "twins rank by row"


def test_more_equal_tiles_than_spare_candidates() -> None:
    """900 copies of two tiles, in an order that single precision may shuffle."""
    pair = unit((2, 64), 4)
    tiles = pair[np.random.default_rng(5).integers(0, 2, 900)]
    asked = unit((5, 64), 6)
    best = found(asked, tiles, np.arange(900), 11)
    rows, scores = reference(asked, tiles, 11)
    np.testing.assert_array_equal(best.rows, rows)
    np.testing.assert_array_equal(best.scores, scores)


def test_fewer_tiles_than_asked_for() -> None:
    asked, tiles = unit((3, 8), 7), unit((4, 8), 8)
    best = found(asked, tiles, np.arange(4), 6)
    assert best.rows.shape == best.scores.shape == (3, 6)
    assert (np.sort(best.rows[:, :4]) == np.arange(4)).all() and (best.rows[:, 4:] == -1).all()
    none = found(asked, tiles, np.arange(0), 2)
    assert (none.rows == -1).all() and np.isneginf(none.scores).all()


def test_scores_do_not_depend_on_the_company(gallery: Gallery) -> None:
    queries = gallery.descriptors[::97]
    together = gallery.search(queries, 20)
    for index in range(len(queries)):
        alone = gallery.search(queries[index : index + 1], 20)
        np.testing.assert_array_equal(alone.rows[0], together.rows[index])
        np.testing.assert_array_equal(alone.scores[0], together.scores[index])


def test_the_curve_visits_every_cell_once_and_moves_by_one() -> None:
    """The first 4^6 cells of the curve fill a square of 64 x 64."""
    y, x = (one.ravel() for one in np.mgrid[:64, :64])
    order = np.argsort(hilbert_key(x, y))
    np.testing.assert_array_equal(hilbert_key(x, y)[order], np.arange(64**2))
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()


@given(st.integers(1, 60), st.integers(1, 12), st.floats(-180, 180), st.floats(-80, 80))
def test_groups_are_a_partition(tiles: int, groups: int, lon: float, lat: float) -> None:
    rng = np.random.default_rng(tiles)
    lons = (lon + rng.uniform(0, 0.1, tiles) + 180) % 360 - 180
    made = compact_groups(lons, lat + rng.uniform(0, 0.1, tiles), min(groups, tiles))
    np.testing.assert_array_equal(np.sort(np.concatenate(made)), np.arange(tiles))
    assert all((np.diff(group) > 0).all() for group in made)
    sizes = [len(group) for group in made]
    assert max(sizes) - min(sizes) <= 1


def test_groups_are_compact_across_the_antimeridian() -> None:
    lat, lon = (one.ravel() for one in np.mgrid[-17:-16:40j, 179.5:180.5:40j])
    lon = np.where(lon > 180, lon - 360, lon)
    groups = compact_groups(lon, lat, 16)
    reaches = [Cap(lon[group], lat[group])._reach for group in groups]
    assert np.degrees(max(reaches)) < 0.35


@given(
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.floats(1, 3e6),
    st.floats(-180, 180),
    st.floats(-85, 85),
)
def test_a_cap_misses_no_position_of_a_circle(
    lon: float, lat: float, radius_m: float, at_lon: float, at_lat: float
) -> None:
    rng = np.random.default_rng(0)
    lons = (at_lon + rng.uniform(-5, 5, 20) + 180) % 360 - 180
    lats = at_lat + rng.uniform(-5, 5, 20)
    near = (lon, lat, radius_m)
    if len(rows_near(lons, lats, near)):
        assert Cap(lons, lats).meets(near)


def test_a_cap_misses_what_is_far() -> None:
    cap = Cap(np.array([10.0, 10.01]), np.array([50.0, 50.01]))
    assert cap.meets((10.0, 50.02, 1500)) and not cap.meets((10.0, 50.02, 500))
    assert not cap.meets((-170.0, -50.0, 1000))
