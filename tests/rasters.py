"""Small GeoTIFFs for tests."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from rasterio.transform import from_origin


def texture(width: int, height: int, bands: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth random blobs, unlike in every place: (bands, height, width) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 12 + 2, width // 12 + 2, bands)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.moveaxis(np.clip(smooth, 0, 255).astype(np.uint8).reshape(height, width, bands), 2, 0)


def write_map(
    path: Path,
    pixels: np.ndarray,
    crs: str | None = "EPSG:32633",
    origin: tuple[float, float] = (500_000.0, 5_000_000.0),
    pixel: float | tuple[float, float] = 0.5,
    **profile: Any,
) -> Path:
    """Write (bands, h, w) as a GeoTIFF whose upper left corner is ``origin`` (x, y)."""
    step_x, step_y = pixel if isinstance(pixel, tuple) else (pixel, pixel)
    settings = {
        "driver": "GTiff",
        "width": pixels.shape[2],
        "height": pixels.shape[1],
        "count": pixels.shape[0],
        "dtype": pixels.dtype,
        "crs": crs,
        "transform": from_origin(*origin, step_x, step_y),
    }
    with rasterio.open(path, "w", **{**settings, **profile}) as dataset:
        dataset.write(pixels)
    return path
