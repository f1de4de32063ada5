"""Metres on the ground to degrees and back, on the WGS84 ellipsoid."""

import numpy as np
from pyproj import Geod

_WGS84 = Geod(ellps="WGS84")


def offset(
    lon: np.ndarray | float,
    lat: np.ndarray | float,
    east_m: np.ndarray | float,
    north_m: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Walk ``(east_m, north_m)`` from ``(lon, lat)``; all arguments broadcast.

    The walk follows the geodesic that starts in the direction of the offset. Longitudes come
    back in [-180, 180].

    Returns:
        lon, lat in degrees, with the broadcast shape.
    """
    lon, lat, east, north = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (lon, lat, east_m, north_m))
    )
    azimuth_deg = np.degrees(np.arctan2(east, north))
    end_lon, end_lat, _ = _WGS84.fwd(lon, lat, azimuth_deg, np.hypot(east, north))
    return np.asarray(end_lon), np.asarray(end_lat)


def east_north(
    lon: np.ndarray | float,
    lat: np.ndarray | float,
    to_lon: np.ndarray | float,
    to_lat: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Metres east and north of ``(lon, lat)`` at which ``(to_lon, to_lat)`` lies.

    The inverse of ``offset``; all arguments broadcast.
    """
    azimuth_deg, length_m = _inverse(lon, lat, to_lon, to_lat)
    azimuth = np.radians(azimuth_deg)
    return length_m * np.sin(azimuth), length_m * np.cos(azimuth)


def distance_m(
    lon: np.ndarray | float,
    lat: np.ndarray | float,
    to_lon: np.ndarray | float,
    to_lat: np.ndarray | float,
) -> np.ndarray:
    """Length in metres of the geodesic between two points; all arguments broadcast."""
    return _inverse(lon, lat, to_lon, to_lat)[1]


def _inverse(
    lon: np.ndarray | float,
    lat: np.ndarray | float,
    to_lon: np.ndarray | float,
    to_lat: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    start_lon, start_lat, end_lon, end_lat = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (lon, lat, to_lon, to_lat))
    )
    azimuth_deg, _, length_m = _WGS84.inv(start_lon, start_lat, end_lon, end_lat)
    return np.asarray(azimuth_deg), np.asarray(length_m)
