"""Perspective photos of a town: rays marched through the height model.

Frame: metres right and down from the town's upper left corner, and up. The camera is
``skyfix.geo.camera``; angles are from true north, so the map's convergence is taken off.
"""

from dataclasses import replace

import cv2
import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose, axes
from skyfix.world.appearance import Epoch, Ground
from skyfix.world.march import Marcher, sample
from skyfix.world.town import Town
from skyfix.world.walls import wall_colours

_SKY = np.array([(196, 210, 224), (112, 156, 208)], np.float32)
"""Colours at the horizon and 40 degrees above it."""
_BEYOND = np.array((138, 146, 118), np.float32)
"""Colour of the plain around the town."""
_HAZE_M = 2500.0
_LEVELS = 5


class Renderer:
    """Renders photos of one town on one day.

    Args:
        town: the town.
        ground: the town in the light of the epoch (``illuminate``).
        epoch: the day, for the light on walls.
    """

    def __init__(self, town: Town, ground: Ground, epoch: Epoch) -> None:
        self._town = town
        self._epoch = epoch
        self._pyramid = [ground.rgb]
        for _ in range(_LEVELS - 1):
            self._pyramid.append(cv2.pyrDown(self._pyramid[-1]))
        self._march = Marcher(ground.height_m, town.gsd_m)
        self._building = cv2.dilate(town.building, np.ones((3, 3), np.uint8))

    def photo(
        self,
        pose: Pose,
        x_m: float,
        y_m: float,
        width_px: int = 480,
        height_px: int = 360,
        supersampling: float = 1.3,
    ) -> np.ndarray:
        """What a camera sees from ``pose.altitude_m`` above (x_m, y_m).

        Args:
            pose: complete; heading clockwise from true north.
            x_m, y_m: camera position, metres right and down from the town's upper left corner.
            width_px, height_px: size of the photo.
            supersampling: rays per pixel in each direction; fractions are allowed.

        Returns:
            (height_px, width_px, 3) uint8. Sky above the horizon; haze where the rays leave
            the town.

        Raises:
            SkyfixError: the pose is not complete.
        """
        if not pose.is_complete:
            raise SkyfixError(f"Cannot render {pose}: all of its angles and altitude are needed.")
        size = (round(width_px * supersampling), round(height_px * supersampling))
        grid_heading = float(pose.heading_deg or 0.0) - self._town.convergence_deg(x_m, y_m)
        rays = _rays(replace(pose, heading_deg=grid_heading), *size)
        origin = np.array([x_m, y_m, float(pose.altitude_m or 0.0)], np.float32)
        picture = _sky(rays)
        falls = np.flatnonzero(rays[:, 2] < -1e-3)
        distance = self._march(origin, rays[falls])
        focal_px = 0.5 * size[0] / np.tan(np.radians(float(pose.hfov_deg or 0.0)) / 2)
        picture[falls] = self._shade(origin, rays[falls], distance, focal_px)
        image = picture.reshape(size[1], size[0], 3)
        image = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)

    def _shade(
        self, origin: np.ndarray, rays: np.ndarray, distance: np.ndarray, focal_px: float
    ) -> np.ndarray:
        """Colours (N, 3) float32 at the hits: surface, sides of things, haze."""
        gsd_m = self._town.gsd_m
        hits = origin + distance[:, None] * rays
        x_px, y_px = hits[:, 0] / gsd_m, hits[:, 1] / gsd_m
        pixel_m = distance / focal_px
        # Seen flat, a pixel is long in one direction only; the square root is a fair middle.
        footprint_px = pixel_m / gsd_m / np.sqrt(np.maximum(-rays[:, 2], 0.02))
        colours = self._surface_colours(x_px, y_px, np.log2(np.maximum(footprint_px, 1.0)))
        height, width = self._building.shape
        column = np.clip(x_px.astype(np.int32), 0, width - 1)
        row = np.clip(y_px.astype(np.int32), 0, height - 1)
        low_m, high_m = self._march.neighbourhood(x_px, y_px)
        below_m = high_m - hits[:, 2]
        number = self._building[row, column]
        is_side = (below_m > max(0.7, 1.6 * gsd_m)) & (hits[:, 2] - low_m > 0.1)
        other = is_side & (number == 0)
        colours[other] *= np.clip(1 - 0.08 * below_m[other], 0.55, 1)[:, None]
        walls = np.flatnonzero(is_side & (number > 0))
        colours[walls] = wall_colours(
            self._town, self._epoch, number[walls], hits[walls], rays[walls], pixel_m[walls]
        )
        is_outside = (x_px < 0) | (x_px >= width) | (y_px < 0) | (y_px >= height)
        colours[is_outside] = _BEYOND
        haze = 1 - np.exp(-distance / _HAZE_M)
        haze = np.where(is_outside, np.maximum(haze, 0.35), haze)[:, None]
        return colours * (1 - haze) + _SKY[0] * haze

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


def _rays(pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Unit directions (H * W, 3) float32, row by row: x right, y down the map, z up."""
    right, down, forward = axes(pose)
    focal_px = 0.5 * width_px / np.tan(np.radians(float(pose.hfov_deg or 0.0)) / 2)
    x = (np.arange(width_px) + 0.5 - width_px / 2) / focal_px
    y = (np.arange(height_px) + 0.5 - height_px / 2) / focal_px
    rays = x[None, :, None] * right + y[:, None, None] * down + forward
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    return (rays.reshape(-1, 3) * [1.0, -1.0, 1.0]).astype(np.float32)


def _sky(rays: np.ndarray) -> np.ndarray:
    """Background (N, 3) float32 by elevation."""
    share = np.clip(rays[:, 2:] / 0.64, 0, 1) ** 0.6
    return _SKY[0] * (1 - share) + _SKY[1] * share
