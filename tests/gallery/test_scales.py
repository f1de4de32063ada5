"""Tiles of several sizes in one gallery."""

from pathlib import Path

import numpy as np
import pytest
from building import STRIDE_M, TILE_M
from mean_colours import MeanColours

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.scales import Scale, as_scales

LARGE_M = 40.0


@pytest.fixture(scope="module")
def scaled(map_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Tiles of 40 m every 10 m beside those of the ``gallery``."""
    out = tmp_path_factory.mktemp("scaled") / "g"
    return Gallery.build(map_path, out, MeanColours(), (LARGE_M, TILE_M), (10, STRIDE_M))


def test_each_size_is_what_its_own_gallery_holds(
    scaled: Gallery, gallery: Gallery, map_path: Path, tmp_path: Path
) -> None:
    alone = Gallery.build(map_path, tmp_path / "g", MeanColours(), LARGE_M)
    assert alone.scales == (Scale(LARGE_M, 10.0),), "a quarter of the size by default"
    assert scaled.scales == (Scale(TILE_M, STRIDE_M), Scale(LARGE_M, 10.0))
    assert len(scaled) == len(gallery) + len(alone) == len(np.unique(scaled.tiles.id))
    for layer, single in zip(scaled.layers, (gallery, alone), strict=True):
        assert (layer.tile_m, layer.stride_m) == (single.tile_m, single.stride_m)
        np.testing.assert_array_equal(layer.tiles.id, single.tiles.id)
        assert (layer.tiles.size_m == single.tile_m).all()
        rows = np.arange(0, len(single), 5)
        np.testing.assert_array_equal(layer.descriptors_of(rows), single.descriptors_of(rows))


def test_a_layer_searches_like_its_own_gallery(scaled: Gallery, gallery: Gallery) -> None:
    layer, queries = scaled.layers[0], gallery.descriptors[::90]
    near = (gallery.tiles.lon[700], gallery.tiles.lat[700], 30.0)
    for around, k in ((None, 9), (near, 9), (near, 500)):
        mine, alone = layer.search(queries, k, around), gallery.search(queries, k, around)
        np.testing.assert_array_equal(mine.rows, alone.rows)
        np.testing.assert_allclose(mine.scores, alone.scores, atol=1e-6)


def test_one_size_is_its_own_layer(gallery: Gallery) -> None:
    assert gallery.layers == (gallery,)


def test_there_is_no_single_size_of_several(scaled: Gallery) -> None:
    for name in ("tile_m", "stride_m"):
        with pytest.raises(SkyfixError, match="tiles of 20, 40 m"):
            getattr(scaled, name)


def test_sizes_that_do_not_go_together_are_refused(
    scaled: Gallery, map_path: Path, tmp_path: Path
) -> None:
    assert as_scales(20, None) == (Scale(20, 5),)
    assert as_scales((200, 100), None) == (Scale(100, 25), Scale(200, 50))
    for sizes, strides, because in (
        ((20, 40), (5,), "1 strides for 2 tile sizes"),
        ((20, 40), 5, "1 strides for 2 tile sizes"),
        ((20, 21), None, "hardly differ"),
        ((20, 20), None, "hardly differ"),
        ((), None, "0 tile sizes"),
        ((20, -3), None, "tile_m is -3"),
        ((20, float("nan")), None, "tile_m is nan"),
        ((20, 4000), (5, 10), "smaller than one tile"),
    ):
        with pytest.raises(SkyfixError, match=because) as caught:
            Gallery.build(map_path, tmp_path / "g", MeanColours(), sizes, strides)
        assert "\n" not in str(caught.value)
    with pytest.raises(SkyfixError, match="tile_m 20, 40, asked is 20"):
        Gallery.build(map_path, scaled.path, MeanColours(), TILE_M, STRIDE_M)
