"""Where cameras hang in the real world, and the flights of published data sets."""

from dataclasses import dataclass, replace

import numpy as np

from skyfix.datasets.sues200 import Sues200
from skyfix.datasets.university1652 import University1652, altitude_m
from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.geo.ground import east_north, offset

SUES200_PITCH_DEG = {150: -45.0, 200: -50.0, 250: -60.0, 300: -70.0}
"""Pitch at each altitude, as MBF's authors (Zhu et al. 2023) describe the photos."""
_TURNS = 3


@dataclass(frozen=True)
class Waypoint:
    """A camera's place, attitude and moment.

    Attributes:
        lon, lat: WGS84 degrees.
        above_sea_m: height above the zero of the height model.
        pose: complete; its altitude is the height above the ground that is looked at or above
            the place of take-off.
        time_s: since the start of the flight.
    """

    lon: float
    lat: float
    above_sea_m: float
    pose: Pose
    time_s: float = 0.0


@dataclass(frozen=True)
class Place:
    """A point on the ground.

    Attributes:
        lon, lat: WGS84 degrees.
        ground_m: its height above the zero of the height model.
    """

    lon: float
    lat: float
    ground_m: float = 0.0


def look_at(place: Place, pose: Pose) -> Waypoint:
    """The waypoint whose image centre is a place; the altitude counts from the place.

    Raises:
        SkyfixError: the pose is not complete or does not look down.
    """
    east, north = centre_on_ground(pose)
    lon, lat = offset(place.lon, place.lat, -east, -north)
    return Waypoint(float(lon), float(lat), place.ground_m + float(pose.altitude_m or 0.0), pose)


def spiral(
    place: Place, hfov_deg: float, start_deg: float = 0.0, pitch_deg: float = -45.0
) -> list[Waypoint]:
    """University-1652's orbit: 54 views on three turns, sinking from 256 to 121.5 m.

    Zheng, Wei and Yang (ACM MM 2020), section 3.1. They give no pitch.

    Args:
        place: what every view has at its centre.
        hfov_deg: field of view across the width.
        start_deg: heading of the first view; the camera moves on clockwise seen from above.
        pitch_deg: of all views.
    """
    views = University1652.DRONE_IMAGES
    headings = start_deg + np.arange(views) * (360.0 * _TURNS / views)
    heights = altitude_m(np.arange(1, views + 1))
    return [
        look_at(place, Pose(float(heading % 360), pitch_deg, float(height), hfov_deg))
        for heading, height in zip(headings, heights, strict=True)
    ]


def ring(
    place: Place, altitude_m: float, pitch_deg: float, hfov_deg: float, start_deg: float = 0.0
) -> list[Waypoint]:
    """SUES-200's flight at one altitude: 50 views on a circle around a place."""
    views = Sues200.IMAGES["drone"]
    headings = start_deg + np.arange(views) * (360.0 / views)
    return [
        look_at(place, Pose(float(heading % 360), pitch_deg, altitude_m, hfov_deg))
        for heading in headings
    ]


def nadir(place: Place, altitude_m: float, heading_deg: float, hfov_deg: float) -> Waypoint:
    """A view straight down on a place, as in DenseUAV."""
    return look_at(place, Pose(heading_deg, -90.0, altitude_m, hfov_deg))


def any_pose(rng: np.random.Generator, width_m: float) -> Pose:
    """A pose from nadir to oblique whose photo shows some 0.7 to 1.7 times ``width_m`` across."""
    hfov_deg = rng.uniform(50, 75)
    pitch_deg = -rng.uniform(max(35.0, hfov_deg / 2 + 8), 90)
    slant_m = width_m * np.exp(rng.uniform(np.log(0.7), np.log(1.7)))
    slant_m /= 2 * np.tan(np.radians(hfov_deg) / 2)
    altitude_m = max(40.0, slant_m * np.sin(np.radians(-pitch_deg)))
    return Pose(float(rng.uniform(0, 360)), float(pitch_deg), float(altitude_m), float(hfov_deg))


def cruise(
    places: list[Place],
    altitude_m: float,
    pitch_deg: float,
    hfov_deg: float,
    seconds: float,
    fps: float,
    speed_m_s: float = 8.0,
    turn_deg_s: float = 22.0,
) -> list[Waypoint]:
    """A flight that heads for one place after the other, one waypoint a frame.

    The camera looks where the drone flies; the way is that of the ground at the image's centre.
    Turns are as tight as the drone's turning rate allows. Heights count from the first place.

    Args:
        places: at least two; they are flown to in turn, from the first, until the time is over.
        altitude_m: above the first place; it swings by a twentieth.
        pitch_deg: of the camera; it swings by a degree, and so does the roll.
        hfov_deg: field of view across the width.
        seconds: length of the flight.
        fps: waypoints a second.
        speed_m_s: over ground.
        turn_deg_s: turning rate.
    """
    home = places[0]
    flown_m = speed_m_s / fps
    turn_deg = turn_deg_s / fps
    near_m = 1.3 * speed_m_s / np.radians(turn_deg_s)
    here, target = home, 1
    heading = _towards(here, places[1])[0]
    waypoints = []
    for frame in range(max(1, round(seconds * fps))):
        time_s = frame / fps
        swing = np.sin(2 * np.pi * time_s / np.array([23.0, 11.0, 7.0]))
        pose = Pose(
            heading_deg=float(heading % 360),
            pitch_deg=float(np.clip(pitch_deg + swing[1], -90, -1)),
            altitude_m=float(altitude_m * (1 + 0.05 * swing[0])),
            hfov_deg=hfov_deg,
            roll_deg=float(swing[2]),
        )
        waypoints.append(replace(look_at(here, pose), time_s=time_s))
        wanted, distance = _towards(here, places[target])
        if distance < near_m:
            target = (target + 1) % len(places)
        turn = (wanted - heading + 180) % 360 - 180
        heading += float(np.clip(turn, -turn_deg, turn_deg))
        ahead = np.radians(heading)
        lon, lat = offset(here.lon, here.lat, flown_m * np.sin(ahead), flown_m * np.cos(ahead))
        here = Place(float(lon), float(lat), home.ground_m)
    return waypoints


def _towards(here: Place, there: Place) -> tuple[float, float]:
    """Heading in degrees and distance in metres from one place to another."""
    east, north = east_north(here.lon, here.lat, there.lon, there.lat)
    return float(np.degrees(np.arctan2(east, north))), float(np.hypot(east, north))
