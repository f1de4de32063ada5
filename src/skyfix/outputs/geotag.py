"""Positions written into copies of the photos themselves."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path, require_writable
from skyfix.localize.fix import Fix
from skyfix.outputs.jpeg_exif import (
    ASCII,
    BYTE,
    RATIONAL,
    UNDEFINED,
    Entry,
    JpegError,
    exif_block,
    order_of,
    with_exif,
    with_gps,
)
from skyfix.outputs.positions import LonLat, camera, receiver

_VERSION, _LAT_REF, _LAT, _LON_REF, _LON = 0, 1, 2, 3, 4
_ALTITUDE_REF, _ALTITUDE, _CLOCK, _DATE = 5, 6, 7, 29
_DIRECTION_REF, _DIRECTION, _DATUM, _METHOD, _ERROR_M = 16, 17, 18, 27, 31
_KEPT = frozenset((_ALTITUDE_REF, _ALTITUDE, _CLOCK, _DATE, _DIRECTION_REF, _DIRECTION))
_STEPS = 10_000


@dataclass(frozen=True)
class Geotagged:
    """What became of the photos.

    Attributes:
        written: the copies.
        skipped: one line a photo without a copy: its name and why.
    """

    written: tuple[Path, ...]
    skipped: tuple[str, ...]


def geotag(fixes: Sequence[Fix], folder: Path | str) -> Geotagged:
    """Copy located JPEG photos to a folder, with the position in their EXIF (CIPA DC-008).

    Pixels are not encoded anew, and the other EXIF stays as it is, maker notes too. The position
    is the camera's where it is known, else the ground at the photo's centre; GPSProcessingMethod
    says which: ``skyfix camera`` or ``skyfix photo centre``. GPSHPositioningError is the 68 %
    radius in metres. Altitude, time and, unless the fix knows the heading, direction of an
    earlier GPS block stay; everything else of it goes. XMP is left alone, so a position that a
    camera wrote there stays too.

    Args:
        fixes: of any photos; those not located and those that are no JPEG files are skipped.
        folder: new or empty. Photos of one name get numbers.

    Raises:
        SkyfixError: the folder holds something or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder)
    written, skipped = [], []
    for fix in fixes:
        position = receiver(fix)
        if position is None:
            skipped.append(f"{fix.photo}: not located.")
            continue
        try:
            content = tagged(Path(fix.photo).read_bytes(), fix, position)
        except OSError as error:
            skipped.append(f"{fix.photo}: {error.strerror or error}.")
            continue
        except JpegError as error:
            skipped.append(f"{fix.photo}: {error}.")
            continue
        target = _free(folder, Path(fix.photo))
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
        written.append(target)
    return Geotagged(tuple(written), tuple(skipped))


def check_folder(folder: Path) -> None:
    """Make the folder for copies, before work is done for it.

    Raises:
        SkyfixError: it holds something or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SkyfixError(f"{folder} is not an empty folder. Copies of photos go to a new one.")
    require_writable(folder)


def tagged(jpeg: bytes, fix: Fix, position: LonLat) -> bytes:
    """A JPEG file with a position in its EXIF.

    Raises:
        JpegError: no JPEG file, its EXIF is damaged, or has no room left.
    """
    block = exif_block(jpeg)
    return with_exif(jpeg, with_gps(block, _entries(fix, position, order_of(block)), _KEPT))


def _entries(fix: Fix, position: LonLat, order: str) -> list[Entry]:
    lon, lat = position
    method = "skyfix camera" if camera(fix) else "skyfix photo centre"
    entries: list[Entry] = [
        (_VERSION, BYTE, bytes((2, 3, 0, 0))),
        (_LAT_REF, ASCII, b"N\0" if lat >= 0 else b"S\0"),
        (_LAT, RATIONAL, _angle(lat, order)),
        (_LON_REF, ASCII, b"E\0" if lon >= 0 else b"W\0"),
        (_LON, RATIONAL, _angle(lon, order)),
        (_DATUM, ASCII, b"WGS-84\0"),
        (_METHOD, UNDEFINED, b"ASCII\0\0\0" + method.encode("ascii")),
        (_ERROR_M, RATIONAL, _ratio(fix.accuracy_m or 0.0, 100, order)),
    ]
    if fix.heading_deg is not None:
        entries += [
            (_DIRECTION_REF, ASCII, b"T\0"),
            (_DIRECTION, RATIONAL, _ratio(fix.heading_deg % 360, 100, order)),
        ]
    return entries


def _angle(value_deg: float, order: str) -> bytes:
    """Degrees, minutes and seconds, the latter to 3 mm on the ground."""
    steps = round(abs(value_deg) * 3600 * _STEPS)
    degrees, rest = divmod(steps, 3600 * _STEPS)
    minutes, seconds = divmod(rest, 60 * _STEPS)
    return struct.pack(order + "6I", degrees, 1, minutes, 1, seconds, _STEPS)


def _ratio(value: float, denominator: int, order: str) -> bytes:
    return struct.pack(order + "2I", round(value * denominator), denominator)


def _free(folder: Path, photo: Path) -> Path:
    target, number = folder / photo.name, 2
    while target.exists():
        target = folder / f"{photo.stem}-{number}{photo.suffix}"
        number += 1
    return target
