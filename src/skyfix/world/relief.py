"""A coloured height model and what is seen of it along rays."""

from collections.abc import Callable

import cv2
import numpy as np

from skyfix.geo.camera import Pose, axes
from skyfix.world.march import Marcher, sample

SKY = np.array([(196, 210, 224), (112, 156, 208)], np.float32)
"""Colours at the horizon and 40 degrees above it."""
_HAZE_M = 2500.0
_LEVELS = 5

PaintSides = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
"""Paints upright sides: colours (N, 3) to change in place, hits (N, 3) and unit rays (N, 3) in
metres, and size of the photo's pixel at each hit (N,) in metres."""


class Relief:
    """Colours over heights.

    Frame: metres right and down from the upper left corner, which both grids share, and up from
    the plane that heights count from.

    Args:
        rgb: (H, W, 3) uint8, the surface seen from straight above.
        rgb_gsd_m: size of its pixels, which are square.
        height_m: (h, w) float32, from 0; outside the ground lies at 0.
        height_gsd_m: size of its pixels.
        beyond: colour (3,) of the ground outside.
        paint_sides: for a better look of upright sides than the surface's colours pulled down.
    """

    def __init__(
        self,
        rgb: np.ndarray,
        rgb_gsd_m: float,
        height_m: np.ndarray,
        height_gsd_m: float,
        beyond: np.ndarray,
        paint_sides: PaintSides | None = None,
    ) -> None:
        self._pyramid = [rgb]
        for _ in range(_LEVELS - 1):
            self._pyramid.append(_halved(self._pyramid[-1]))
        self._gsd_m = rgb_gsd_m
        self._height_gsd_m = height_gsd_m
        self._march = Marcher(height_m, height_gsd_m)
        self._beyond = beyond.astype(np.float32)
        self._paint_sides = paint_sides

    def view(self, origin: np.ndarray, rays: np.ndarray, focal_px: float) -> np.ndarray:
        """What is seen from a point along rays: sky, surface, sides of things, haze.

        Args:
            origin: (3,) metres.
            rays: (H, W, 3) float32 unit directions in the frame (``rays_of``).
            focal_px: focal length in pixels of that picture.

        Returns:
            (H, W, 3) float32, colours from 0 to 255.
        """
        start = self._march.lead(origin, rays).ravel()
        directions = rays.reshape(-1, 3)
        picture = _sky(directions)
        falls = np.flatnonzero(directions[:, 2] < -1e-3)
        falling = directions[falls]
        distance = self._march(origin, falling, start[falls])
        picture[falls] = self._shade(origin, falling, distance, focal_px)
        return picture.reshape(rays.shape)

    def hit(self, origin: np.ndarray, ray: np.ndarray) -> np.ndarray:
        """Where a falling unit ray (3,) meets the surface: (3,) metres."""
        return origin + self._march(origin, ray[None].astype(np.float32))[0] * ray

    def _shade(
        self, origin: np.ndarray, rays: np.ndarray, distance: np.ndarray, focal_px: float
    ) -> np.ndarray:
        """Colours (N, 3) float32 at the hits."""
        hits = origin + distance[:, None] * rays
        x_px, y_px = hits[:, 0] / self._gsd_m, hits[:, 1] / self._gsd_m
        pixel_m = distance / np.float32(focal_px)
        # Seen flat, a pixel is long in one direction only; the square root is a fair middle.
        footprint_px = pixel_m / self._gsd_m / np.sqrt(np.maximum(-rays[:, 2], 0.02))
        colours = self._surface_colours(x_px, y_px, np.log2(np.maximum(footprint_px, 1.0)))
        self._shade_sides(colours, hits, rays, pixel_m)
        height, width = self._pyramid[0].shape[:2]
        outside = np.flatnonzero((x_px < 0) | (x_px >= width) | (y_px < 0) | (y_px >= height))
        colours[outside] = self._beyond
        clear = np.exp(distance / np.float32(-_HAZE_M))
        clear[outside] = np.minimum(clear[outside], 0.65)
        return SKY[0] + clear[:, None] * (colours - SKY[0])

    def _shade_sides(
        self, colours: np.ndarray, hits: np.ndarray, rays: np.ndarray, pixel_m: np.ndarray
    ) -> None:
        gsd_m = self._height_gsd_m
        low_m, high_m = self._march.neighbourhood(hits[:, 0] / gsd_m, hits[:, 1] / gsd_m)
        below_m = high_m - hits[:, 2]
        upright = below_m > max(0.7, 1.6 * gsd_m)
        sides = np.flatnonzero(upright & (hits[:, 2] - low_m > 0.1))
        painted = colours[sides] * np.clip(1 - 0.08 * below_m[sides], 0.55, 1)[:, None]
        if self._paint_sides is not None:
            self._paint_sides(painted, hits[sides], rays[sides], pixel_m[sides])
        colours[sides] = painted

    def _surface_colours(self, x_px: np.ndarray, y_px: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Bilinear samples (N, 3) from the two nearest levels of the pyramid, mixed."""
        level = np.clip(level, 0, _LEVELS - 1.001)
        lower = level.astype(np.int32)
        colours = np.zeros((len(level), 3), np.float32)
        for number, image in enumerate(self._pyramid):
            weight = np.where(lower == number, 1 - (level - lower), 0)
            weight += np.where(lower + 1 == number, level - lower, 0)
            chosen = np.flatnonzero(weight)
            if chosen.size:
                x, y = x_px[chosen] / 2**number, y_px[chosen] / 2**number
                samples = sample(image, x, y, cv2.BORDER_REPLICATE)
                colours[chosen] += weight[chosen, None].astype(np.float32) * samples
        return colours


def _halved(image: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels: unlike ``cv2.pyrDown``, they lie in the middle of the four."""
    rows, columns = image.shape[:2]
    even = cv2.copyMakeBorder(image, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE)
    size = (even.shape[1] // 2, even.shape[0] // 2)
    return cv2.resize(even, size, interpolation=cv2.INTER_AREA)


def focal_px(pose: Pose, width_px: int) -> float:
    """Focal length in pixels of a picture of that width."""
    return 0.5 * width_px / float(np.tan(np.radians(float(pose.hfov_deg or 0.0)) / 2))


def rays_of(pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Unit directions (H, W, 3) float32 of the pixels' centres: x right, y down the map, z up.

    The pose's heading counts from the map's up direction.
    """
    right, down, forward = axes(pose)
    focal = focal_px(pose, width_px)
    x = (np.arange(width_px) + 0.5 - width_px / 2) / focal
    y = (np.arange(height_px) + 0.5 - height_px / 2) / focal
    across = (x[:, None] * right).astype(np.float32)
    along = (y[:, None] * down + forward).astype(np.float32)
    rays = across[None] + along[:, None]
    rays /= np.sqrt(np.einsum("hwc,hwc->hw", rays, rays))[..., None]
    rays[..., 1] *= -1
    return rays


def _sky(rays: np.ndarray) -> np.ndarray:
    """Background (N, 3) float32 by elevation."""
    picture = np.empty((len(rays), 3), np.float32)
    picture[:] = SKY[0]
    above = np.flatnonzero(rays[:, 2] > 0)
    share = np.clip(rays[above, 2:] / 0.64, 0, 1) ** 0.6
    picture[above] = SKY[0] * (1 - share) + SKY[1] * share
    return picture
