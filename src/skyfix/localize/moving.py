"""What the filters of a sequence share: where they work, how drones move, how a fix is made."""

from dataclasses import dataclass, replace

import numpy as np

from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.geo.ground import east_north, offset
from skyfix.localize.fix import Fix, Method
from skyfix.localize.place import camera_and_footprint
from skyfix.localize.prepare import Prepared

RADIUS_68 = float(np.sqrt(-2 * np.log(1 - 0.68)))
"""Radius, in standard deviations, that holds 68 % of a round Gaussian in the plane."""

RADIUS_95 = float(np.sqrt(-2 * np.log(1 - 0.95)))


@dataclass(frozen=True)
class Motion:
    """How a drone moves and how its fixes err.

    Attributes:
        acceleration: spectral density of its changes of velocity, m^2 / s^3: the velocity changes
            by about 3 m/s in a second, as a camera drone's in its turns.
        speed_m_s: standard deviation of its velocity when nothing is known of it.
        memory_s: fixes closer than this in time err alike, as their photos show the same ground;
            they count as one.
    """

    acceleration: float = 10.0
    speed_m_s: float = 10.0
    memory_s: float = 3.0


class Plane:
    """Metres east and north of a place; true to the centimetre over tens of kilometres."""

    def __init__(self, lon: float, lat: float) -> None:
        self._origin = lon, lat

    def metres(self, lon: np.ndarray | float, lat: np.ndarray | float) -> np.ndarray:
        """(..., 2) east, north."""
        return np.stack(east_north(*self._origin, lon, lat), axis=-1)

    def degrees(self, place_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """lon, lat of (..., 2)."""
        return offset(*self._origin, place_m[..., 0], place_m[..., 1])


def ahead_m(pose: Pose) -> np.ndarray | None:
    """Ground point at the image centre relative to the camera, (2,) east, north; None if the
    pose does not tell.

    Where it does, filters follow the camera: it flies smoothly while its ground point swings
    with every turn.
    """
    if not pose.is_complete or pose.pitch_deg is None or pose.pitch_deg >= 0:
        return None
    return centre_on_ground(pose)


def moved(
    fix: Fix,
    photo: Prepared,
    lon_lat: tuple[float, float],
    radii_m: tuple[float, float],
    confidence: float,
    method: Method,
) -> Fix:
    """A fix of the same photo at another ground point, with camera and footprint there."""
    camera, outline = camera_and_footprint(*lon_lat, photo.pose, photo.size_px)
    return replace(
        fix,
        located=True,
        lon=lon_lat[0],
        lat=lon_lat[1],
        accuracy_m=radii_m[0],
        accuracy_95_m=radii_m[1],
        confidence=confidence,
        reason="",
        camera_lon=camera[0],
        camera_lat=camera[1],
        footprint=outline,
        heading_deg=photo.pose.heading_deg,
        method=method,
    )


def lost(fix: Fix, reason: str, method: Method, confidence: float = 0.0) -> Fix:
    """No answer for a photo: the measured reason where it has one, else the filter's."""
    return replace(
        fix,
        located=False,
        lon=None,
        lat=None,
        accuracy_m=None,
        accuracy_95_m=None,
        confidence=confidence,
        reason=fix.reason or reason,
        camera_lon=None,
        camera_lat=None,
        footprint=(),
        method=method,
    )
