"""Unrolling a satellite image around its centre, as SAFA does (Shi et al. 2019, section 3.1)."""

from functools import lru_cache

import numpy as np


def unrolled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Polar transform of a square image ``(S, S, C)`` to ``(height, width, C)`` float64.

    Row i and column j look at the point of radius S/2 (height - 1 - i) / height and angle
    2 pi j / width around the centre: the bottom row is the centre, the left edge looks down the
    image (south), a quarter to its left (west), the middle up (north). Bilinear; what lies
    outside the image counts as 0.
    """
    cells, shares = _samples(image.shape[0], height, width)
    flat = image.reshape(-1, image.shape[2])
    return (flat[cells] * shares[..., None]).sum(axis=0).reshape(height, width, -1)


@lru_cache(maxsize=8)
def _samples(side: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The four neighbours of each sample as flat indices ``(4, height * width)``; their shares."""
    angle = 2 * np.pi * np.arange(width) / width
    radius = side / 2 / height * (height - 1 - np.arange(height))[:, None]
    row = (side / 2 + radius * np.cos(angle)).ravel()
    column = (side / 2 - radius * np.sin(angle)).ravel()
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    down, right = np.array([0, 1, 0, 1])[:, None], np.array([0, 0, 1, 1])[:, None]
    rows, columns = top + down, left + right
    shares = (1 - np.abs(row - rows)) * (1 - np.abs(column - columns))
    inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    return np.where(inside, rows * side + columns, 0), np.where(inside, shares, 0.0)
