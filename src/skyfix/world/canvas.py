"""The layers that a town is painted on, and brushes in metres.

Canvas coordinates are metres from the upper left corner, x right (east) and y down (south), so
that angles turn clockwise on the map. Pixel (row r, column c) covers [c, c + 1] x [r, r + 1]
times the GSD.
"""

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np

from skyfix.world.noise import smooth_noise

Colour = tuple[float, float, float] | np.ndarray
_SHIFT = 4
"""Fractional bits of the polygon corners that OpenCV draws."""


class Cover(IntEnum):
    """What covers the ground at a pixel."""

    BARE = 0
    GRASS = 1
    FIELD = 2
    TREE = 3
    WATER = 4
    PAVED = 5
    ROAD = 6
    ROOF = 7


_LASTING = (Cover.ROAD, Cover.WATER)
_PLANTS = (Cover.GRASS, Cover.FIELD, Cover.TREE)


@dataclass(frozen=True)
class Window:
    """The pixels around a turned rectangle, in the rectangle's own frame.

    Attributes:
        area: rows and columns on the canvas.
        u: (h, w) float32 metres along the rectangle from its centre, at the pixel centres.
        v: (h, w) float32 metres across it.
        gsd_m: size of a pixel.
    """

    area: tuple[slice, slice]
    u: np.ndarray
    v: np.ndarray
    gsd_m: float

    def coverage(
        self, length_m: float, width_m: float, at: tuple[float, float] = (0.0, 0.0)
    ) -> np.ndarray:
        """Share (h, w) in [0, 1] of each pixel inside a length x width box centred ``at`` (u, v).

        The edges are soft over one pixel, which is what keeps turned roofs from looking jagged.
        """
        inside_u = (length_m / 2 - np.abs(self.u - at[0])) / self.gsd_m + 0.5
        inside_v = (width_m / 2 - np.abs(self.v - at[1])) / self.gsd_m + 0.5
        return np.clip(np.minimum(inside_u, inside_v), 0.0, 1.0)


class Canvas:
    """Colour, height, cover and building number of every pixel while a town is painted."""

    def __init__(self, size_m: float, gsd_m: float) -> None:
        """A bare square of ``size_m`` metres with pixels of ``gsd_m``."""
        side = round(size_m / gsd_m)
        self.size_m = size_m
        self.gsd_m = gsd_m
        self.rgb = np.zeros((side, side, 3), np.uint8)
        self.height_m = np.zeros((side, side), np.float32)
        self.cover = np.zeros((side, side), np.uint8)
        self.building = np.zeros((side, side), np.uint16)

    def polygon(
        self, points_m: np.ndarray, colour: Colour, cover: Cover, over_roads: bool = False
    ) -> None:
        """Fill a polygon of (P, 2) metres; roads and water stay unless ``over_roads``."""
        low = np.floor(points_m.min(axis=0) / self.gsd_m).astype(int) - 1
        high = np.ceil(points_m.max(axis=0) / self.gsd_m).astype(int) + 1
        left, top = np.maximum(low, 0)
        right, bottom = np.minimum(high, self.cover.shape[0])
        if right <= left or bottom <= top:
            return
        area = (slice(top, bottom), slice(left, right))
        points = [self._fixed_point(points_m - np.array([left, top]) * self.gsd_m)]
        rgb, covers = self.rgb[area].copy(), self.cover[area].copy()
        cv2.fillPoly(rgb, points, _triple(colour), cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(covers, points, int(cover), cv2.LINE_8, _SHIFT)
        before = self.cover[area]
        changes = np.full(before.shape, True) if over_roads else ~np.isin(before, _LASTING)
        np.copyto(self.rgb[area], rgb, where=changes[..., None])
        np.copyto(before, covers, where=changes)

    def line(
        self,
        points_m: np.ndarray,
        width_m: float,
        colour: Colour,
        cover: Cover | None = None,
        height_m: float | None = None,
    ) -> None:
        """Draw a polyline through (P, 2) metres; cover and height stay where not given."""
        points = self._fixed_point(points_m)
        thickness = max(1, round(width_m / self.gsd_m))
        cv2.polylines(self.rgb, [points], False, _triple(colour), thickness, cv2.LINE_AA, _SHIFT)
        if cover is not None:
            cv2.polylines(self.cover, [points], False, int(cover), thickness, cv2.LINE_8, _SHIFT)
        if height_m is not None:
            cv2.polylines(self.height_m, [points], False, height_m, thickness, cv2.LINE_8, _SHIFT)

    def disc(self, centre_m: np.ndarray, radius_m: float, colour: Colour, cover: Cover) -> None:
        """Fill a circle, over roads too."""
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self.polygon(
            centre_m + radius_m * np.stack([np.cos(turn), np.sin(turn)], axis=1),
            colour,
            cover,
            True,
        )

    def window(
        self, centre_m: np.ndarray, length_m: float, width_m: float, angle_rad: float
    ) -> Window | None:
        """Pixels around a box turned by ``angle_rad``; None when it is not on the canvas."""
        cos, sin = abs(np.cos(angle_rad)), abs(np.sin(angle_rad))
        reach = np.array([length_m * cos + width_m * sin, length_m * sin + width_m * cos]) / 2
        return self.frame(centre_m - reach, centre_m + reach, angle_rad)

    def frame(self, low_m: np.ndarray, high_m: np.ndarray, angle_rad: float) -> Window | None:
        """Pixels of an upright box with coordinates turned about its middle."""
        low = np.maximum((low_m / self.gsd_m).astype(int) - 2, 0)
        high = np.minimum((high_m / self.gsd_m).astype(int) + 3, self.cover.shape[0])
        if (high <= low).any():
            return None
        cos, sin = np.cos(angle_rad), np.sin(angle_rad)
        centre = (low_m + high_m) / 2
        x, y = (
            ((np.arange(low[axis], high[axis]) + 0.5) * self.gsd_m - centre[axis]).astype(
                np.float32
            )
            for axis in (0, 1)
        )
        y = y[:, None]
        area = (slice(low[1], high[1]), slice(low[0], high[0]))
        return Window(area, x * cos + y * sin, y * cos - x * sin, self.gsd_m)

    def contains(self, points_m: np.ndarray, window: Window) -> np.ndarray:
        """Which pixels (h, w) of a window lie inside the polygon (P, 2)."""
        rows, columns = window.area
        corner_m = np.array([columns.start, rows.start]) * self.gsd_m
        mask = np.zeros(window.u.shape, np.uint8)
        cv2.fillPoly(mask, [self._fixed_point(points_m - corner_m)], 1, cv2.LINE_8, _SHIFT)
        return mask > 0

    def blend(self, window: Window, share: np.ndarray, colour: Colour) -> None:
        """Mix ``colour``, (3,) or (h, w, 3), into the window by ``share`` (h, w)."""
        patch = self.rgb[window.area]
        mixed = patch + share[..., None] * (np.asarray(colour, np.float32) - patch)
        self.rgb[window.area] = np.clip(mixed + 0.5, 0, 255)

    def covers(self, points_m: np.ndarray) -> np.ndarray:
        """Cover (N,) at points (N, 2); ROAD outside, so that nothing is built over the edge."""
        pixels = np.floor(points_m / self.gsd_m).astype(int)
        inside = ((pixels >= 0) & (pixels < self.cover.shape[0])).all(axis=1)
        pixels[~inside] = 0
        return np.where(inside, self.cover[pixels[:, 1], pixels[:, 0]], int(Cover.ROAD))

    def roughen(self, rng: np.random.Generator) -> None:
        """Multiply the colours with noise: fine grain and large patches, stronger on plants."""
        shape = self.height_m.shape
        patches = smooth_noise(rng, shape, 24.0 / self.gsd_m)
        clumps = smooth_noise(rng, shape, 4.0 / self.gsd_m)
        grain = smooth_noise(rng, shape, 1.6)
        # Rows: cover; columns: patches, clumps, grain.
        strength = np.full((len(Cover), 3), (0.02, 0.015, 0.02), np.float32)
        strength[Cover.BARE] = (0.07, 0.05, 0.05)
        strength[Cover.GRASS] = (0.08, 0.035, 0.05)
        strength[Cover.FIELD] = (0.07, 0.03, 0.04)
        strength[Cover.WATER] = (0.05, 0.02, 0.01)
        strength[Cover.ROAD] = (0.04, 0.035, 0.02)
        strength[Cover.PAVED] = (0.04, 0.035, 0.03)
        factor = np.ones(shape, np.float32)
        for column, field in enumerate((patches, clumps, grain)):
            factor += cv2.LUT(self.cover, _table(strength[:, column])) * field
        # Dry patches of plants are yellower, moist ones greener: their channels differ.
        is_plant = cv2.LUT(self.cover, _table(np.array([cover in _PLANTS for cover in Cover])))
        for channel, weight in enumerate((0.25, -0.12, -0.3)):
            plane = self.rgb[..., channel] * (1 + (1 + weight * is_plant) * (factor - 1))
            self.rgb[..., channel] = np.clip(plane + 0.5, 0, 255)

    def _fixed_point(self, points_m: np.ndarray) -> np.ndarray:
        # OpenCV puts whole numbers at pixel centres, the canvas at pixel corners.
        pixels = np.asarray(points_m) / self.gsd_m - 0.5
        return np.round(pixels * (1 << _SHIFT)).astype(np.int32)


def _triple(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (int(np.clip(value, 0, 255)) for value in colour)
    return red, green, blue


def _table(values: np.ndarray) -> np.ndarray:
    table = np.zeros(256, np.float32)
    table[: len(values)] = values
    return table
