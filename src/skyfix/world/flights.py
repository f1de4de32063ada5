"""Where the cameras of the sample hang: orbits around places, and photos over a town."""

from dataclasses import dataclass

import numpy as np

from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.world.town import Town

HFOV_DEG = 68.0
"""Across the width of every camera of the sample; a common drone lens."""


@dataclass(frozen=True)
class Shot:
    """One photo to be taken: the pose and where the camera is on the town's ground."""

    pose: Pose
    x_m: float
    y_m: float


def look_at(town: Town, x_m: float, y_m: float, pose: Pose) -> Shot:
    """The shot whose image centre is the flat ground at (x_m, y_m)."""
    turn = np.radians(town.convergence_deg(x_m, y_m))
    east, north = centre_on_ground(pose)
    # From true north to the map's up, then y down.
    ahead_x = east * np.cos(turn) - north * np.sin(turn)
    ahead_y = -(north * np.cos(turn) + east * np.sin(turn))
    return Shot(pose, float(x_m - ahead_x), float(y_m - ahead_y))


def orbit(
    rng: np.random.Generator, town: Town, x_m: float, y_m: float, side_m: float, views: int
) -> list[Shot]:
    """Oblique views of one place from all around, sinking a little from view to view.

    Args:
        rng: source of the randomness.
        town: the town flown over.
        x_m, y_m: the place's centre.
        side_m: width of ground to be seen at the centre, up to a tenth more or less.
        views: number of views, spread over a full turn.
    """
    start = rng.uniform(0, 360)
    shots = []
    for number in range(views):
        pitch_deg = rng.uniform(-62, -42)
        slant_m = side_m * rng.uniform(0.9, 1.1) / (2 * np.tan(np.radians(HFOV_DEG) / 2))
        altitude_m = slant_m * np.sin(np.radians(-pitch_deg)) * (1.08 - 0.16 * number / views)
        heading_deg = (start + 360 * (number + rng.uniform(-0.2, 0.2)) / views) % 360
        pose = Pose(float(heading_deg), float(pitch_deg), float(altitude_m), HFOV_DEG)
        shots.append(look_at(town, x_m, y_m, pose))
    return shots


def survey(rng: np.random.Generator, town: Town, photos: int) -> list[Shot]:
    """Photos at random over the inner part of a town, two oblique ones to one nadir one.

    Values are rounded as a drone's log would be: what is written down is what is rendered.
    """
    width_m, height_m = town.size_m
    shots = []
    for number in range(photos):
        is_nadir = number % 3 == 2
        pitch_deg = -90.0 if is_nadir else round(float(rng.uniform(-65, -38)), 1)
        pose = Pose(
            heading_deg=round(float(rng.uniform(0, 360)), 1),
            pitch_deg=pitch_deg,
            altitude_m=round(float(rng.uniform(75, 125)), 1),
            hfov_deg=HFOV_DEG,
        )
        x_m, y_m = rng.uniform(0.2, 0.8, 2) * (width_m, height_m)
        shots.append(look_at(town, x_m, y_m, pose))
    return shots
