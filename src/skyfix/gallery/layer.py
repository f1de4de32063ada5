"""The tiles of one size in a gallery of several."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from skyfix.gallery.nearby import Near, PositionIndex
from skyfix.gallery.scales import Scale
from skyfix.gallery.search import Matches
from skyfix.gallery.tiles import Tiles

if TYPE_CHECKING:
    from skyfix.gallery.gallery import Gallery


class Layer:
    """What a gallery of one tile size would be: same properties, rows counted within the layer.

    Args:
        gallery: the whole.
        scale: one of its tile sizes.

    Attributes:
        rows: (T,) of the layer's tiles in the gallery.
    """

    def __init__(self, gallery: "Gallery", scale: Scale) -> None:
        self._gallery, self._scale = gallery, scale
        self.rows = np.flatnonzero(gallery.tiles.size_m == scale.tile_m)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tile_m(self) -> float:
        """Side of a tile, ground metres."""
        return self._scale.tile_m

    @property
    def stride_m(self) -> float:
        """Distance between neighbouring tiles, ground metres."""
        return self._scale.stride_m

    @cached_property
    def tiles(self) -> Tiles:
        """Where the layer's tiles lie."""
        return self._gallery.tiles.at(self.rows)

    def search(self, descriptors: np.ndarray, k: int, near: Near | None = None) -> Matches:
        """``Gallery.search`` among the layer's tiles."""
        rows = self.rows if near is None else self.rows[self.rows_near(near)]
        found = self._gallery.search_among(descriptors, k, rows)
        local = np.searchsorted(self.rows, np.maximum(found.rows, 0))
        return Matches(np.where(found.rows >= 0, local, -1), found.scores)

    def scores(self, descriptors: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """``Gallery.scores`` of some of the layer's tiles."""
        return self._gallery.scores(descriptors, self.rows if rows is None else self.rows[rows])

    def rows_near(self, near: Near) -> np.ndarray:
        """``Gallery.rows_near`` among the layer's tiles."""
        return self._positions.rows(near)

    @cached_property
    def _positions(self) -> PositionIndex:
        return PositionIndex.of(self.tiles.lon, self.tiles.lat)

    def descriptors_of(self, rows: np.ndarray) -> np.ndarray:
        """Stored descriptors of some rows of the layer, float32."""
        return self._gallery.descriptors_of(self.rows[rows])

    def comparable(self, descriptors: np.ndarray) -> np.ndarray:
        """``Gallery.comparable``."""
        return self._gallery.comparable(descriptors)
