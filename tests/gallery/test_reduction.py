"""Reduced descriptors: the figures, the search, and builds that die on the way."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pytest
from building import STRIDE_M, TILE_M
from hypothesis import given, settings
from hypothesis import strategies as st
from mean_colours import MeanColours
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.reduction import SHRINKAGE, Reduction
from skyfix.gallery.verify import verify_gallery
from skyfix.localize.match import Matcher
from skyfix.localize.normalize import Patch

HERE, DIMS = Path(__file__).parent, 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def reduced(map_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The gallery of the map, reduced. Not to be changed."""
    out = tmp_path_factory.mktemp("galleries") / "reduced"
    return Gallery.build(map_path, out, MeanColours(), TILE_M, STRIDE_M, dims=DIMS)


@pytest.fixture
def copied(reduced: Gallery, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reduced.path, tmp_path / "copy"))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_it_is_what_a_singular_value_decomposition_gives(
    dims: int, seed: int, decay: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = unit(rng.normal(size=(60, 13)) * decay ** np.arange(13) + rng.normal(size=13))
    queries = unit(rng.normal(size=(9, 13)))
    reduction = Reduction.fit(rows, dims)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    variances = values**2 / (len(rows) - 1)
    scales = 1 / np.sqrt(variances[:dims] + SHRINKAGE * variances.mean())
    expected = unit((queries - rows.mean(axis=0)) @ axes[:dims].T * scales)
    found = reduction.apply(queries)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    if variances[dims - 1] > 2 * (variances[dims] if dims < 13 else 0) > 1e-9:
        # Axes may point either way; products do not depend on it.
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


def test_the_mean_and_equal_tiles_stay_numbers() -> None:
    rows = np.tile(unit(np.ones((1, 8))), (20, 1))
    reduction = Reduction.fit(rows, 3)
    lengths = np.linalg.norm(reduction.apply(np.vstack([reduction.mean[None], rows])), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_stored_short_in_half_precision_and_searched_with_whole_ones(
    reduced: Gallery, gallery: Gallery
) -> None:
    column = lance.dataset(str(reduced.path / "tiles.lance")).schema.field("descriptor").type
    assert (str(column.value_type), column.list_size) == ("halffloat", DIMS)
    assert (reduced.dimensions, reduced.descriptors.shape) == (48, (len(gallery), DIMS))
    np.testing.assert_array_equal(reduced.tiles.id, gallery.tiles.id)
    np.testing.assert_array_equal(reduced.thumbnail(70), gallery.thumbnail(70))
    assert reduced.reduction is not None and gallery.reduction is None
    short = reduced.reduction.apply(gallery.descriptors)
    assert np.abs((short * reduced.descriptors).sum(axis=1) - 1).max() < 1e-5
    rows = np.arange(0, len(gallery), 13)
    found = Gallery.open(reduced.path).search(gallery.descriptors[rows], 3)
    scores = short[rows] @ reduced.descriptors.T
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :3], atol=1e-5)
    assert (found.rows[:, 0] == rows).mean() > 0.99
    with pytest.raises(SkyfixError, match=r"needs \(N, 48\)"):
        reduced.search(reduced.descriptors[:2], 3)


def test_the_loss_is_counted_on_tiles_that_were_not_fitted(
    reduced: Gallery, gallery: Gallery
) -> None:
    kept = reduced.info().kept
    assert kept is not None and gallery.info().kept is None
    tiles = len(gallery)
    assert (kept.tiles, kept.among) == (tiles // 10, tiles - tiles // 10)
    order = np.random.default_rng(0).permutation(tiles)
    held, fitted = np.sort(order[: kept.tiles]), np.sort(order[kept.tiles :])
    whole = gallery.descriptors
    assert reduced.reduction is not None
    np.testing.assert_allclose(reduced.reduction.mean, whole[fitted].mean(axis=0), atol=1e-6)
    near = [
        np.argsort(-(rows[held] @ rows[fitted].T), axis=1, kind="stable")[:, :10]
        for rows in (whole, reduced.reduction.apply(whole))
    ]
    first = np.mean(near[0][:, 0] == near[1][:, 0])
    ten = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    assert kept.first == pytest.approx(first, abs=0.01) and 0 < kept.first < 1
    assert kept.ten == pytest.approx(ten, abs=0.01) and 0 < kept.ten < 1


def test_photos_are_scored_against_reduced_tiles(reduced: Gallery, gallery: Gallery) -> None:
    patch = Patch(np.zeros((4, 4, 3), np.uint8), 0.0, 0.0, 1.0)
    row = 1200
    scores = Matcher(reduced).scores([patch], gallery.descriptors[[row]])
    assert scores.shape == (len(gallery),) and scores.argmax() == row


def assert_same(first: Gallery, second: Gallery) -> None:
    tables = [lance.dataset(str(g.path / "tiles.lance")).to_table() for g in (first, second)]
    assert tables[0].equals(tables[1])
    assert first.info().counts == second.info().counts and first.info().kept == second.info().kept
    files = [(g.path / "reduction.safetensors").read_bytes() for g in (first, second)]
    assert files[0] == files[1]


@pytest.mark.parametrize("mode", ["kill:6", "kill-fit", "kill-rewrite", "kill-manifest"])
def test_a_killed_build_goes_on_where_it_was(
    mode: str, reduced: Gallery, map_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "gallery"
    command = [sys.executable, str(HERE / "building.py"), str(map_path), str(out)]
    sizes = [str(TILE_M), str(STRIDE_M), mode, str(DIMS)]
    assert subprocess.run([*command, *sizes], timeout=120).returncode == -signal.SIGKILL
    with pytest.raises(SkyfixError, match="incomplete"):
        Gallery.open(out)
    embedder = MeanColours()
    resumed = Gallery.build(map_path, out, embedder, TILE_M, STRIDE_M, dims=DIMS)
    assert (embedder.embedded > 0) == (mode == "kill:6")
    assert_same(resumed, reduced)
    fragments = lance.dataset(str(out / "tiles.lance")).get_fragments()
    left = list((out / "tiles.lance" / "data").iterdir())
    assert len(left) == len(fragments), "files of the killed commit were not removed"


def test_added_tiles_are_reduced_alike(copied: Path, reduced: Gallery, tmp_path: Path) -> None:
    east = write_map(tmp_path / "east.tif", texture(200, 200, seed=5), origin=(6e5, 5e6))
    whole = Gallery.build(east, tmp_path / "whole", MeanColours(), TILE_M, STRIDE_M)
    added = Gallery.open(copied).add(east, MeanColours())
    assert added.info().kept == reduced.info().kept and len(added) == len(reduced) + len(whole)
    assert reduced.reduction is not None
    expected = reduced.reduction.apply(whole.descriptors)
    assert ((added.descriptors[len(reduced) :] * expected).sum(axis=1) > 0.9999).all()
    found = added.search(whole.descriptors[::9], 1).rows[:, 0]
    assert (found == len(reduced) + np.arange(0, len(whole), 9)).mean() > 0.98
    checked = verify_gallery(copied)
    assert (checked.tiles, checked.damage, checked.warnings) == (len(added), [], [])
    assert_same(added.remove(["east.tif"]), reduced)


def test_dims_that_cannot_be_are_refused(reduced: Gallery, map_path: Path, tmp_path: Path) -> None:
    def refused(because: str, out: Path, dims: int | None, **other: float) -> None:
        sizes = {"tile_m": TILE_M, "stride_m": STRIDE_M, **other}
        with pytest.raises(SkyfixError, match=because) as caught:
            Gallery.build(map_path, out, MeanColours(), **sizes, dims=dims)
        assert "\n" not in str(caught.value)

    for dims in (-1, 0, 48, 1280):
        refused("descriptors have 48. Give 1 to 47", tmp_path / "g", dims)
    refused("25 tiles serve to fit at most 22", tmp_path / "g", 23, tile_m=100, stride_m=42)
    assert not (tmp_path / "g").exists()
    refused("begun with dims 16, asked is 17", reduced.path, 17)
    refused("begun with dims 16, asked is all", reduced.path, None)
    embedder = MeanColours()
    again = Gallery.build(map_path, reduced.path, embedder, TILE_M, STRIDE_M, dims=DIMS)
    assert again.report is not None and again.report.already_complete and embedder.embedded == 0


def test_another_reduction_is_damage(copied: Path) -> None:
    file = copied / "reduction.safetensors"
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(bytes(content))
    for because in ("is not what the tiles were reduced with", "Cannot read"):
        assert any(because in line for line in verify_gallery(copied).damage)
        with pytest.raises(SkyfixError, match=because) as caught:
            Gallery.open(copied).search(np.zeros((1, 48), np.float32), 1)
        assert "\n" not in str(caught.value)
        file.unlink(missing_ok=True)


def test_the_description_says_it(copied: Path) -> None:
    content = json.loads((copied / "gallery.json").read_text())
    assert (content["dimensions"], content["reduced_to"]) == (48, DIMS)
