"""Opening a GeoTIFF safely: GDAL's GeoTIFF driver alone, and one clear line for what is unfit."""

import os
import warnings
from pathlib import Path

import numpy as np
import rasterio
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from skyfix.bucket_path import AnyPath, any_path, endpoint, file_bytes, opened
from skyfix.errors import SkyfixError
from skyfix.geo.crs import GeoReference

_LARGEST_BLOCK_BYTES = 256 * 2**20
_FARTHEST_LAT_DEG = 85.0
_LARGEST_SKEW_PX = 0.1
"""Rounding leaves some files a trace of rotation; below this, over the whole raster, it is nil."""
_PLACED = "-a_srs EPSG:CODE -a_ullr WEST NORTH EAST SOUTH"
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF in both byte orders."""


# ``georeference`` says it in a line of its own.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)


class RasterError(SkyfixError):
    """A raster that cannot be used."""


def open_geotiff(path: AnyPath | str) -> DatasetReader:
    """Open a GeoTIFF (COG included) on disk or in a bucket for reading.

    Of a file in a bucket only the blocks are fetched that are read. No other GDAL driver is
    tried: a VRT renamed .tif could name any file or address. Band and sample kinds are not checked
    here.

    Raises:
        RasterError: missing, not a regular file, empty, not a GeoTIFF, damaged or truncated;
            a file that refers to other files; blocks too large to read piece by piece.
    """
    path = any_path(path)
    check_file(path)
    try:
        dataset = _opened(path)
    except RasterioError as error:
        raise _unreadable(path, error) from error
    try:
        _check_layout(path, dataset)
        last = ((dataset.height - 1, dataset.height), (dataset.width - 1, dataset.width))
        # In most files the last pixel is near the end: its absence shows a broken download.
        dataset.read(1, window=last)
    except RasterioError as error:
        dataset.close()
        raise damaged(path, error) from error
    except RasterError:
        dataset.close()
        raise
    return dataset


def _opened(path: AnyPath) -> DatasetReader:
    if isinstance(path, Path):
        # The absolute path starts with "/": GDAL's "driver:" and "/vsi" prefixes cannot appear.
        return rasterio.open(path.resolve(), driver="GTiff", sharing=False)
    with rasterio.Env(**_bucket_options()):
        return rasterio.open(f"/vsis3/{path.inside}", driver="GTiff", sharing=False)


def _bucket_options() -> dict[str, str]:
    """What GDAL has to be told beyond the environment to read from a bucket."""
    options = {
        # No files beside the map are looked for, and a map that is replaced is read anew.
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",
        "GDAL_HTTP_MAX_RETRY": "4",
    }
    address = endpoint()
    if address is not None:
        scheme, _, host = address.rpartition("://")
        options |= {
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO" if scheme == "http" else "YES",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        }
    return options


def georeference(path: AnyPath, dataset: DatasetReader) -> GeoReference:
    """Where the raster lies.

    Raises:
        RasterError: no CRS, not georeferenced, rotated, sheared or flipped, a CRS without
            positions on Earth, or coordinates where the CRS is not defined.
    """
    if dataset.crs is None and dataset.transform.is_identity:
        raise RasterError(
            f"{path} has no coordinate reference system and no georeference: it does not say "
            f"where it lies. Say it: gdal_translate {_PLACED} {path.name} map.tif"
        )
    if dataset.crs is None:
        raise RasterError(
            f"No coordinate reference system in {path}. Assign the right one, "
            f"for instance: gdal_edit.py -a_srs EPSG:32633 {path.name}"
        )
    transform = dataset.transform
    if transform.is_identity:
        raise RasterError(
            f"{path} has no georeference (its transform is the identity). "
            "Georeference it, for instance with gdalwarp."
        )
    skew = max(abs(transform.b) * dataset.height, abs(transform.d) * dataset.width)
    if skew > _LARGEST_SKEW_PX * abs(transform.a) or transform.a <= 0 or transform.e >= 0:
        raise RasterError(
            f"{path} is rotated, sheared or flipped. Make it north-up: "
            f"gdalwarp {path.name} north_up.tif"
        )
    crs = _earth_crs(path, dataset)
    geo = GeoReference(crs, transform, dataset.width, dataset.height)
    _check_position(path, geo)
    return geo


def check_file(path: AnyPath) -> None:
    """Refuse what is no file that can be read.

    Raises:
        RasterError: missing, not a regular file, empty, or without permission.
    """
    try:
        size, regular = file_bytes(path), path.is_file()
    except FileNotFoundError:
        raise RasterError(f"No such raster: {path}. Check the path.") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise RasterError(f"Cannot read the raster {str(path)!r}: {cause}.") from error
    if not regular:
        raise RasterError(f"{path} is not a regular file. Give a GeoTIFF, MBTiles or PMTiles file.")
    if size == 0:
        raise RasterError(f"Empty raster file (0 bytes): {path}. Get the file anew.")
    if isinstance(path, Path) and not os.access(path, os.R_OK):
        raise RasterError(f"No permission to read {path}.")


def damaged(path: AnyPath, error: Exception) -> RasterError:
    """The error for pixels that cannot be decoded."""
    cause = str(error.__cause__ or error).splitlines()[0].rstrip(".")
    remedy = (
        "Get the file anew"
        if isinstance(path, Path)
        else ("Check connection and credentials, or get the file anew")
    )
    return RasterError(f"Damaged or truncated raster {path}: {cause}. {remedy}.")


def _unreadable(path: AnyPath, error: Exception) -> RasterError:
    with opened(path) as stream:
        if stream.read(4) in _MAGIC:
            return damaged(path, error)
    return RasterError(
        f"Not a GeoTIFF: {path}. Convert it: gdal_translate {path.name} map.tif; a picture that "
        f"does not say where it lies wants {_PLACED} as well."
    )


def _check_layout(path: AnyPath, dataset: DatasetReader) -> None:
    if "OVERVIEW_FILE" in dataset.tags(ns="OVERVIEWS"):
        # GDAL would open that name with any driver, whatever it is.
        raise RasterError(
            f"{path} refers to another file for its overviews, which is refused. "
            f"Copy the pixels alone: gdal_translate -of COG {path.name} cog.tif"
        )
    rows, columns = dataset.block_shapes[0]
    samples = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    block_bytes = rows * columns * samples * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > _LARGEST_BLOCK_BYTES:
        raise RasterError(
            f"{path} is stored in blocks of {columns} x {rows} px, too large to read piece by "
            f"piece. Tile it: gdal_translate -co TILED=YES -co COMPRESS=LZW {path.name} tiled.tif"
        )


def _earth_crs(path: AnyPath, dataset: DatasetReader) -> CRS:
    try:
        crs = CRS.from_user_input(dataset.crs.to_wkt())
    except CRSError as error:
        raise RasterError(
            f"Unknown coordinate reference system in {path}. Reproject it: "
            f"gdalwarp -t_srs EPSG:4326 {path.name} wgs84.tif"
        ) from error
    if not (crs.is_projected or crs.is_geographic):
        raise RasterError(
            f"{path} has the coordinate reference system {crs.name!r}, which is neither projected "
            "nor geographic. Assign the right one with gdal_edit.py -a_srs."
        )
    return crs


def _check_position(path: AnyPath, geo: GeoReference) -> None:
    columns = np.linspace(0, geo.width_px, 5)
    rows = np.linspace(0, geo.height_px, 5)[:, None]
    lon, lat = geo.lonlat(*np.broadcast_arrays(columns, rows))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise RasterError(
            f"{path} lies where its coordinate reference system {geo.crs.name!r} is not defined. "
            "Check the CRS and the transform."
        )
    extent_deg = geo.width_px * geo.transform.a
    if geo.crs.is_geographic and (np.abs(lat).max() > _FARTHEST_LAT_DEG or extent_deg > 360.0):
        raise RasterError(
            f"{path} is in degrees and reaches latitude {np.abs(lat).max():.1f} over "
            f"{extent_deg:.1f} degrees of longitude; the limits are {_FARTHEST_LAT_DEG:g} and 360. "
            "Check the CRS, or crop with gdal_translate -projwin."
        )
    scale = geo.scale(geo.width_px / 2, geo.height_px / 2)
    sizes_m = np.array([scale.x_m, scale.y_m])
    if not (np.isfinite(sizes_m).all() and (sizes_m > 0).all()):
        raise RasterError(f"{path} has pixels of no size. Check the CRS and the transform.")
