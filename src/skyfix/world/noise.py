"""Smooth random fields: what keeps made-up ground from looking painted."""

import cv2
import numpy as np


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell_px: float, channels: int = 1
) -> np.ndarray:
    """Value noise: normal random numbers on a coarse grid, cubically interpolated.

    Args:
        rng: source of the randomness.
        shape: (H, W) of the result in pixels.
        cell_px: distance between the grid's points in pixels.
        channels: number of independent fields.

    Returns:
        (H, W) float32, or (H, W, channels) for more than one; mean 0, deviation below 1.
    """
    height, width = shape
    rows, columns = (max(2, round(extent / cell_px) + 2) for extent in (height, width))
    grid = rng.standard_normal((rows, columns, channels), dtype=np.float32)
    # Interpolated over whole cells and cut, so that the cell size does not depend on rounding.
    field = cv2.resize(
        grid, (round(columns * cell_px), round(rows * cell_px)), interpolation=cv2.INTER_CUBIC
    )
    if field.shape[0] < height or field.shape[1] < width:
        field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(field[:height, :width])
