"""Which tile sizes of a gallery a photo is compared with, and what the comparison says.

A photo whose ground size is known is compared with one size: the largest tile that it covers
well, or the smallest there is. For a photo of unknown ground size every size is a hypothesis:
each is scored against its own background, and all tiles together make one posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.localize.match import Matcher
from skyfix.localize.posterior import Estimate, estimate, posterior
from skyfix.localize.rectify import is_shown, square_grid

WELL_COVERED = 0.75
"""Part of a tile around the photo's centre that the photo has to show; a photo of 4 : 3 shows
this much of a tile as wide as itself."""

_SAMPLES = 17


def fitting(pose: Pose, photo_px: tuple[int, int], tiles_m: Sequence[float]) -> tuple[int, ...]:
    """Which tile sizes to compare a photo with.

    Args:
        pose: what is known. Without pitch but with altitude and field of view the camera is
            taken to look straight down.
        photo_px: (width, height).
        tiles_m: sides of tiles, metres, small ones first.

    Returns:
        Indices into ``tiles_m``: one where the photo's size on the ground is known, else all.

    Raises:
        SkyfixError: the camera does not look at the ground.
    """
    if len(tiles_m) == 1:
        return (0,)
    if pose.altitude_m is None or pose.hfov_deg is None:
        return tuple(range(len(tiles_m)))
    pitch_deg = -90.0 if pose.pitch_deg is None else pose.pitch_deg
    posed = Pose(0.0, pitch_deg, pose.altitude_m, pose.hfov_deg, pose.roll_deg)
    covered = [
        index
        for index, tile_m in enumerate(tiles_m)
        if _coverage(posed, photo_px, tile_m) >= WELL_COVERED
    ]
    return (max(covered, default=0),)


@dataclass(frozen=True)
class Scores:
    """Scores of a photo against all tiles of the sizes that fit.

    Attributes:
        lon, lat: (S,) tile centres, degrees.
        ids: (S,) of the tiles.
        scores: (S,) standard deviations above the background of the tile's size.
        found: where the photo's centre lies.
        tile_m: side of the tiles that say so, metres.
    """

    lon: np.ndarray
    lat: np.ndarray
    ids: np.ndarray
    scores: np.ndarray
    found: Estimate
    tile_m: float


def scored(matchers: Sequence[Matcher], scores: np.ndarray) -> Scores:
    """What the scores of tiles of one size or several say.

    Args:
        matchers: one for each size that fits; at least one has rows.
        scores: (S,) of their rows, one size after the other.
    """
    bounds = np.cumsum([len(one.rows) for one in matchers])[:-1]
    lon, lat, ids = (
        np.concatenate([getattr(one.tiles, name)[one.rows] for one in matchers])
        for name in ("lon", "lat", "id")
    )
    strides_m = [one.stride_m for one in matchers]
    likely, size = joint_posterior(np.split(scores, bounds), strides_m)
    best = matchers[size]
    found = estimate(lon, lat, likely, best.tile_m / 2, best.stride_m)
    return Scores(lon, lat, ids, scores, found, best.tile_m)


def joint_posterior(
    by_size: Sequence[np.ndarray], strides_m: Sequence[float]
) -> tuple[np.ndarray, int]:
    """Probability (S,) of each tile of all sizes, and the index of the size that holds most.

    Args:
        by_size: scores (T,) of the tiles of each size.
        strides_m: distance between neighbouring tiles of each size.
    """
    if len(by_size) == 1:
        return posterior(by_size[0]), 0
    # Before looking, places are alike: a tile stands for a stride's square of ground, so that
    # a size does not win for its tiles being many.
    area = np.repeat(np.square(strides_m), [len(scores) for scores in by_size])
    likely = posterior(np.concatenate(by_size)) * area
    likely /= likely.sum()
    bounds = np.cumsum([len(scores) for scores in by_size])[:-1]
    held = [part.sum() for part in np.split(likely, bounds)]
    return likely, int(np.argmax(held))


def _coverage(pose: Pose, photo_px: tuple[int, int], tile_m: float) -> float:
    """Part of a tile around the photo's ground centre that the photo shows."""
    ground = centre_on_ground(pose) + square_grid(_SAMPLES, _SAMPLES) * tile_m
    return float(is_shown(ground, pose, photo_px).mean())
