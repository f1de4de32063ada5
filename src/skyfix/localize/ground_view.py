"""The ground in a photo, seen from straight above, for registration to the map."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from skyfix.geo.camera import Pose, centre_on_ground, footprint
from skyfix.localize.rectify import is_shown, rectified, square_grid, turned

VIEW_PX = 384
"""Side of a ground view."""

_SIDE_PER_RANGE = 1.75


@dataclass(frozen=True)
class GroundView:
    """A square of ground around the point at the photo's centre.

    Attributes:
        pixels: (S, S, 3) uint8 RGB, north up; photo's top up where the heading is unknown.
        shown: (S, S) bool, what the photo shows.
        side_m: side on the ground, metres.
    """

    pixels: np.ndarray
    shown: np.ndarray
    side_m: float

    def changed(self, turn_deg: float, scale: float, size_px: int) -> "GroundView":
        """Turned clockwise about its centre, enlarged, and drawn on ``size_px`` pixels a side.

        The ground it covers, ``side_m``, stays the same: enlarged by 1.1, the photo shows
        ground 1.1 times as wide as the pose says.
        """
        size = self.pixels.shape[0]
        pixels: np.ndarray = self.pixels
        shown: np.ndarray = self.shown.astype(np.uint8) * 255
        if size_px < size:
            pixels = cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)
            shown = cv2.resize(shown, (size_px, size_px), interpolation=cv2.INTER_AREA)
        middle = (pixels.shape[0] - 1) / 2
        turn = cv2.getRotationMatrix2D((middle, middle), -turn_deg, scale)
        drawn = [
            cv2.warpAffine(picture, turn, picture.shape[:2], borderMode=border)
            for picture, border in ((pixels, cv2.BORDER_REPLICATE), (shown, cv2.BORDER_CONSTANT))
        ]
        return GroundView(drawn[0], drawn[1] > 250, self.side_m)


def ground_view(photo: np.ndarray, pose: Pose) -> GroundView:
    """The ground in a photo (H, W, 3) of known pitch, altitude and field of view.

    The square reaches as far as the photo, at most 1.75 times the distance to the ground at its
    centre: what is farther away is seen too flatly to be compared.
    """
    pose = replace(pose, heading_deg=pose.heading_deg or 0.0)
    size_px = photo.shape[1], photo.shape[0]
    below = centre_on_ground(pose)
    range_m = math.hypot(float(pose.altitude_m or 0.0), *below)
    reach_m = np.linalg.norm(footprint(pose, *size_px) - below, axis=1).max(initial=0.0)
    side_m = min(2 * float(reach_m), _SIDE_PER_RANGE * range_m)
    square = below + square_grid(VIEW_PX, VIEW_PX) * side_m
    shown = is_shown(square, pose, size_px).reshape(VIEW_PX, VIEW_PX)
    return GroundView(rectified(photo, pose, below, side_m, (VIEW_PX, VIEW_PX)), shown, side_m)


def assumed_view(photo: np.ndarray, heading_deg: float | None, side_m: float) -> GroundView:
    """A photo (H, W, 3) of unknown geometry, taken for ground from straight above.

    Its central square is taken for ``side_m`` of ground: a tile, which it resembles in size
    if it was to be found at all.
    """
    square, _ = turned(photo, heading_deg or 0.0)
    pixels = cv2.resize(square, (VIEW_PX, VIEW_PX), interpolation=cv2.INTER_AREA)
    return GroundView(pixels, np.ones((VIEW_PX, VIEW_PX), bool), side_m)
