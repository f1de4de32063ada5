"""Scores of a photo's patches against every tile that could be under its centre."""

from collections.abc import Sequence
from copy import copy

import numpy as np

from skyfix.gallery import Gallery
from skyfix.gallery.layer import Layer
from skyfix.gallery.nearby import Near
from skyfix.gallery.search import products
from skyfix.geo.ground import offset
from skyfix.localize.neighbours import TileFinder
from skyfix.localize.normalize import Patch
from skyfix.localize.posterior import combined

MAX_TILES = 65_536
"""Above this many tiles only the best so many of each patch are scored; the rest count as
average."""

_BACKGROUND = 4096
_REACH_STRIDES = 0.75
_MOST_OFFSETS = 64


class Matcher:
    """Scores photos against tiles of one size, or those of them around a position.

    Attributes:
        rows: (T,) tiles that could be under a photo's centre.
        tiles: all tiles of the size.
        tile_m, stride_m: their side and distance, metres.
    """

    def __init__(self, gallery: Gallery | Layer, near: Near | None = None) -> None:
        self._gallery, self._near = gallery, near
        self.tiles, self.tile_m, self.stride_m = gallery.tiles, gallery.tile_m, gallery.stride_m
        lon, lat = gallery.tiles.lon, gallery.tiles.lat
        self.rows = np.arange(len(gallery)) if near is None else gallery.rows_near(near)
        self._finder = TileFinder(lon, lat, _REACH_STRIDES * gallery.stride_m)
        self._moved: dict[tuple[float, float], np.ndarray] = {}
        every = np.linspace(0, len(gallery) - 1, min(len(gallery), _BACKGROUND)).astype(int)
        self._background = gallery.descriptors_of(every)

    def around(self, near: Near | None) -> "Matcher":
        """The same matcher for another part of the gallery, without preparing it anew."""
        other = copy(self)
        other._near, other._moved = near, {}
        every = np.arange(len(self._gallery))
        other.rows = every if near is None else self._gallery.rows_near(near)
        return other

    def scores(self, patches: Sequence[Patch], descriptors: np.ndarray) -> np.ndarray:
        """Joint score (T,) of each of ``rows`` being the tile under the photo's centre.

        A tile is right if every patch resembles the tile that lies as far from it as the patch
        from the photo's centre. Scores are in standard deviations above the gallery's mean.

        Args:
            patches: P patches of one photo.
            descriptors: (P, D) of the same.
        """
        standard = self._standard_scores(patches, descriptors)
        placed = np.stack(
            [
                np.append(scores, 0.0)[self._tiles_at(patch.east_m, patch.north_m)]
                for patch, scores in zip(patches, standard, strict=True)
            ]
        )
        return combined(placed, np.array([max(patch.coverage, 1e-3) for patch in patches]))

    def _standard_scores(self, patches: Sequence[Patch], descriptors: np.ndarray) -> np.ndarray:
        """(P, all tiles); 0, which is average, for tiles that were not compared."""
        around = self._near
        if around is not None:
            farthest_m = max(np.hypot(patch.east_m, patch.north_m) for patch in patches)
            around = around[0], around[1], around[2] + farthest_m + self._gallery.stride_m
        rows, cosines = self._cosines(descriptors, around)
        background = products(self._gallery.comparable(descriptors), self._background)
        mean, spread = background.mean(axis=1), np.maximum(background.std(axis=1), 1e-6)
        scores = np.zeros((len(descriptors), len(self._gallery)))
        standard = (cosines - mean[:, None]) / spread[:, None]
        np.put_along_axis(scores, rows, standard, axis=1)
        return scores

    def _cosines(self, descriptors: np.ndarray, near: Near | None) -> tuple[np.ndarray, np.ndarray]:
        """Rows (P or 1, n) of the tiles that are compared, and their cosines (P, n)."""
        gallery = self._gallery
        inside = None if near is None else gallery.rows_near(near)
        if len(gallery if inside is None else inside) > MAX_TILES:
            best = gallery.search(descriptors, MAX_TILES, near=near)
            return best.rows, best.scores
        rows = np.arange(len(gallery)) if inside is None else inside
        return rows[None], gallery.scores(descriptors, inside)

    def _tiles_at(self, east_m: float, north_m: float) -> np.ndarray:
        """Tiles (T,) that lie at an offset from ``rows``; -1 where there is none."""
        if east_m == north_m == 0.0:
            return self.rows
        key = (round(east_m, 3), round(north_m, 3))
        if key not in self._moved:
            if len(self._moved) == _MOST_OFFSETS:
                self._moved.clear()
            lon, lat = self._gallery.tiles.lon[self.rows], self._gallery.tiles.lat[self.rows]
            self._moved[key] = self._finder.nearest(*offset(lon, lat, east_m, north_m))
        return self._moved[key]
