"""A town's satellite view as a GeoTIFF."""

from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import from_origin

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path
from skyfix.world.appearance import Ground
from skyfix.world.town import Town


def write_map(path: Path | str, town: Town, ground: Ground, gsd_m: float) -> None:
    """Write the ground as a north-up RGB GeoTIFF with overviews (JPEG inside, tiled).

    Args:
        path: the file to make; replaced if it is there.
        town: for the coordinate system and the position.
        ground: the town in the light of an epoch.
        gsd_m: wanted size of a pixel; the real one differs a little where the town's side is
            no multiple of it.

    Raises:
        SkyfixError: the file cannot be written.
    """
    width_m, height_m = town.size_m
    width, height = max(1, round(width_m / gsd_m)), max(1, round(height_m / gsd_m))
    image = cv2.resize(ground.rgb, (width, height), interpolation=cv2.INTER_AREA)
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": 3,
        "dtype": "uint8",
        "crs": f"EPSG:{town.epsg}",
        "transform": from_origin(town.left_m, town.top_m, width_m / width, height_m / height),
        "compress": "jpeg",
        "jpeg_quality": 90,
        "photometric": "ycbcr",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }
    levels = [2**n for n in range(1, 6) if min(width, height) >> n >= 128]
    with atomic_path(path) as temporary:
        try:
            with rasterio.open(temporary, "w", **profile) as raster:
                raster.write(np.moveaxis(image, -1, 0))
                raster.build_overviews(levels, Resampling.average)
        except RasterioError as error:
            raise SkyfixError(f"Cannot write the map {path}: {error}. Free some space.") from error
