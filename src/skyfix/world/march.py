"""First hits of rays with a height model."""

import cv2
import numpy as np

_SKIPS_M = (0.8, 4.0)
"""Radii (m) within which the highest surface is known, to step over empty air."""
_WALL_M = 1.8
"""A rise from pixel to pixel beyond this is a wall."""
_SQUEEZE = 6.0
_ROW_PX = 4096


def sample(image: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, border: int) -> np.ndarray:
    """Bilinear samples (N,) or (N, C) of an image, in its type.

    Args:
        image: (H, W) or (H, W, C).
        x_px, y_px: (N,) coordinates from the image's corner: the first pixel is [0, 1].
        border: what lies outside, an OpenCV border type.
    """
    # OpenCV's maps may not be longer than 32767: the list is folded into rows.
    count = len(x_px)
    maps = np.zeros((2, -(-count // _ROW_PX) * _ROW_PX), np.float32)
    maps[0, :count] = x_px
    maps[1, :count] = y_px
    maps -= 0.5
    x, y = maps.reshape(2, -1, _ROW_PX)
    samples = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border)
    return samples.reshape(-1, *image.shape[2:])[:count]


class Marcher:
    """Marches rays through heights over a plane at 0.

    Args:
        height_m: (H, W) float32; 0 outside.
        gsd_m: size of a pixel.
    """

    def __init__(self, height_m: np.ndarray, gsd_m: float) -> None:
        self._height_m = height_m
        self._gsd_m = gsd_m
        self._top_m = float(height_m.max(initial=0.0))
        padded = np.pad(height_m, 1)
        self._columns = padded.shape[1]
        around = np.ones((3, 3), np.uint8)
        self._low = cv2.erode(padded, around).ravel()
        self._high = cv2.dilate(padded, around).ravel()
        self._highest = []
        for radius in _SKIPS_M:
            # Two pixels more on each side: a ray may stand anywhere in its pixel, and heights
            # are interpolated between neighbours.
            side = 2 * int(np.ceil(radius / gsd_m) + 2) + 1
            kernel = np.ones((side, side), np.uint8)
            self._highest.append(cv2.dilate(padded, kernel).ravel())

    def __call__(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Distance (N,) float32 to the surface along falling unit rays (N, 3).

        A step is as long as the highest surface nearby allows: the ray either stays within
        the radius for which that height holds, or falls to that height. Close to the surface
        steps are half a pixel.
        """
        east, south, fall = (np.ascontiguousarray(rays[:, axis]) for axis in range(3))
        fall = -fall
        flat = np.maximum(np.hypot(east, south), 1e-3)
        least = 0.5 * self._gsd_m / np.maximum(flat, fall)
        to_ground = origin[2] / fall
        distance = np.maximum(0.0, (origin[2] - self._top_m) / fall)
        active = np.arange(len(rays))
        while active.size:
            at = np.minimum(distance[active], to_ground[active])
            distance[active] = at
            up = origin[2] - at * fall[active]
            x_px = (origin[0] + at * east[active]) / self._gsd_m
            y_px = (origin[1] + at * south[active]) / self._gsd_m
            cell = self._cell(x_px, y_px)
            room = [up - highest[cell] for highest in self._highest]
            near = np.flatnonzero(room[0] <= 0)
            going = at < to_ground[active]
            going[near] &= self._heights(x_px[near], y_px[near]) < up[near]
            step = least[active]
            for radius, gap in zip(_SKIPS_M, room, strict=True):
                safe = np.minimum(gap / fall[active], radius / flat[active])
                np.maximum(step, safe, out=step)
            at += step
            distance[active[going]] = at[going]
            active = active[going]
        return self._refined(origin, rays, distance, least)

    def _refined(
        self, origin: np.ndarray, rays: np.ndarray, distance: np.ndarray, least: np.ndarray
    ) -> np.ndarray:
        """The hit moved to where the surface crosses the last step, taken as straight."""
        gap, gap_before = (
            self._heights(points[:, 0] / self._gsd_m, points[:, 1] / self._gsd_m) - points[:, 2]
            for points in (origin + t[:, None] * rays for t in (distance, distance - least))
        )
        crosses = (gap > 0) & (gap_before < 0)
        share = np.divide(gap, gap - gap_before, out=np.zeros_like(gap), where=crosses)
        return (distance - least * share).astype(np.float32)

    def neighbourhood(self, x_px: np.ndarray, y_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest surface (N,) among the 3 x 3 pixels around points."""
        cell = self._cell(x_px, y_px)
        return self._low[cell], self._high[cell]

    def _heights(self, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
        """Interpolated heights (N,), with walls upright.

        Interpolation lets a wall lean over a pixel. Its line at half height is straight, so
        the wall is squeezed onto it.
        """
        if len(x_px) == 0:
            return np.zeros(0, np.float32)
        smooth = sample(self._height_m, x_px, y_px, cv2.BORDER_CONSTANT)
        low, high = self.neighbourhood(x_px, y_px)
        rise = high - low
        share = (smooth - low) / np.maximum(rise, 1e-3)
        upright = low + rise * np.clip(_SQUEEZE * (share - 0.5) + 0.5, 0, 1)
        return np.where(rise > _WALL_M, upright, smooth)

    def _cell(self, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
        """Position in the flat padded arrays; points outside fall on the rim."""
        height, width = self._height_m.shape
        column = np.clip(x_px + 1.0, 0, width + 1).astype(np.int32)
        row = np.clip(y_px + 1.0, 0, height + 1).astype(np.int32)
        return row * self._columns + column
