"""The rasters a gallery is made from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.geo.raster import Raster

_SUFFIXES = (".tif", ".tiff")
_PIECE_BYTES, _PIECES = 2**20, 64


@dataclass(frozen=True)
class Source:
    """One raster.

    Attributes:
        path: where it was when the gallery was built, absolute.
        size_bytes: size of the file.
        fingerprint: digest of its content, see ``fingerprint``; the path does not matter.
        crs: its coordinate reference system, ``EPSG:n`` where it has a number, else WKT.
        width_px, height_px: its size.
    """

    path: str
    size_bytes: int
    fingerprint: str
    crs: str
    width_px: int
    height_px: int


def list_rasters(sources: Path | str | Sequence[Path | str]) -> list[Path]:
    """The files behind ``sources``; a folder stands for its .tif and .tiff files, by name.

    Raises:
        SkyfixError: nothing given, a folder without rasters, or a file named twice.
    """
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    paths: list[Path] = []
    for path in map(Path, given):
        paths += _rasters_in(path) if path.is_dir() else [path]
    if not paths:
        raise SkyfixError("No raster given. Name at least one GeoTIFF.")
    return paths


def describe(raster: Raster) -> Source:
    """Facts of an open raster."""
    code = raster.geo.crs.to_epsg()
    return Source(
        path=str(raster.path.resolve()),
        size_bytes=raster.path.stat().st_size,
        fingerprint=fingerprint(raster.path),
        crs=raster.geo.crs.to_wkt() if code is None else f"EPSG:{code}",
        width_px=raster.width_px,
        height_px=raster.height_px,
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


def fingerprint(path: Path) -> str:
    """Digest (24 hexadecimal digits) of a file's size and content.

    Above 64 MiB, 64 pieces of 1 MiB spread evenly from first byte to last stand for the content.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    last = max(size - _PIECE_BYTES, 0)
    whole = size <= _PIECES * _PIECE_BYTES
    starts = (
        range(0, size, _PIECE_BYTES)
        if whole
        else [last * piece // (_PIECES - 1) for piece in range(_PIECES)]
    )
    with path.open("rb") as stream:
        for start in starts:
            stream.seek(start)
            digest.update(stream.read(_PIECE_BYTES))
    return digest.hexdigest()


def _rasters_in(folder: Path) -> list[Path]:
    found = sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in _SUFFIXES and not entry.name.startswith(".")
    )
    if not found:
        raise SkyfixError(f"No .tif or .tiff file in {folder}. Give a folder of GeoTIFFs.")
    return found
