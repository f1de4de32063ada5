"""An orthophoto and its heights on grids of square ground pixels, ready to be rendered."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio.crs
from pyproj import CRS
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window, from_bounds

from skyfix.geo.crs import GeoReference
from skyfix.geo.geotiff import RasterError, damaged, georeference, open_geotiff
from skyfix.geo.raster import Raster

MAX_PIXELS = 25_000_000
"""Larger orthophotos and height models are read at a lower resolution."""
_LEAST_COVER = 0.98
_COARSE = 8
_SQUARE = 0.01
"""Pixels that differ less in width and height stay as they are."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What a map shows and how high it stands.

    Attributes:
        geo: where the pixels of ``rgb`` lie.
        gsd_m: their side on the ground; they are square to a percent.
        rgb: (H, W, 3) uint8; where not valid, the colours around are drawn in.
        valid: (H, W) bool, where the map has imagery and height.
        height_m: (h, w) float32, metres above the zero of the height model, without gaps; it
            shares the upper left corner with ``rgb``.
        height_gsd_m: side of its pixels, a whole multiple of ``gsd_m``.
    """

    geo: GeoReference
    gsd_m: float
    rgb: np.ndarray
    valid: np.ndarray
    height_m: np.ndarray
    height_gsd_m: float


def read_surface(
    ortho: Path | str, dsm: Path | str | None = None, max_pixels: int = MAX_PIXELS
) -> Surface:
    """Read an orthophoto, and a height model of any CRS; without one the ground is a plane at 0.

    Args:
        ortho: north-up GeoTIFF in a projected CRS; empty where its mask or nodata says so.
        dsm: north-up GeoTIFF of one band, metres; it covers the orthophoto.
        max_pixels: above this many the resolution is lowered.

    Raises:
        RasterError: unreadable or unfit files, a geographic CRS, nothing but nodata, or a height
            model that does not cover the orthophoto.
    """
    with Raster(ortho) as raster:
        _require_projected(raster)
        middle = raster.geo.scale(raster.width_px / 2, raster.height_px / 2)
        x_m, y_m = float(middle.x_m), float(middle.y_m)
        pixels = raster.width_px * raster.height_px
        gsd_m = float(np.sqrt(x_m * y_m * max(1.0, pixels / max_pixels)))
        width, height = raster.width_px, raster.height_px
        if pixels > max_pixels or abs(x_m / y_m - 1) > _SQUARE:
            width = max(1, round(width * x_m / gsd_m))
            height = max(1, round(height * y_m / gsd_m))
        rgb, valid = raster.read(0, 0, raster.width_px, raster.height_px, (height, width))
        transform = _scaled(
            raster.geo.transform, raster.width_px / width, raster.height_px / height
        )
        geo = GeoReference(raster.geo.crs, transform, width, height)
    if not valid.any():
        raise RasterError(f"{ortho} has no imagery, only nodata. Give another map.")
    if dsm is None:
        flat = np.zeros((2, 2), np.float32)
        return Surface(geo, gsd_m, _coloured(rgb, valid), valid, flat, gsd_m)
    heights, times = _read_heights(Path(dsm), geo, gsd_m)
    known = np.isfinite(heights)
    side = (geo.width_px, geo.height_px)
    on_map = np.kron(known, np.ones((times, times), bool))[: side[1], : side[0]]
    _require_cover(Path(ortho), Path(dsm), valid, on_map)
    valid = valid & on_map
    filled = fill(np.where(known, heights, 0), known)
    return Surface(geo, gsd_m, _coloured(rgb, valid), valid, filled, gsd_m * times)


def fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Draw known values (H, W) or (H, W, C) float32 into the gaps, ever smoother further in.

    Each halving of the resolution averages what is known; gaps take the next coarser level
    (pull-push; Gortler et al. 1996, section 3.4).
    """
    if known.all() or not known.any():
        return values
    height, width = known.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = known.astype(np.float32)
    spread = weight if values.ndim == 2 else weight[..., None]
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    total = cv2.resize(values * spread, half, interpolation=cv2.INTER_AREA)
    least = np.maximum(share, 1e-6)
    coarse = fill(total / (least if values.ndim == 2 else least[..., None]), share > 1e-6)
    drawn = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(known if values.ndim == 2 else known[..., None], values, drawn)


def _coloured(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The picture with its gaps filled; smooth, so it is done at a low resolution."""
    if valid.all():
        return rgb
    height, width = valid.shape
    size = (-(-width // _COARSE), -(-height // _COARSE))
    share = cv2.resize(valid.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(rgb.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    known = share > 0.01
    coarse = fill(total / np.maximum(share, 0.01)[..., None], known)
    drawn = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(valid[..., None], rgb, np.clip(drawn, 0, 255).astype(np.uint8))


def _read_heights(path: Path, geo: GeoReference, gsd_m: float) -> tuple[np.ndarray, int]:
    """Heights (h, w) on the map's grid, NaN where unknown, and map pixels a height pixel."""
    with open_geotiff(path) as dataset:
        there = georeference(path, dataset)
        if dataset.count != 1 or dataset.dtypes[0].startswith("complex"):
            raise RasterError(
                f"{path} has {dataset.count} bands of {dataset.dtypes[0]}, a height model has "
                f"one band of heights. Pick it: gdal_translate -b 1 {path.name} dsm.tif"
            )
        source, transform = _window_of(path, dataset, geo)
    middle = there.scale(there.width_px / 2, there.height_px / 2)
    times = max(1, round(float(min(middle.x_m, middle.y_m)) / gsd_m))
    width, height = -(-geo.width_px // times), -(-geo.height_px // times)
    heights = np.full((height, width), np.nan, np.float32)
    reproject(
        source, heights, src_transform=transform, src_crs=_crs_of(there),
        dst_transform=_scaled(geo.transform, times, times), dst_crs=_crs_of(geo),
        src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.bilinear,
    )  # fmt: skip
    return heights, times


def _window_of(path: Path, dataset: DatasetReader, geo: GeoReference) -> tuple[np.ndarray, Affine]:
    """The heights around the map, NaN where unknown, and their transform."""
    left, top = geo.transform.c, geo.transform.f
    right = left + geo.transform.a * geo.width_px
    bottom = top + geo.transform.e * geo.height_px
    bounds = transform_bounds(_crs_of(geo), dataset.crs, left, bottom, right, top)
    wanted = from_bounds(*bounds, transform=dataset.transform)
    first = np.maximum(np.floor([wanted.col_off, wanted.row_off]).astype(int) - 2, 0)
    last = np.ceil([wanted.col_off + wanted.width, wanted.row_off + wanted.height]).astype(int) + 2
    width, height = (int(n) for n in np.minimum(last, [dataset.width, dataset.height]) - first)
    if width < 1 or height < 1:
        raise RasterError(
            f"The height model {path} lies elsewhere: it does not touch the orthophoto. "
            "Give the one that was made with it."
        )
    window = Window(int(first[0]), int(first[1]), width, height)
    shrink = max(1.0, np.sqrt(width * height / MAX_PIXELS))
    size = (max(1, round(height / shrink)), max(1, round(width / shrink)))
    try:
        read = dataset.read(
            1, window=window, out_shape=size, masked=True, resampling=Resampling.average
        )
    except RasterioError as error:
        raise damaged(path, error) from error
    heights = read.astype(np.float32).filled(np.nan) * dataset.scales[0] + dataset.offsets[0]
    transform = _scaled(dataset.window_transform(window), width / size[1], height / size[0])
    return heights.astype(np.float32), transform


def _scaled(transform: Affine, x: float, y: float) -> Affine:
    """The transform of pixels ``x`` times as wide and ``y`` times as high."""
    return Affine(transform.a * x, 0.0, transform.c, 0.0, transform.e * y, transform.f)


def _crs_of(geo: GeoReference) -> rasterio.crs.CRS:
    return rasterio.crs.CRS.from_wkt(geo.crs.to_wkt())


def _require_projected(raster: Raster) -> None:
    if raster.geo.crs.is_projected:
        return
    lon, lat = (float(v) for v in raster.geo.lonlat(raster.width_px / 2, raster.height_px / 2))
    zone = CRS.from_epsg((32600 if lat >= 0 else 32700) + min(60, int((lon + 180) // 6) + 1))
    raise RasterError(
        f"{raster.path} is in degrees ({raster.geo.crs.name}). Reproject it to metres: "
        f"gdalwarp -t_srs EPSG:{zone.to_epsg()} {raster.path.name} metres.tif"
    )


def _require_cover(ortho: Path, dsm: Path, valid: np.ndarray, known: np.ndarray) -> None:
    share = float((valid & known).sum() / valid.sum())
    if not known.any():
        raise RasterError(f"{dsm} has no heights there, only nodata. Give another height model.")
    if share < _LEAST_COVER:
        raise RasterError(
            f"{dsm} covers {100 * share:.0f} % of {ortho}. Give a height model of the whole map, "
            "or cut the map to it with gdal_translate -projwin."
        )
