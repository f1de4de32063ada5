"""Opening a map of any kind: GeoTIFF, MBTiles, PMTiles, or a folder of web-map tiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from skyfix.bucket_path import AnyPath, BucketPath, any_path, opened
from skyfix.geo import mbtiles, pmtiles_archive
from skyfix.geo.crs import GeoReference
from skyfix.geo.geotiff import RasterError, check_file
from skyfix.geo.raster import Raster
from skyfix.geo.tile_folder import TileFolder, is_tile_folder
from skyfix.geo.tile_pyramid import TilePyramid

GEOTIFF_SUFFIXES = (".tif", ".tiff")
ARCHIVE_SUFFIXES = (".mbtiles", ".pmtiles")


class Map(Protocol):
    """An open map; see ``Raster`` for the meaning of each member."""

    geo: GeoReference
    bands: tuple[int, ...]

    @property
    def path(self) -> AnyPath:
        """Its file or folder."""

    @property
    def width_px(self) -> int:
        """Columns."""

    @property
    def height_px(self) -> int:
        """Rows."""

    @property
    def all_valid(self) -> bool:
        """Whether no pixel can be masked."""

    def read(
        self, column: float, row: float, width: float, height: float, size_px: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """A window: RGB ``(h, w, 3)`` uint8 and the valid mask ``(h, w)`` bool."""

    def close(self) -> None:
        """Close the files."""

    def __enter__(self) -> "Map":
        """Itself."""

    def __exit__(self, *error: object) -> None:
        """Close the files."""


def open_map(path: AnyPath | str, bands: Sequence[int] = ()) -> Map:
    """Open a map; what it is, its content decides.

    Args:
        path: a GeoTIFF, an MBTiles or PMTiles file, or a folder of web-map tiles; s3://bucket/file
            for a GeoTIFF in a bucket.
        bands: of a GeoTIFF, 1-based numbers of the red, green and blue band, or of a grey one;
            without them the file's tags decide, see ``Raster``.

    Raises:
        RasterError: unreadable or unfit; the message says why and what to do.
    """
    path = any_path(path)
    if is_folder(path):
        if isinstance(path, BucketPath) or not is_tile_folder(path):
            raise RasterError(
                f"{path} is not a folder of map tiles, <zoom>/<column>/<row>.png, .jpg or .webp. "
                "Give such a folder, or a map file."
            )
        return _pyramid(path, bands)
    check_file(path)
    with opened(path) as stream:
        start = stream.read(len(mbtiles.MAGIC))
    if start == mbtiles.MAGIC or start.startswith(pmtiles_archive.MAGIC):
        if isinstance(path, BucketPath):
            raise RasterError(
                f"{path} is a pyramid of tiles, which is read from a disk only. Copy it there, "
                "or make a GeoTIFF of it: gdal_translate -of COG"
            )
        return _pyramid(path, bands)
    if path.suffix.lower() in ARCHIVE_SUFFIXES:
        raise RasterError(
            f"{path} is neither MBTiles nor PMTiles, whatever its name says. Get the file anew."
        )
    return Raster(path, bands)


def is_folder(path: AnyPath) -> bool:
    """Whether a path is a folder; False, too, for what cannot be looked at on disk.

    Raises:
        SkyfixError: the storage of a bucket does not answer.
    """
    try:
        return path.is_dir()
    except OSError:
        return False


def _pyramid(path: Path, bands: Sequence[int]) -> TilePyramid:
    if bands:
        raise RasterError(
            f"{path} is a pyramid of tiles, of which no bands can be chosen. "
            "Leave the bands out, or give GeoTIFFs."
        )
    if path.is_dir():
        return TilePyramid(TileFolder(path))
    with path.open("rb") as stream:
        is_pmtiles = stream.read(len(pmtiles_archive.MAGIC)) == pmtiles_archive.MAGIC
    return TilePyramid(pmtiles_archive.PMTiles(path) if is_pmtiles else mbtiles.MBTiles(path))
