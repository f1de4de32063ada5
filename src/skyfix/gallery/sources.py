"""The maps a gallery is made from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyfix.bucket_path import AnyPath, BucketPath, any_path, file_bytes, opened
from skyfix.errors import SkyfixError
from skyfix.geo.maps import ARCHIVE_SUFFIXES, GEOTIFF_SUFFIXES, Map, is_folder
from skyfix.geo.tile_folder import is_tile_folder, tile_files

_SUFFIXES = GEOTIFF_SUFFIXES + ARCHIVE_SUFFIXES
_PIECE_BYTES, _PIECES = 2**20, 64
_TILES_READ = 1024


@dataclass(frozen=True)
class Source:
    """One map.

    Attributes:
        path: where it was when the gallery was built, absolute, or s3://bucket/file.
        size_bytes: size of the file, or of all tiles of a folder.
        fingerprint: digest of its content, see ``fingerprint``; the path does not matter.
        crs: its coordinate reference system, ``EPSG:n`` where it has a number, else WKT.
        width_px, height_px: its size.
        bands: 1-based numbers of the bands that were shown; none for a pyramid of tiles.
    """

    path: str
    size_bytes: int
    fingerprint: str
    crs: str
    width_px: int
    height_px: int
    bands: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Source":
        """A source as ``dataclasses.asdict`` and JSON keep it."""
        return cls(**{**content, "bands": tuple(content.get("bands", ()))})


def is_there(source: Source) -> bool:
    """Whether there is still something where a map was; not where its storage does not answer."""
    try:
        return any_path(source.path).exists()
    except SkyfixError:
        return False


def list_rasters(sources: AnyPath | str | Sequence[AnyPath | str]) -> list[AnyPath]:
    """The maps behind ``sources``.

    A folder of web-map tiles is one map; any other folder, also one in a bucket, stands for its
    .tif, .tiff, .mbtiles and .pmtiles files, by name.

    Raises:
        SkyfixError: nothing given, or a folder without maps.
    """
    given = [sources] if isinstance(sources, str | AnyPath) else list(sources)
    paths: list[AnyPath] = []
    for path in map(any_path, given):
        paths += _maps_in(path) if _holds_maps(path) else [path]
    if not paths:
        raise SkyfixError("No raster given. Name at least one GeoTIFF or tile pyramid.")
    return paths


def describe(raster: Map) -> Source:
    """Facts of an open map."""
    code = raster.geo.crs.to_epsg()
    return Source(
        path=str(raster.path.resolve()),
        size_bytes=size_bytes(raster.path),
        fingerprint=fingerprint(raster.path),
        crs=raster.geo.crs.to_wkt() if code is None else f"EPSG:{code}",
        width_px=raster.width_px,
        height_px=raster.height_px,
        bands=raster.bands,
    )


def check_distinct(sources: Sequence[Source]) -> None:
    """Refuse the same content twice: it would double every tile.

    Raises:
        SkyfixError: naming both files.
    """
    seen: dict[str, str] = {}
    for source in sources:
        if source.fingerprint in seen:
            raise SkyfixError(
                f"{seen[source.fingerprint]} and {source.path} have the same content. "
                "Give each raster once."
            )
        seen[source.fingerprint] = source.path


def fingerprint(path: AnyPath) -> str:
    """Digest (24 hexadecimal digits) of a map's content.

    A file: its size and content; above 64 MiB, 64 pieces of 1 MiB spread evenly from first byte to
    last stand for the content. A folder of tiles: name and size of every tile, and the content of
    all, or of 1,024 spread evenly.
    """
    if isinstance(path, Path) and path.is_dir():
        return _of_tiles(path)
    return _of_file(path)


def _of_file(path: AnyPath) -> str:
    size = file_bytes(path)
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    last = max(size - _PIECE_BYTES, 0)
    whole = size <= _PIECES * _PIECE_BYTES
    starts = (
        range(0, size, _PIECE_BYTES)
        if whole
        else [last * piece // (_PIECES - 1) for piece in range(_PIECES)]
    )
    with opened(path) as stream:
        for start in starts:
            stream.seek(start)
            digest.update(stream.read(_PIECE_BYTES))
    return digest.hexdigest()


def _of_tiles(path: Path) -> str:
    tiles = sorted((Path(tile.path), tile.stat().st_size) for tile in tile_files(path))
    digest = hashlib.blake2b(digest_size=12)
    for tile, size in tiles:
        digest.update(f"{tile.relative_to(path)} {size}\n".encode())
    picked = min(len(tiles), _TILES_READ)
    for number in range(picked):
        tile, _ = tiles[(len(tiles) - 1) * number // max(picked - 1, 1)]
        digest.update(tile.read_bytes())
    return digest.hexdigest()


def size_bytes(path: AnyPath) -> int:
    """Of a map's file, or of all tiles of a folder."""
    if isinstance(path, Path) and path.is_dir():
        return sum(tile.stat().st_size for tile in tile_files(path))
    return file_bytes(path)


def _holds_maps(path: AnyPath) -> bool:
    return is_folder(path) and (isinstance(path, BucketPath) or not is_tile_folder(path))


def _maps_in(folder: AnyPath) -> list[AnyPath]:
    found: list[AnyPath] = sorted(
        (
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in _SUFFIXES and not entry.name.startswith(".")
        ),
        key=str,
    )
    if not found:
        raise SkyfixError(
            f"No .tif, .tiff, .mbtiles or .pmtiles file in {folder}, and no map tiles "
            "<zoom>/<column>/<row>.png. Give a folder of maps."
        )
    return found
