"""Maps and height models as GeoTIFFs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import from_origin

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path
from skyfix.world.appearance import Ground
from skyfix.world.surface import Surface
from skyfix.world.town import Town

NODATA_M = -9999.0
"""Stands for no height."""
_TILED = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}


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
    transform = from_origin(town.left_m, town.top_m, width_m / width, height_m / height)
    _write_rgb(Path(path), image, None, f"EPSG:{town.epsg}", transform)


def write_surface(folder: Path, surface: Surface, has_heights: bool = True) -> None:
    """Write ``map.tif`` and, if wanted, ``dsm.tif`` (metres, float32) of a surface to a folder.

    Where the surface is not valid, the map is masked and the heights are nodata.

    Raises:
        SkyfixError: they cannot be written.
    """
    crs, transform, valid = surface.geo.crs.to_wkt(), surface.geo.transform, surface.valid
    mask = None if valid.all() else valid
    _write_rgb(folder / "map.tif", surface.rgb, mask, crs, transform)
    if has_heights:
        _write_heights(folder / "dsm.tif", surface)


def _write_heights(path: Path, surface: Surface) -> None:
    transform, valid = surface.geo.transform, surface.valid
    times = round(surface.height_gsd_m / surface.gsd_m)
    shape = tuple(-(-side // times) for side in valid.shape)
    heights = np.zeros(shape, np.float32)
    rows, columns = (min(sides) for sides in zip(shape, surface.height_m.shape, strict=True))
    heights[:rows, :columns] = surface.height_m[:rows, :columns]
    heights[~valid[::times, ::times]] = NODATA_M
    profile = {
        **_TILED, "dtype": "float32", "compress": "deflate", "predictor": 3, "nodata": NODATA_M,
        "crs": surface.geo.crs.to_wkt(), "transform": Affine(
            transform.a * times, 0.0, transform.c, 0.0, transform.e * times, transform.f
        ),
    }  # fmt: skip
    _write(path, heights[None], profile, None)


def _write_rgb(
    path: Path, image: np.ndarray, valid: np.ndarray | None, crs: str, transform: Affine
) -> None:
    """An RGB image (H, W, 3) with JPEG inside; masked where not valid."""
    profile = {
        **_TILED, "dtype": "uint8", "compress": "jpeg", "jpeg_quality": 90,
        "photometric": "ycbcr", "crs": crs, "transform": transform,
    }  # fmt: skip
    _write(path, np.moveaxis(image, -1, 0), profile, valid)


def _write(
    path: Path, bands: np.ndarray, profile: dict[str, Any], valid: np.ndarray | None
) -> None:
    count, height, width = bands.shape
    levels = [2**n for n in range(1, 6) if min(width, height) >> n >= 128]
    size = {"count": count, "height": height, "width": width}
    with atomic_path(path) as temporary:
        try:
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                rasterio.open(temporary, "w", **profile, **size) as raster,
            ):
                raster.write(bands)
                if valid is not None:
                    raster.write_mask(valid)
                raster.build_overviews(levels, Resampling.average)
        except RasterioError as error:
            raise SkyfixError(f"Cannot write the map {path}: {error}. Free some space.") from error
