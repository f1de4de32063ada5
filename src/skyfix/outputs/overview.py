"""A gallery's imagery around fixes as one picture, put together from its tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from skyfix.gallery import Gallery
from skyfix.gallery.layer import Layer
from skyfix.geo.ground import east_north
from skyfix.localize.fix import Fix
from skyfix.outputs.positions import LonLat, camera, ground

LONGEST_PX = 2048
MOST_TILES = 6000
_SPACING = 0.6
_MARGIN = 0.12
_LEAST_MARGIN_M = 60.0


@dataclass(frozen=True)
class Area:
    """A rectangle on the ground.

    Attributes:
        origin: (lon, lat) that metres are counted from.
        west_m, south_m, east_m, north_m: its sides, metres east and north of the origin.
    """

    origin: LonLat
    west_m: float
    south_m: float
    east_m: float
    north_m: float

    def metres(self, lon: np.ndarray | float, lat: np.ndarray | float) -> np.ndarray:
        """(..., 2) metres to the right and down of the origin, as pictures count."""
        east_m, north_m = east_north(*self.origin, lon, lat)
        return np.stack([east_m, -north_m], axis=-1)


def area_of(fixes: Sequence[Fix], gallery: Gallery | None) -> Area:
    """What to show: all that is located, with a margin; else the candidates; else the gallery."""
    points = [point for fix in fixes for point in _points(fix)]
    points = points or [(one.lon, one.lat) for fix in fixes for one in fix.candidates]
    if not points and gallery is not None:
        points = list(zip(gallery.tiles.lon.tolist(), gallery.tiles.lat.tolist(), strict=True))
    origin = points[0] if points else (0.0, 0.0)
    lon, lat = np.array(points or [origin]).T
    east_m, north_m = east_north(*origin, lon, lat)
    reach_m = max((fix.accuracy_m or 0.0 for fix in fixes), default=0.0)
    size_m = max(float(np.ptp(east_m)), float(np.ptp(north_m)))
    tile_m = gallery.layers[0].tile_m if gallery else 0.0
    margin_m = max(_MARGIN * size_m, reach_m, tile_m / 2, _LEAST_MARGIN_M)
    return Area(
        origin,
        float(east_m.min()) - margin_m,
        float(north_m.min()) - margin_m,
        float(east_m.max()) + margin_m,
        float(north_m.max()) + margin_m,
    )


def picture_of(area: Area, gallery: Gallery) -> Image.Image | None:
    """The gallery's thumbnails in their places, north up, transparent where there are none.

    Of tiles of several sizes the smallest are taken, whose thumbnails are the sharpest.
    As sharp as the thumbnails, but at most ``LONGEST_PX`` wide or high.

    Returns:
        RGBA that fills the area; None if the gallery keeps no thumbnails or lies elsewhere.
    """
    if not gallery.has_thumbnails:
        return None
    width_m, height_m = area.east_m - area.west_m, area.north_m - area.south_m
    layer = gallery.layers[0]
    rows = _rows(area, layer)
    if not len(rows):
        return None
    thumbnails = gallery.thumbnails(layer.rows[rows])
    gsd_m = max(layer.tile_m / thumbnails[0].width, max(width_m, height_m) / LONGEST_PX)
    canvas = np.zeros((round(height_m / gsd_m), round(width_m / gsd_m), 4), np.uint8)
    tiles = layer.tiles
    places = area.metres(tiles.lon[rows], tiles.lat[rows])
    corner = np.array([area.west_m, -area.north_m])
    side_px = max(1, round(layer.tile_m / gsd_m))
    for thumbnail, place, heading_deg in zip(
        thumbnails, (places - corner) / gsd_m, tiles.heading_deg[rows], strict=True
    ):
        small = thumbnail.resize((side_px, side_px), Image.Resampling.BICUBIC)
        _paint(canvas, np.asarray(small.convert("RGBA")), place, float(heading_deg))
    return Image.fromarray(canvas)


def _points(fix: Fix) -> list[LonLat]:
    known = [point for point in (ground(fix), camera(fix)) if point]
    return [*known, *fix.footprint] if known else []


def _rows(area: Area, layer: Gallery | Layer) -> np.ndarray:
    """Tiles that cover the area without much overlap, the nearest to its middle if too many."""
    places = area.metres(layer.tiles.lon, layer.tiles.lat)
    low = np.array([area.west_m, -area.north_m])
    high = np.array([area.east_m, -area.south_m])
    half_m = layer.tile_m / 2
    inside = np.flatnonzero(((places > low - half_m) & (places < high + half_m)).all(axis=1))
    if not len(inside):
        return inside
    sides = [
        np.linspace(first, last, int((last - first) / (_SPACING * layer.tile_m)) + 2)
        for first, last in zip(places[inside].min(axis=0), places[inside].max(axis=0), strict=True)
    ]
    lattice = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    away_m, nearest = cKDTree(places[inside]).query(lattice, distance_upper_bound=layer.tile_m)
    found = np.isfinite(away_m)
    rows, first = np.unique(inside[nearest[found]], return_index=True)
    from_middle = np.linalg.norm(lattice[found][first] - (low + high) / 2, axis=1)
    return rows[np.sort(np.argsort(from_middle, kind="stable")[:MOST_TILES])]


def _paint(canvas: np.ndarray, tile: np.ndarray, place: np.ndarray, heading_deg: float) -> None:
    """Lay a square picture (s, s, 4) over a canvas (h, w, 4), its middle at ``place`` (x, y)."""
    side = len(tile)
    reach = int(np.ceil(side * np.sqrt(0.5))) + 1
    left, top = np.maximum(np.floor(place).astype(int) - reach, 0)
    right, bottom = np.minimum(np.ceil(place).astype(int) + reach, canvas.shape[1::-1])
    if left >= right or top >= bottom:
        return
    cos, sin = np.cos(np.radians(heading_deg)), np.sin(np.radians(heading_deg))
    turn = np.array([[cos, -sin], [sin, cos]])
    # Pixel centres lie at halves: OpenCV counts them from 0.
    shift = place - (left, top) - 0.5 - turn @ np.full(2, (side - 1) / 2)
    to_region = np.column_stack([turn, shift])
    size_px = (right - left, bottom - top)
    # A mask of its own: at a transparent border OpenCV mixes in black.
    turned = cv2.warpAffine(tile, to_region, size_px, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full((side, side), 255, np.uint8), to_region, size_px) > 127
    canvas[top:bottom, left:right][inside] = turned[inside]
