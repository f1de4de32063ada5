"""Which tiles lie around a position."""

import math

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.crs import wrap_deg
from skyfix.geo.ground import distance_m

Near = tuple[float, float, float]
"""(lon, lat, radius_m): degrees and ground metres."""

_SMALLEST_RADIUS_M = 6_330_000.0
"""Below every radius of curvature of the WGS84 ellipsoid, so that a box in degrees is never too
small."""


def rows_near(lon: np.ndarray, lat: np.ndarray, near: Near) -> np.ndarray:
    """Indices (n,) of the positions within ``near``'s radius, geodesic distance, in order.

    Raises:
        SkyfixError: a position off the Earth or a radius that is not positive.
    """
    centre_lon, centre_lat, radius_m = _checked(near)
    reach = radius_m / _SMALLEST_RADIUS_M
    boxed = np.abs(lat - centre_lat) <= math.degrees(reach)
    widest = math.cos(math.radians(abs(centre_lat))) - math.sin(min(reach, math.pi / 2))
    if widest > 0:
        # Meridians close in towards the poles; the nearer edge of the circle counts.
        boxed &= np.abs(wrap_deg(lon - centre_lon)) <= math.degrees(reach / widest)
    rows = np.flatnonzero(boxed)
    return rows[distance_m(centre_lon, centre_lat, lon[rows], lat[rows]) <= radius_m]


def _checked(near: Near) -> Near:
    try:
        lon, lat, radius_m = (float(value) for value in near)
    except (TypeError, ValueError):
        raise SkyfixError(f"near is {near!r}. Give (lon, lat, radius_m).") from None
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise SkyfixError(
            f"near is at longitude {lon:g}, latitude {lat:g}, which is not on Earth. "
            "The order is lon, lat, radius_m."
        )
    if not (math.isfinite(radius_m) and radius_m > 0):
        raise SkyfixError(f"The search radius is {radius_m:g} m. Give metres above 0.")
    return lon, lat, radius_m
