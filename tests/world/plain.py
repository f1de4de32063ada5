"""Small towns made by hand."""

import numpy as np

from skyfix.world.canvas import Cover
from skyfix.world.town import Town

GREY = 110


def plain_town(
    side_px: int = 400,
    gsd_m: float = 0.5,
    left_m: float = 640_000.0,
    top_m: float = 6_250_000.0,
    epsg: int = 32733,
) -> Town:
    """Empty grey ground in the southern hemisphere, off the zone's central meridian."""
    shape = (side_px, side_px)
    return Town(
        rgb=np.full((*shape, 3), GREY, np.uint8),
        height_m=np.zeros(shape, np.float32),
        cover=np.full(shape, Cover.PAVED, np.uint8),
        building=np.zeros(shape, np.uint16),
        wall_rgb=np.zeros((1, 3), np.float32),
        wall_angle_rad=np.zeros(1, np.float32),
        car_slots=np.zeros((0, 3), np.float32),
        gsd_m=gsd_m,
        left_m=left_m,
        top_m=top_m,
        epsg=epsg,
    )
