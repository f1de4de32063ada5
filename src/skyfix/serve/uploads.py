"""What clients send, kept in private folders under names of our own."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.images import ImageError
from skyfix.localize.container import open_container
from skyfix.serve.problems import ProblemError

PHOTO_KINDS = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""First bytes of photos; WebP's stand further on."""

_HEAD_BYTES = 4096
_LONGEST_NAME = 120


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A folder that nobody else can read; it is gone after the block."""
    with tempfile.TemporaryDirectory(dir=parent, prefix="upload-", ignore_cleanup_errors=True) as f:
        yield Path(f)


def shown_name(name: str | None, otherwise: str) -> str:
    """What a file is called in answers: the last part of its name, in printable characters."""
    last = re.split(r"[/\\]", name or "")[-1]
    printable = "".join(one if one.isprintable() else "?" for one in last)
    return printable.strip(" .")[:_LONGEST_NAME] or otherwise


def keep_photo(content: BinaryIO, path: Path, most_pixels: int) -> Path:
    """Write an uploaded photo to a path of ours, once its first bytes and its size are fine.

    Raises:
        ProblemError: 415, not a photo; 413, too many pixels; 422, damaged or empty.
    """
    head = _head(content)
    if not head:
        raise ProblemError(
            422, "The photo is empty (0 bytes). Send a JPEG, PNG, WebP or TIFF file."
        )
    kind = photo_kind(head)
    if kind is None:
        raise ProblemError(415, "Not a photo by its content. Send a JPEG, PNG, WebP or TIFF file.")
    keep(content, path)
    _check_pixels(path, kind, most_pixels)
    return path


def keep(content: BinaryIO, path: Path) -> Path:
    """Write an upload to a path of ours."""
    content.seek(0)
    with path.open("wb") as stream:
        shutil.copyfileobj(content, stream, 2**20)
    return path


def photo_kind(head: bytes) -> str | None:
    """Kind of a photo by its first bytes; None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    for kind, starts in PHOTO_KINDS.items():
        if head.startswith(starts):
            return kind
    return None


def is_video(content: BinaryIO) -> bool:
    """Whether an upload begins as MP4, MOV, Matroska, WebM or AVI do.

    FFmpeg would open playlists too, which name other files and addresses.
    """
    head = _head(content)
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        or head.startswith(b"\x1a\x45\xdf\xa3")
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    )


def telemetry_name(content: BinaryIO) -> str:
    """Under which name of ours telemetry is kept: its suffix tells its kind.

    Raises:
        ProblemError: 415, not text.
    """
    head = _head(content)
    if b"\0" in head:
        raise ProblemError(
            415, "The telemetry is no text. Send the drone's SRT file or a CSV table."
        )
    return "telemetry.srt" if b"-->" in head else "telemetry.csv"


def told(error: SkyfixError, path: Path, name: str) -> SkyfixError:
    """The error with the client's name of a file instead of ours."""
    return SkyfixError(str(error).replace(str(path), name))


def _head(content: BinaryIO) -> bytes:
    content.seek(0)
    return content.read(_HEAD_BYTES)


def _check_pixels(path: Path, kind: str, most_pixels: int) -> None:
    try:
        with Image.open(path, formats=(kind,)) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        width, height = most_pixels, 2
    except Exception as error:
        # Pillow raises almost anything on corrupt bytes.
        raise ImageError("The photo is damaged or truncated. Send it anew.") from error
    if width * height > most_pixels:
        raise ProblemError(
            413,
            f"The photo has too many pixels, the limit is {most_pixels / 1e6:g} million. "
            "Scale it down first.",
        )


def check_frame_size(video: Path, most_pixels: int) -> None:
    """Refuse a video whose frames would not fit into memory.

    Raises:
        ProblemError: 413, too many pixels.
    """
    with open_container(video) as container:
        codec = container.streams.video[0].codec_context
        if codec.width * codec.height > most_pixels:
            raise ProblemError(
                413, f"The video has more than {most_pixels / 1e6:g} million pixels a frame."
            )
