"""Perspective photos of a town: rays marched through the height model.

Frame: metres right and down from the town's upper left corner, and up. The camera is
``skyfix.geo.camera``; angles are from true north, so the map's convergence is taken off.
"""

from dataclasses import replace

import cv2
import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.world.appearance import Epoch, Ground
from skyfix.world.relief import PaintSides, Relief, focal_px, rays_of
from skyfix.world.town import Town
from skyfix.world.walls import wall_colours

BEYOND = np.array((138, 146, 118), np.float32)
"""Colour of the plain around the town."""


class Renderer:
    """Renders photos of one town on one day.

    Args:
        town: the town.
        ground: the town in the light of the epoch (``illuminate``).
        epoch: the day, for the light on walls.
    """

    def __init__(self, town: Town, ground: Ground, epoch: Epoch) -> None:
        self._town = town
        self._relief = town_relief(town, ground, epoch)

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
        rays = rays_of(replace(pose, heading_deg=grid_heading), *size)
        origin = np.array([x_m, y_m, float(pose.altitude_m or 0.0)], np.float32)
        image = self._relief.view(origin, rays, focal_px(pose, size[0]))
        image = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def town_relief(town: Town, ground: Ground, epoch: Epoch) -> Relief:
    """The town in the light of an epoch (``illuminate``), its walls with windows."""
    return Relief(
        ground.rgb, town.gsd_m, ground.height_m, town.gsd_m, BEYOND, _walls_of(town, epoch)
    )


def _walls_of(town: Town, epoch: Epoch) -> PaintSides:
    building = cv2.dilate(town.building, np.ones((3, 3), np.uint8))
    height, width = building.shape

    def paint(colours: np.ndarray, hits: np.ndarray, rays: np.ndarray, pixel_m: np.ndarray) -> None:
        column = np.clip((hits[:, 0] / town.gsd_m).astype(np.int32), 0, width - 1)
        row = np.clip((hits[:, 1] / town.gsd_m).astype(np.int32), 0, height - 1)
        number = building[row, column]
        walls = np.flatnonzero(number)
        colours[walls] = wall_colours(
            town, epoch, number[walls], hits[walls], rays[walls], pixel_m[walls]
        )

    return paint
