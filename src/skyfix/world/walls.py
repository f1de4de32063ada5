"""The sides of buildings: plaster, floors with windows, light by the wall's direction."""

import numpy as np

from skyfix.world.appearance import Epoch
from skyfix.world.town import Town

_FLOOR_M, _BAY_M = 2.9, 2.6
_TURN = np.arange(12) * (2 * np.pi / 12)
_AROUND_PX = np.concatenate(
    [radius * np.column_stack([np.cos(_TURN), np.sin(_TURN)]) for radius in (2.0, 4.0)]
)
"""Where the inside of a building is looked for from a point on its wall."""
_GLASS = np.array((84.0, 95.0, 108.0), np.float32)


def wall_colours(
    town: Town,
    epoch: Epoch,
    number: np.ndarray,
    hits_m: np.ndarray,
    rays: np.ndarray,
    pixel_m: np.ndarray,
) -> np.ndarray:
    """Colours (N, 3) float32 of hits on the walls of buildings.

    Args:
        town: for the walls' colours and directions.
        epoch: for the light.
        number: (N,) building numbers.
        hits_m: (N, 3) points on the walls.
        rays: (N, 3) unit directions of sight.
        pixel_m: (N,) size of the photo's pixel at the hit, square to the ray.
    """
    angle = town.wall_angle_rad[number]
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    is_end = _is_end_wall(town, number, hits_m, along, across)[:, None]
    normal = np.where(is_end, along, across)
    # Only sides that face the camera can be seen.
    towards = (normal * rays[:, :2]).sum(axis=1)
    normal = -normal * np.sign(towards)[:, None]
    position = (hits_m[:, :2] * np.where(is_end, across, along)).sum(axis=1)
    up_m = hits_m[:, 2]
    footprint_m = pixel_m / np.maximum(np.abs(towards), 0.05)
    glass = _window_share(position, up_m, footprint_m)[:, None]
    colours = town.wall_rgb[number] * (1 - glass) + _GLASS * glass
    # Dirt and neighbours in the way of the sky: a little darker at the foot.
    shade = _light(normal, epoch) * np.clip(0.80 + 0.04 * up_m, 0, 1)
    return (colours * shade[:, None]).astype(np.float32)


def _is_end_wall(
    town: Town, number: np.ndarray, hits_m: np.ndarray, along: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Whether the wall (N,) stands across the building's direction.

    The mean direction of the building's pixels around a point on its wall is square to the wall,
    whatever steps the pixels of its edge make.
    """
    limit = np.array(town.building.shape[::-1]) - 1
    inwards = np.zeros((len(number), 2))
    for away_px in _AROUND_PX:
        pixels = (hits_m[:, :2] / town.gsd_m + away_px).astype(np.int32)
        x, y = np.clip(pixels, 0, limit).T
        inwards += (town.building[y, x] == number)[:, None] * away_px
    lengthwise, crosswise = (np.abs((inwards * axis).sum(axis=1)) for axis in (along, across))
    return lengthwise > crosswise


def _light(normal: np.ndarray, epoch: Epoch) -> np.ndarray:
    """Brightness (N,) of upright walls with outward normals (N, 2)."""
    sun = epoch.to_sun
    facing = np.clip(normal @ sun[:2], 0, None) / max(float(sun[2]), 0.2)
    return 0.50 + 0.50 * np.minimum(facing, 1.1)


def _window_share(position_m: np.ndarray, up_m: np.ndarray, footprint_m: np.ndarray) -> np.ndarray:
    """Share of glass (N,): rows of windows, even grey where they are smaller than a pixel."""
    # A pixel as large as a window's frame sees half of each side.
    soft = np.maximum(footprint_m, 0.12)
    rows = _band(up_m % _FLOOR_M, 0.95, 2.25, soft)
    pattern = rows * _band(position_m % _BAY_M, 0.65, 1.95, soft)
    mean = (1.3 / _FLOOR_M) * (1.3 / _BAY_M)
    blur = np.clip((footprint_m - 0.3) / 0.6, 0, 1)
    return pattern * (1 - blur) + mean * blur


def _band(value: np.ndarray, low: float, high: float, soft: np.ndarray) -> np.ndarray:
    rising = np.clip((value - low) / soft + 0.5, 0, 1)
    return rising * np.clip((high - value) / soft + 0.5, 0, 1)
