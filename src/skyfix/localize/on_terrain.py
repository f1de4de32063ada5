"""Camera and footprint of a fix over ground that is not flat."""

from dataclasses import replace

import numpy as np

from skyfix.geo.camera import centre_on_ground, footprint
from skyfix.geo.ground import offset
from skyfix.geo.terrain import Terrain
from skyfix.localize.fix import Fix
from skyfix.localize.known import TERRAIN, Known

_BEYOND = 2.0
"""Lines of sight are followed this many times as far as flat ground would be, for valleys."""


def on_terrain(fix: Fix, known: Known, terrain: Terrain) -> Fix:
    """Place camera and footprint with the ground's own heights.

    The optical axis meets the ground at the fix, so the height there gives the camera exactly;
    the corners of the photo's outline are followed to the ground. A corner that meets none in
    the elevation model stays where ground as high as the fix would be.

    Returns:
        The fix as it is where it has no camera, the altitude does not come from the terrain, or
        the camera was found in another way.
    """
    above_sea_m = known.metadata.altitude_above_sea_m
    if fix.camera_lon is None or fix.lon is None or fix.lat is None or above_sea_m is None:
        return fix
    if known.sources.get("altitude_m") != TERRAIN or fix.method != "tiles":
        return fix
    altitude_m = above_sea_m - float(terrain.height_m(fix.lon, fix.lat))
    if not altitude_m > 0:
        return fix
    pose = replace(known.pose, altitude_m=altitude_m)
    lon, lat = (float(one) for one in offset(fix.lon, fix.lat, *-centre_on_ground(pose)))
    flat = footprint(pose, *known.metadata.size_px)
    lines = np.column_stack([flat, np.full(len(flat), -altitude_m)]) * _BEYOND
    parts = np.nan_to_num(terrain.seen_at(lon, lat, above_sea_m, lines), nan=1 / _BEYOND)
    corners = offset(lon, lat, *(parts[:, None] * lines[:, :2]).T)
    outline = tuple(zip(*(values.tolist() for values in corners), strict=True))
    return replace(fix, camera_lon=lon, camera_lat=lat, footprint=outline)
