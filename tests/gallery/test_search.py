"""Exact search: against plain sorting, with ties, circles and too few tiles."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mean_colours import MeanColours
from pyproj import Geod
from rasters import texture, write_map

import skyfix.gallery.descriptors as descriptors_module
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery, kept_positions
from skyfix.gallery.nearby import rows_near
from skyfix.gallery.search import nearest

WGS84 = Geod(ellps="WGS84")


def reference(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """All scores sorted, equal ones in row order, padded."""
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, rows, axis=1)
    missing = ((0, 0), (0, max(k - scores.shape[1], 0)))
    return (
        np.pad(rows, missing, constant_values=-1),
        np.pad(best, missing, constant_values=-np.inf),
    )


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, (3, 4), elements=st.integers(-3, 3)),
    hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(4)), elements=st.integers(-3, 3)),
    st.integers(1, 50),
    st.integers(1, 15),
)
def test_nearest_is_a_stable_sort(
    queries: np.ndarray, tiles: np.ndarray, k: int, block: int
) -> None:
    """Small whole numbers: dot products are exact and full of ties, zeros of both signs too."""
    starts = range(0, len(tiles), block)
    blocks = [
        (np.arange(start, min(start + block, len(tiles))), tiles[start : start + block])
        for start in starts
    ]
    matches = nearest(queries, blocks, k)
    rows, scores = reference(queries @ tiles.T + np.float32(0), k)
    np.testing.assert_array_equal(matches.rows, rows)
    np.testing.assert_array_equal(matches.scores, scores)
    assert matches.rows.dtype == np.int64 and matches.scores.dtype == np.float32


def test_nearest_among_many_rows_is_a_stable_sort() -> None:
    """Enough rows for a second look at each block, few values for many ties."""
    rng = np.random.default_rng(0)
    queries = rng.integers(-1, 2, (5, 6)).astype(np.float32)
    tiles = rng.integers(-1, 2, (30_000, 6)).astype(np.float32)
    blocks = [(np.arange(s, s + 10_000), tiles[s : s + 10_000]) for s in (0, 10_000, 20_000)]
    matches = nearest(queries, blocks, 700)
    rows, scores = reference(queries @ tiles.T + np.float32(0), 700)
    np.testing.assert_array_equal(matches.rows, rows)
    np.testing.assert_array_equal(matches.scores, scores)


def test_every_tile_finds_itself(gallery: Gallery) -> None:
    rows = np.arange(0, len(gallery), 7)
    matches = gallery.search(gallery.descriptors[rows], 5)
    np.testing.assert_array_equal(matches.rows[:, 0], rows)
    np.testing.assert_allclose(matches.scores[:, 0], 1, atol=1e-6)
    expected_rows, expected = reference(gallery.descriptors[rows] @ gallery.descriptors.T, 5)
    np.testing.assert_allclose(matches.scores, expected, atol=1e-6)
    assert (matches.rows == expected_rows).mean() > 0.99


def test_half_precision_on_disk_hardly_moves_a_cosine(gallery: Gallery, tmp_path: Path) -> None:
    lengths = np.linalg.norm(gallery.descriptors, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(20, gallery.dimensions)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    half = gallery.descriptors.astype(np.float16).astype(np.float32)
    assert np.abs(queries @ (half - gallery.descriptors).T).max() < 5e-4


def test_near_keeps_to_the_circle(gallery: Gallery) -> None:
    tiles, centre = gallery.tiles, len(gallery) // 2
    query = gallery.descriptors[:1]
    lon, lat = tiles.lon[centre], tiles.lat[centre]
    distance = WGS84.inv(np.full(len(tiles), lon), np.full(len(tiles), lat), tiles.lon, tiles.lat)[
        2
    ]
    inside = np.flatnonzero(distance <= 30)
    matches = gallery.search(query, len(inside) + 3, near=(lon, lat, 30))
    np.testing.assert_array_equal(np.sort(matches.rows[0, :-3]), inside)
    assert (matches.rows[0, -3:] == -1).all() and np.isneginf(matches.scores[0, -3:]).all()
    scores = query @ gallery.descriptors[inside].T
    order, _ = reference(scores, 5)
    np.testing.assert_array_equal(matches.rows[0, :5], inside[order[0]])


def test_a_circle_off_the_map_finds_nothing(gallery: Gallery) -> None:
    matches = gallery.search(gallery.descriptors[:2], 3, near=(-70.0, -30.0, 500))
    assert matches.rows.shape == matches.scores.shape == (2, 3)
    assert (matches.rows == -1).all() and np.isneginf(matches.scores).all()


def test_no_queries_and_more_matches_than_tiles(gallery: Gallery) -> None:
    nothing = gallery.search(np.zeros((0, gallery.dimensions), np.float32), 4)
    assert nothing.rows.shape == nothing.scores.shape == (0, 4)
    everything = gallery.search(gallery.descriptors[:2], len(gallery) + 10)
    assert (np.sort(everything.rows[:, :-10]) == np.arange(len(gallery))).all()
    assert (everything.rows[:, -10:] == -1).all()


def test_galleries_too_large_for_memory_are_read_in_blocks(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = (gallery.tiles.lon[700], gallery.tiles.lat[700], 60.0)
    held = [gallery.search(gallery.descriptors[::50], 9, near=n) for n in (None, near)]
    queries = gallery.descriptors[::50]
    monkeypatch.setattr(descriptors_module, "HELD_BYTES", 0)
    fresh = Gallery.open(gallery.path)
    read = [fresh.search(queries, 9, near=n) for n in (None, near)]
    assert "matrix" not in vars(fresh._descriptors), "the whole matrix was loaded"
    for first, second in zip(held, read, strict=True):
        np.testing.assert_allclose(first.scores, second.scores, atol=1e-6)
        assert (first.rows == second.rows).mean() > 0.99


def files_in(gallery: Gallery) -> set[str]:
    return {path.name for path in (Path(gallery.path) / ".search").iterdir()}


@pytest.fixture
def large(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """A copy that counts as large, so that descriptors and positions are mapped from files."""
    shutil.copytree(gallery.path, tmp_path / "large")
    monkeypatch.setattr(descriptors_module, "MAPPED_BYTES", 0)
    monkeypatch.setattr(kept_positions, "KEPT_TILES", 0)
    return Gallery.open(tmp_path / "large")


def test_mapped_descriptors_give_the_same_answers(gallery: Gallery, large: Gallery) -> None:
    queries = gallery.descriptors[::50]
    near = (gallery.tiles.lon[700], gallery.tiles.lat[700], 60.0)
    scattered = np.arange(0, len(gallery), 3)
    for again in range(2):
        opened = Gallery.open(large.path) if again else large
        for k in (9, len(gallery)):
            first, second = (one.search(queries, k) for one in (gallery, opened))
            np.testing.assert_array_equal(first.rows, second.rows)
            np.testing.assert_allclose(first.scores, second.scores, atol=1e-6)
            first, second = (one.search(queries, k, near=near) for one in (gallery, opened))
            np.testing.assert_array_equal(first.rows, second.rows)
            first, second = (one.search_among(queries, k, scattered) for one in (gallery, opened))
            np.testing.assert_array_equal(first.rows, second.rows)
        np.testing.assert_array_equal(opened.descriptors_of(scattered), gallery.descriptors[::3])
        ranked = np.array([9, 5, 5, 8])
        np.testing.assert_array_equal(opened.descriptors_of(ranked), gallery.descriptors[ranked])
        assert "matrix" not in vars(opened._descriptors), "the whole matrix was loaded"
    names = {name.split(".")[1] for name in files_in(large)}
    assert names == {"half", "scales", "order", "cells-100", "lon", "lat", "directions"}


def test_the_mapped_file_is_made_anew_when_it_does_not_fit(large: Gallery) -> None:
    query, near = large.descriptors[[5]], (large.tiles.lon[5], large.tiles.lat[5], 60.0)
    expected = large.search(query, 4, near)
    before = files_in(large)
    for kind in ("half", "lat"):
        (file,) = (Path(large.path) / ".search").glob(f"*.{kind}.npy")
        whole = file.read_bytes()
        file.write_bytes(whole[:-100])
        again = Gallery.open(large.path).search(query, 4, near)
        np.testing.assert_array_equal(again.rows, expected.rows)
        assert file.read_bytes() == whole and files_in(large) == before


def test_a_changed_gallery_has_another_mapped_file(large: Gallery, tmp_path: Path) -> None:
    near = (large.tiles.lon[5], large.tiles.lat[5], 60.0)
    large.search(large.descriptors[[5]], 4, near)
    before = files_in(large)
    more = write_map(tmp_path / "more.tif", texture(200, 200, seed=9))
    grown = large.add([more], MeanColours())
    last = len(grown) - 1
    assert last >= len(large)
    assert grown.search(grown.descriptors[[last]], 1).rows[0, 0] == last
    assert last in grown.rows_near((grown.tiles.lon[last], grown.tiles.lat[last], 1.0))
    assert len(files_in(grown)) == len(before) and not files_in(grown) & before


def test_a_folder_that_cannot_keep_the_file_is_searched_all_the_same(large: Gallery) -> None:
    near = (large.tiles.lon[5], large.tiles.lat[5], 60.0)
    expected = large.search(large.descriptors[[5]], 4, near)
    shutil.rmtree(Path(large.path) / ".search")
    (Path(large.path) / ".search").write_text("in the way")
    found = Gallery.open(large.path).search(large.descriptors[[5]], 4, near)
    np.testing.assert_array_equal(found.rows, expected.rows)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.one_of(st.floats(1, 2e6), st.floats(2e6, 2.1e7)),
    hnp.arrays(np.float64, (30, 2), elements=st.floats(-1, 1)),
)
def test_rows_near_are_those_of_the_geodesic_distance(
    lon: float, lat: float, radius_m: float, offsets: np.ndarray
) -> None:
    """Anywhere on Earth, across the antimeridian and over the poles."""
    turn = offsets[:, 0] * 180, offsets[:, 1] * 1.5 * radius_m
    lons, lats, _ = WGS84.fwd(np.full(30, lon), np.full(30, lat), *turn)
    distance = WGS84.inv(np.full(30, lon), np.full(30, lat), lons, lats)[2]
    rows = rows_near(np.asarray(lons), np.asarray(lats), (lon, lat, radius_m))
    np.testing.assert_array_equal(rows, np.flatnonzero(distance <= radius_m))


def test_search_across_the_antimeridian(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", texture(200, 200), "EPSG:4326", (179.9995, -16.0), 5e-6)
    gallery = Gallery.build(path, tmp_path / "g", MeanColours(), 20, 10)
    assert (gallery.tiles.lon > 0).any() and (gallery.tiles.lon < 0).any()
    matches = gallery.search(gallery.descriptors[:1], len(gallery), near=(180, -16.0005, 25))
    found = gallery.tiles.lon[matches.rows[matches.rows >= 0]]
    assert (found > 0).any() and (found < 0).any()


def test_unfit_queries_are_refused_in_one_line(gallery: Gallery) -> None:
    good = gallery.descriptors[:2]
    broken = good.copy()
    broken[1, 3] = np.nan
    for because, call in (
        (r"shape \(48,\)", lambda: gallery.search(good[0], 3)),
        (r"shape \(2, 47\)", lambda: gallery.search(good[:, :-1], 3)),
        ("not a number", lambda: gallery.search(broken, 3)),
        ("k is 0", lambda: gallery.search(good, 0)),
        ("not on Earth", lambda: gallery.search(good, 3, near=(15, 95, 100))),
        ("not on Earth", lambda: gallery.search(good, 3, near=(float("nan"), 0, 100))),
        ("radius is 0", lambda: gallery.search(good, 3, near=(15, 45, 0))),
        ("lon, lat, radius_m", lambda: gallery.search(good, 3, near=(15, 45))),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            call()
        assert "\n" not in str(caught.value)
