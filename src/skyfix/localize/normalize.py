"""From a photo to north-up views of the ground that look like tiles of the gallery.

What is known about the camera decides how far this goes:

- nothing: the central square as it is, the photo's top taken for north;
- the heading: the photo turned so that north is up;
- pitch, altitude and field of view too: the ground plane rectified to the gallery's scale and
  cut into patches of one tile's size, half a tile apart, over all the ground in the photo;
- altitude and field of view without the pitch: the same, the camera taken to look straight down.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skyfix.geo.camera import Pose, centre_on_ground, footprint, ground_to_pixel
from skyfix.localize.rectify import is_shown, rectified, square_grid, turned

MIN_COVERAGE = 1 / 3
"""Patches of which the photo shows less than this part are left out."""

MAX_PATCHES = 16
"""Most patches of a photo; those that hold the most photo pixels are taken."""

_MOST_STEPS = 64
_SAMPLES = 9


@dataclass(frozen=True)
class Patch:
    """One north-up view of the ground, the size of a tile.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        east_m, north_m: its centre relative to the ground point at the photo's centre.
        coverage: part of it that the photo shows, 0 to 1.
    """

    pixels: np.ndarray
    east_m: float = 0.0
    north_m: float = 0.0
    coverage: float = 1.0


def patches(
    photo: np.ndarray, pose: Pose, tile_m: float, step_m: float, size_px: tuple[int, int]
) -> list[Patch]:
    """North-up views of the ground in a photo; see the module's text.

    Args:
        photo: (H, W, 3) uint8 RGB.
        pose: what is known; an unknown heading counts as north.
        tile_m: side of a patch on the ground, metres (needs pitch, altitude, field of view).
        step_m: distance between neighbouring patches, metres.
        size_px: (height, width) of a rectified patch.

    Returns:
        At least one patch. Where the photo shows less than ``MIN_COVERAGE`` of every patch, the
        one it shows most of.

    Raises:
        SkyfixError: the camera does not look at the ground.
    """
    heading_deg = pose.heading_deg or 0.0
    if not pose.has_geometry:
        pixels, coverage = turned(photo, heading_deg)
        return [Patch(pixels, coverage=coverage)]
    pose = replace(pose, heading_deg=heading_deg)
    offsets, shown = _lattice(pose, (photo.shape[1], photo.shape[0]), tile_m, step_m)
    below = centre_on_ground(pose)
    return [
        Patch(
            rectified(photo, pose, below + offset, tile_m, size_px),
            float(offset[0]),
            float(offset[1]),
            float(part),
        )
        for offset, part in zip(offsets, shown, strict=True)
    ]


def _lattice(
    pose: Pose, photo_px: tuple[int, int], tile_m: float, step_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Patch centres relative to the photo's ground centre (P, 2), metres, and coverage (P,).

    Most photo pixels first, so that near, sharp ground is preferred.
    """
    offsets = _lattice_points(footprint(pose, *photo_px) - centre_on_ground(pose), step_m)
    samples = square_grid(_SAMPLES, _SAMPLES) * tile_m
    ground = centre_on_ground(pose) + offsets[:, None, :] + samples
    shown = is_shown(ground, pose, photo_px)
    coverage = shown.mean(axis=1)
    held_px = np.where(shown, _pixel_density(ground, pose), 0.0).sum(axis=1)
    ranked = np.argsort(-held_px, kind="stable")
    enough = ranked[coverage[ranked] >= MIN_COVERAGE][:MAX_PATCHES]
    chosen = enough if len(enough) else np.argsort(-coverage, kind="stable")[:1]
    return offsets[chosen], coverage[chosen]


def _lattice_points(corners: np.ndarray, step_m: float) -> np.ndarray:
    """Points (P, 2) with steps of ``step_m`` through (0, 0) over the box around ``corners``."""
    corners = np.concatenate([corners, np.zeros((1, 2))])
    # Seen from very high a tile is a speck: a sparser lattice then has specks enough.
    step_m *= max(1, math.ceil(np.ptp(corners, axis=0).max() / step_m / _MOST_STEPS))
    first, last = np.floor(corners.min(axis=0) / step_m), np.ceil(corners.max(axis=0) / step_m)
    east, north = (step_m * np.arange(low, high + 1) for low, high in zip(first, last, strict=True))
    return np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)


def _pixel_density(ground: np.ndarray, pose: Pose) -> np.ndarray:
    """Photo pixels on a square metre at ground points (..., 2), up to a constant factor.

    The area scale of a homography is its determinant over the cube of the depth.
    """
    east, north, constant = ground_to_pixel(pose, 2, 2)[2]
    depth_m = ground @ [east, north] + constant
    return 1.0 / np.maximum(depth_m, 1e-6) ** 3
