"""First hits of rays with a height model."""

import cv2
import numpy as np

_SKIPS_PX = (1, 3, 8, 24)
"""Radii (px) within which the highest surface is known, to step over empty air."""
_BUNDLES_PX = (16, 4)
"""Sides of the squares of rays that are led together, coarse to fine."""
_SHORTEST_LEAD_M = 0.4
"""A bundle that can only go on in shorter steps is dissolved."""
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
        self._highest: list[tuple[float, np.ndarray]] = []
        for radius in _SKIPS_PX:
            # A pixel more on each side, as heights are interpolated between neighbours.
            kernel = np.ones((2 * radius + 3, 2 * radius + 3), np.uint8)
            self._highest.append((radius * gsd_m, cv2.dilate(padded, kernel).ravel()))

    def __call__(
        self,
        origin: np.ndarray,
        rays: np.ndarray,
        start_m: np.ndarray | None = None,
    ) -> np.ndarray:
        """Distance (N,) float32 to the surface along falling rays (N, 3).

        A step is as long as the highest surface nearby allows: the ray either stays within
        the radius for which that height holds, or falls to that height. Close to the surface
        steps are half a pixel.

        Args:
            origin: (3,) where the rays start.
            rays: (N, 3) unit directions, or nearly so; the third coordinate is negative.
            start_m: (N,) distances up to which there is no surface (``lead``).
        """
        east, south, fall = (np.ascontiguousarray(rays[:, axis]) for axis in range(3))
        fall = -fall
        flat = np.maximum(np.hypot(east, south), 1e-3)
        least = 0.5 * self._gsd_m / np.maximum(flat, fall)
        to_ground = origin[2] / fall
        distance = np.maximum(0.0, (origin[2] - self._top_m) / fall)
        if start_m is not None:
            np.maximum(distance, start_m, out=distance)
        active = np.arange(len(rays))
        while active.size:
            fall_now = fall[active]
            at = np.minimum(distance[active], to_ground[active])
            distance[active] = at
            up = origin[2] - at * fall_now
            x_px = (origin[0] + at * east[active]) / self._gsd_m
            y_px = (origin[1] + at * south[active]) / self._gsd_m
            cell = self._cell(x_px, y_px)
            going = at < to_ground[active]
            near = np.flatnonzero(up <= self._high[cell])
            going[near] &= self._heights(x_px[near], y_px[near], cell[near]) < up[near]
            step = least[active]
            above = np.arange(len(active))
            for radius, highest in self._highest:
                # Where a radius gives no room, a larger one gives none either.
                gap = up[above] - highest[cell[above]]
                above, gap = above[gap > 0], gap[gap > 0]
                safe = np.minimum(gap / fall_now[above], radius / flat[active[above]])
                step[above] = np.maximum(step[above], safe)
            distance[active] = np.where(going, at + step, at)
            active = active[going]
        return self._refined(origin, rays, distance, least)

    def lead(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Distances (H, W) float32 up to which no ray of a picture (H, W, 3) meets the surface.

        Neighbouring rays are led together: all rays of a bundle lie within ``spread`` times the
        distance of its middle ray (cone marching), so one ray a bundle tells how far the air is
        free for all. Bundles that rise somewhere, to or above the horizon, are not led.
        """
        height, width = rays.shape[:2]
        start = np.zeros((height, width), np.float32)
        for side in _BUNDLES_PX:
            rows, columns = (-(-size // side) * side for size in (height, width))
            padded = np.pad(rays, ((0, rows - height), (0, columns - width), (0, 0)), "edge")
            bundles = padded.reshape(rows // side, side, columns // side, side, 3)
            middle = bundles[:, side // 2, :, side // 2]
            corners = bundles[:, :: side - 1, :, :: side - 1]
            apart = corners - middle[:, None, :, None]
            spread = np.sqrt((apart**2).sum(axis=-1).max(axis=(1, 3)))
            falls = (corners[..., 2] < -1e-3).all(axis=(1, 3))
            led = start[::side, ::side].copy()
            led[falls] = self._lead(origin, middle[falls], spread[falls], led[falls])
            start = led.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
        return start

    def _lead(
        self, origin: np.ndarray, rays: np.ndarray, spread: np.ndarray, start_m: np.ndarray
    ) -> np.ndarray:
        """How far (N,) bundles around rays (N, 3) go through free air."""
        fall, flat = -rays[:, 2], np.hypot(rays[:, 0], rays[:, 1])
        over = (origin[2] - self._top_m) / (fall + spread)
        distance = np.maximum(start_m, over)
        active = np.arange(len(rays))
        while active.size:
            at, wide = distance[active], spread[active]
            points = origin + at[:, None] * rays[active]
            cell = self._cell(points[:, 0] / self._gsd_m, points[:, 1] / self._gsd_m)
            step = np.zeros_like(at)
            for radius, highest in self._highest:
                down = (points[:, 2] - highest[cell] - at * wide) / (fall[active] + wide)
                aside = (radius - at * wide) / (flat[active] + wide)
                np.maximum(step, np.minimum(down, aside), out=step)
            going = step > _SHORTEST_LEAD_M
            active = active[going]
            distance[active] += step[going]
        return distance.astype(np.float32)

    def _refined(
        self, origin: np.ndarray, rays: np.ndarray, distance: np.ndarray, least: np.ndarray
    ) -> np.ndarray:
        """The hit moved to where the surface crosses the last step, taken as straight."""
        gap, gap_before = (
            self._above(origin + along[:, None] * rays) for along in (distance, distance - least)
        )
        crosses = (gap > 0) & (gap_before < 0)
        share = np.divide(gap, gap - gap_before, out=np.zeros_like(gap), where=crosses)
        return (distance - least * share).astype(np.float32)

    def neighbourhood(self, x_px: np.ndarray, y_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest surface (N,) among the 3 x 3 pixels around points."""
        cell = self._cell(x_px, y_px)
        return self._low[cell], self._high[cell]

    def _above(self, points: np.ndarray) -> np.ndarray:
        """How far (N,) the surface stands above points (N, 3)."""
        x_px, y_px = points[:, 0] / self._gsd_m, points[:, 1] / self._gsd_m
        return self._heights(x_px, y_px, self._cell(x_px, y_px)) - points[:, 2]

    def _heights(self, x_px: np.ndarray, y_px: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Interpolated heights (N,), with walls upright.

        Interpolation lets a wall lean over a pixel. Its line at half height is straight, so
        the wall is squeezed onto it.
        """
        if len(x_px) == 0:
            return np.zeros(0, np.float32)
        smooth = sample(self._height_m, x_px, y_px, cv2.BORDER_CONSTANT)
        low, high = self._low[cell], self._high[cell]
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
