"""Bringing pixels with a valid mask to another size, without shifting them."""

import numpy as np
from PIL import Image

EXACT_PX = 1e-6
"""Positions this near to a whole pixel lie on it."""

Pixels = tuple[np.ndarray, np.ndarray]
"""RGB (h, w, 3) uint8, black where not valid, and the valid mask (h, w) bool."""


def is_whole(box: tuple[float, float, float, float], size_px: tuple[int, int]) -> bool:
    """Whether a box holds exactly the pixels asked for."""
    off_grid = max(abs(edge - round(edge)) for edge in box)
    size = (round(box[3]) - round(box[1]), round(box[2]) - round(box[0]))
    return off_grid < EXACT_PX and size == size_px


def resampling_filter(
    steps_px: tuple[float, float], box: tuple[float, float, float, float]
) -> Image.Resampling:
    """Averages when it shrinks, else interpolation.

    Pillow's box filter counts pixels as a whole: between pixels it would shift the picture by up
    to half of one.
    """
    if min(steps_px) <= 1:
        return Image.Resampling.BILINEAR
    off_grid = max(abs(value - round(value)) for value in (*steps_px, *box))
    return Image.Resampling.BOX if off_grid < EXACT_PX else Image.Resampling.HAMMING


def resized(
    rgb: np.ndarray,
    valid: np.ndarray,
    box: tuple[float, float, float, float],
    size_px: tuple[int, int],
    resample: Image.Resampling,
) -> Pixels:
    """Pixels that are not valid weigh nothing."""
    size = (size_px[1], size_px[0])
    if valid.all():
        return np.asarray(Image.fromarray(rgb).resize(size, resample, box)), np.ones(size_px, bool)
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    masked = Image.fromarray(np.dstack([rgb, alpha]))
    pixels = np.asarray(masked.resize(size, resample, box))
    kept = pixels[..., 3] >= 128
    return np.where(kept[..., None], pixels[..., :3], 0).astype(np.uint8), kept
