"""Cutting positions into compact groups of equal size along a space-filling curve."""

import numpy as np

from skyfix.geo.crs import wrap_deg

_BITS = 16


def compact_groups(lon: np.ndarray, lat: np.ndarray, groups: int) -> list[np.ndarray]:
    """Indices of positions by group, each in increasing order; sizes differ by one at most.

    Args:
        lon, lat: (T,) degrees.
        groups: how many, T at most.
    """
    order = np.argsort(hilbert_key(*_squares(lon, lat)), kind="stable")
    return [np.sort(group) for group in np.array_split(order, groups)]


def hilbert_key(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Place along the Hilbert curve of cells (T,), whole numbers below 2^16 (Hilbert, 1891)."""
    x, y = x.astype(np.int64), y.astype(np.int64)
    key = np.zeros_like(x)
    for bit in range(_BITS - 1, -1, -1):
        side = 1 << bit
        right, up = (x >> bit) & 1, (y >> bit) & 1
        key += side * side * ((3 * right) ^ up)
        x, y = x & (side - 1), y & (side - 1)
        # Each quarter is the whole curve: the lower ones mirrored at a diagonal.
        turned = (up == 0) & (right == 1)
        x, y = np.where(turned, side - 1 - x, x), np.where(turned, side - 1 - y, y)
        x, y = np.where(up == 0, y, x), np.where(up == 0, x, y)
    return key


def _squares(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells that are about square on the ground, without a jump at the antimeridian."""
    east = wrap_deg(lon - lon[0]) * np.cos(np.radians(lat.mean()))
    east, north = east - east.min(), lat - lat.min()
    extent = max(float(east.max()), float(north.max())) or 1.0
    last = (1 << _BITS) - 1
    return (east / extent * last).astype(np.int64), (north / extent * last).astype(np.int64)
