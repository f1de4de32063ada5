"""Fields of view out of focal lengths that are given as for 35-mm film."""

import math

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""Equivalent focal lengths keep the angle across this diagonal (CIPA DCG-001)."""

_WIDEST_SENSOR, _SENSOR_OF_WIDER = 1.5, 4 / 3


def hfov_deg(focal_mm: float, size_px: tuple[int, int]) -> float:
    """Field of view in degrees across the width of an upright photo.

    Photos wider than 3:2 are taken for crops of a 4:3 sensor's full width, as small cameras make
    them; the equivalent focal length is then the sensor's.

    Args:
        focal_mm: focal length equivalent to a 35-mm film camera's.
        size_px: (width, height).
    """
    longer, shorter = max(size_px), min(size_px)
    wide = longer > _WIDEST_SENSOR * shorter * 1.01
    diagonal_px = math.hypot(longer, longer / _SENSOR_OF_WIDER if wide else shorter)
    focal_px = focal_mm / FILM_DIAGONAL_MM * diagonal_px
    return math.degrees(2 * math.atan(size_px[0] / 2 / focal_px))
