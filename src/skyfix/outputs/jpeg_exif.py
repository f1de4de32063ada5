"""The EXIF block of a JPEG file, changed without touching a byte of the picture.

A JPEG file is a chain of segments (ITU-T T.81, annex B). EXIF (CIPA DC-008) is a TIFF file inside
the first APP1 segment. Its offsets count from its own start, so whatever stays where it is, maker
notes and thumbnail too, stays valid: new directories are appended and pointed to.
"""

import struct
from collections.abc import Iterator

from skyfix.errors import SkyfixError

Entry = tuple[int, int, bytes]
"""Tag, TIFF type and the value in the byte order of the block."""

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, BYTE = 2, 3, 4, 5, 7, 1
_SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}
_GPS_POINTER = 0x8825
_HEADER = b"Exif\0\0"
_LARGEST = 0xFFFF - 2 - len(_HEADER)
_SOI, _APP0, _APP1, _SOS = 0xD8, 0xE0, 0xE1, 0xDA


class JpegError(SkyfixError):
    """Why a file cannot be given EXIF."""


def exif_block(jpeg: bytes) -> bytes:
    """The TIFF block of a JPEG file's EXIF; an empty one (little-endian) if it has none.

    Raises:
        JpegError: not a JPEG file.
    """
    for _, start, end in _segments(jpeg):
        if jpeg[start + 4 : start + 4 + len(_HEADER)] == _HEADER:
            return jpeg[start + 4 + len(_HEADER) : end]
    return b"II*\0" + struct.pack("<IHI", 8, 0, 0)


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """The same file with another TIFF block; every other byte is kept.

    Raises:
        JpegError: not a JPEG file, or the block is larger than a segment.
    """
    if len(block) > _LARGEST:
        raise JpegError("its EXIF leaves no room in its segment of 64 KiB")
    content = _HEADER + block
    segment = struct.pack(">BBH", 0xFF, _APP1, len(content) + 2) + content
    place = 2
    for marker, start, end in _segments(jpeg):
        if jpeg[start + 4 : start + 4 + len(_HEADER)] == _HEADER:
            return jpeg[:start] + segment + jpeg[end:]
        if marker == _APP0 and start == 2:
            # JFIF wants to come first.
            place = end
    return jpeg[:place] + segment + jpeg[place:]


def order_of(block: bytes) -> str:
    """Byte order of a TIFF block, as ``struct`` writes it.

    Raises:
        JpegError: not a TIFF block.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise JpegError("its EXIF is damaged")
    return order


def with_gps(block: bytes, entries: list[Entry], kept: frozenset[int]) -> bytes:
    """A TIFF block with new GPS tags.

    Args:
        block: an EXIF block.
        entries: the new tags, which replace old ones.
        kept: tags of the old GPS directory that stay unless ``entries`` has them.

    Raises:
        JpegError: the block is damaged.
    """
    order = order_of(block)
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        first, following = _directory(block, start, order)
        old: dict[int, bytes] = {}
        if _GPS_POINTER in first:
            (gps_start,) = struct.unpack_from(order + "I", first[_GPS_POINTER], 8)
            old = _directory(block, gps_start, order)[0]
    except struct.error:
        raise JpegError("its EXIF is damaged") from None
    body = block + b"\0" * (len(block) % 2)
    gps = {tag: entry for tag, entry in old.items() if tag in kept}
    values, gps_new = _packed(entries, len(body), order)
    body += values
    first[_GPS_POINTER] = struct.pack(order + "HHII", _GPS_POINTER, LONG, 1, len(body))
    body += _written(gps | gps_new, 0, order)
    start = len(body)
    body += _written(first, following, order)
    return body[:4] + struct.pack(order + "I", start) + body[8:]


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of every segment before the picture's data."""
    if jpeg[:3] != b"\xff\xd8\xff":
        raise JpegError("it is not a JPEG file")
    place = 2
    while place + 4 <= len(jpeg) and jpeg[place] == 0xFF:
        marker = jpeg[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == _SOS:
            return
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        yield marker, place, end
        place = end


def _directory(block: bytes, start: int, order: str) -> tuple[dict[int, bytes], int]:
    """Entries (12 bytes each, by tag) of a directory, and the offset of the next one."""
    (count,) = struct.unpack_from(order + "H", block, start)
    places = [start + 2 + 12 * index for index in range(count)]
    entries = {struct.unpack_from(order + "H", block, at)[0]: block[at : at + 12] for at in places}
    # Some writers leave the last offset out at the very end of a block.
    end = start + 2 + 12 * count
    following = struct.unpack_from(order + "I", block, end)[0] if end + 4 <= len(block) else 0
    if any(len(entry) < 12 for entry in entries.values()):
        raise JpegError("its EXIF is damaged")
    return entries, following


def _packed(entries: list[Entry], start: int, order: str) -> tuple[bytes, dict[int, bytes]]:
    """Values longer than four bytes, to stand at ``start``, and the entries."""
    values, packed = b"", {}
    for tag, kind, value in entries:
        field = value.ljust(4, b"\0")
        if len(value) > 4:
            field = struct.pack(order + "I", start + len(values))
            values += value + b"\0" * (len(value) % 2)
        packed[tag] = struct.pack(order + "HHI", tag, kind, len(value) // _SIZES[kind]) + field
    return values, packed


def _written(entries: dict[int, bytes], following: int, order: str) -> bytes:
    rows = b"".join(entries[tag] for tag in sorted(entries))
    return struct.pack(order + "H", len(entries)) + rows + struct.pack(order + "I", following)
