"""Web-map tiles (XYZ, EPSG:3857) of the imagery that a gallery was made from."""

import io
import math
import threading
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.crs import MERCATOR_PERIOD_M, wrap_deg
from skyfix.geo.maps import Map
from skyfix.geo.tile_grid import MAX_ZOOM
from skyfix.localize.maps import Maps

SIDE_PX = 256
_ZOOMS = 7
"""Zooms below the deepest one: reading more ground for one tile would take too long."""
_KEPT_TILES = 512
_MOST_SOURCES = 16
_GRID = 17
_RADIUS_M = MERCATOR_PERIOD_M / (2 * math.pi)


class TileMaker:
    """Makes PNG tiles, transparent where there is no imagery; several threads may ask.

    The maps are read as everywhere else, whatever kind they are: rio-tiler would know GeoTIFFs
    alone, and colours would differ from those that the gallery saw.

    Args:
        gallery: the gallery.

    Attributes:
        min_zoom, max_zoom: the zooms that there are tiles of.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._maps = gallery, Maps(gallery)
        self._lock = threading.Lock()
        finest = int(np.argmin(gallery.tiles.gsd_m))
        gsd_m, lat = float(gallery.tiles.gsd_m[finest]), float(gallery.tiles.lat[finest])
        around_m = MERCATOR_PERIOD_M * math.cos(math.radians(lat))
        deepest = math.ceil(math.log2(around_m / SIDE_PX / gsd_m) - 0.25)
        self.max_zoom = int(np.clip(deepest, 0, MAX_ZOOM))
        self.min_zoom = max(0, self.max_zoom - _ZOOMS)
        self.png = lru_cache(_KEPT_TILES)(self._png)

    def _png(self, zoom: int, column: int, row: int) -> bytes | None:
        """A tile as PNG, 256 x 256 px RGBA; None where there is no imagery."""
        if not self.min_zoom <= zoom <= self.max_zoom:
            return None
        if not (0 <= column < 2**zoom and 0 <= row < 2**zoom):
            return None
        lon, lat = _lon_lat(zoom, column, row)
        picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
        for source in self._sources(lon, lat):
            missing = picture[..., 3] == 0
            if not missing.any():
                break
            with self._lock:
                drawn = self._draw(source, lon, lat)
            if drawn is not None:
                picture[missing] = drawn[missing]
        return _encoded(picture) if picture[..., 3].any() else None

    def _sources(self, lon: np.ndarray, lat: np.ndarray) -> list[int]:
        """Rasters with gallery tiles on the ground (lon, lat), those with most tiles first."""
        tiles = self._gallery.tiles
        middle = float(lon[_GRID // 2, _GRID // 2]), float(lat[_GRID // 2, _GRID // 2])
        reach_m = tiles.size_m / 2
        lat_reach = np.degrees(reach_m / 6_330_000.0)
        lon_reach = lat_reach / math.cos(math.radians(min(abs(middle[1]) + 1, 89.0)))
        around = np.abs(wrap_deg(tiles.lon - middle[0])) <= np.ptp(lon) / 2 + 1.5 * lon_reach
        around &= np.abs(tiles.lat - middle[1]) <= np.ptp(lat) / 2 + 1.5 * lat_reach
        sources, counts = np.unique(tiles.source[around], return_counts=True)
        return [int(one) for one in sources[np.argsort(-counts, kind="stable")][:_MOST_SOURCES]]

    def _draw(self, source: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray | None:
        """One raster on the grid (G, G) of places, (256, 256, 4) RGBA; None where it is not."""
        raster = self._maps.raster(source)
        if raster is None:
            return None
        column, row = raster.geo.pixel(lon, lat)
        if not (np.isfinite(column).all() and np.isfinite(row).all()):
            return None
        try:
            return _resampled(raster, column, row)
        except SkyfixError:
            # A damaged part of a map is a hole in the picture, no reason to show nothing.
            return None


def _resampled(raster: Map, column: np.ndarray, row: np.ndarray) -> np.ndarray | None:
    """The raster at pixels on a grid (G, G), drawn (256, 256, 4)."""
    low = np.maximum(np.floor([column.min(), row.min()]) - 2, 0)
    size = [raster.width_px, raster.height_px]
    high = np.minimum(np.ceil([column.max(), row.max()]) + 2, size)
    if (high - low < 1).any():
        return None
    step = max(1.0, float(np.hypot(np.ptp(column), np.ptp(row))) / math.sqrt(2) / SIDE_PX)
    read_px = np.maximum(1, np.ceil((high - low) / step)).astype(int)
    (left, top), (width, height) = low.tolist(), (high - low).tolist()
    pixels, valid = raster.read(left, top, width, height, (int(read_px[1]), int(read_px[0])))
    factor = read_px / (high - low)
    # Pixel centres lie at halves: OpenCV counts them from 0.
    x = _dense((column - left) * factor[0] - 0.5)
    y = _dense((row - top) * factor[1] - 0.5)
    picture = np.dstack([pixels, valid.astype(np.uint8) * 255])
    drawn = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x > -1) & (y > -1) & (x < read_px[0]) & (y < read_px[1])
    drawn[..., 3] = np.where(inside & (drawn[..., 3] > 127), 255, 0)
    return drawn


def _dense(grid: np.ndarray) -> np.ndarray:
    """Values (256, 256) at the centres of the tile's pixels, from a grid (G, G) over its square."""
    knots = np.linspace(0.0, 1.0, _GRID)
    at = (np.arange(SIDE_PX) + 0.5) / SIDE_PX
    weights = np.maximum(0.0, 1.0 - np.abs(at[:, None] - knots) * (_GRID - 1))
    return (weights @ grid @ weights.T).astype(np.float32)


def _lon_lat(zoom: int, column: int, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (G, G) on a grid from the tile's upper left corner to its lower right one."""
    side_m = MERCATOR_PERIOD_M / 2**zoom
    steps = np.linspace(0.0, 1.0, _GRID)
    x_m = (column + steps) * side_m - MERCATOR_PERIOD_M / 2
    y_m = MERCATOR_PERIOD_M / 2 - (row + steps) * side_m
    lon = np.degrees(x_m / _RADIUS_M)
    lat = np.degrees(2 * np.arctan(np.exp(y_m / _RADIUS_M)) - math.pi / 2)
    columns, rows = np.meshgrid(lon, lat)
    return columns, rows


def _encoded(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
