"""Reading photos of any kind into plain RGB, and refusing what is not a photo."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from skyfix.errors import SkyfixError

MAX_PIXELS = 170_000_000
"""Above this many pixels (px) an image is refused: it would not fit a modest machine's memory."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


class ImageError(SkyfixError):
    """A file that is not a readable image."""


def read_image(path: Path | str, shortest_px: int | None = None) -> Image.Image:
    """Decode one image to RGB, upright according to its EXIF orientation.

    Alpha is laid over black, 16-bit samples are scaled to 8 bits, CMYK and grey are converted.

    Args:
        path: a JPEG, PNG, TIFF, WebP or BMP file.
        shortest_px: JPEG only: decode at a reduced size (a power of two smaller) whose shorter
            side is still at least this many pixels. Saves time on large photos.

    Raises:
        ImageError: missing, empty, truncated, not an image, or above ``MAX_PIXELS``.
    """
    path = Path(path)
    with _decoding(path, str(path)) as image:
        if shortest_px is not None:
            image.draft("RGB", (shortest_px, shortest_px))
        # Always a copy, so the pixels outlive the closed file.
        return _to_rgb(ImageOps.exif_transpose(image))


def decode_rgb(
    content: bytes, name: str, sizes_px: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode an image file that is at hand as bytes, keeping its alpha apart.

    Args:
        content: a JPEG, PNG, TIFF, WebP or BMP file, 8 bits a sample.
        name: names it in errors.
        sizes_px: (h, w) that it may have; others are refused before anything is decoded.

    Returns:
        RGB ``(h, w, 3)`` uint8, and where alpha is above 0 ``(h, w)`` bool; None without alpha.

    Raises:
        ImageError: empty, truncated, not an image, of another size, or of 16 bits.
    """
    with _decoding(io.BytesIO(content), name) as image:
        size_px = (image.height, image.width)
        if size_px not in sizes_px:
            allowed = " or ".join(f"{width} x {height}" for height, width in sizes_px)
            raise ImageError(
                f"{name} has {image.width} x {image.height} px, expected {allowed}. Replace it."
            )
        if image.mode in _DEEP_MODES:
            raise ImageError(f"{name} has more than 8 bits a sample. Convert it to 8 bits.")
        if not _has_alpha(image):
            return np.asarray(image.convert("RGB")), None
        pixels = np.asarray(image.convert("RGBA"))
        return np.ascontiguousarray(pixels[..., :3]), pixels[..., 3] > 0


@contextlib.contextmanager
def _decoding(source: Path | io.BytesIO, name: str) -> Iterator[Image.Image]:
    """The opened image; what goes wrong while it is open becomes an ``ImageError``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as image:
                _check_size(image, name)
                yield image
    except FileNotFoundError:
        raise ImageError(f"No such image: {name}. Check the path.") from None
    except Image.DecompressionBombError:
        # Pillow's own limit lies a little above ours and strikes before the size can be asked.
        raise ImageError(f"Image too large: {name}. Scale it down first.") from None
    except ImageError:
        raise
    except Exception as error:
        # Pillow's decoders raise almost any exception on corrupt bytes.
        raise ImageError(f"{_cause(source, name, error)} Replace or remove the file.") from error


def list_images(folder: Path) -> list[Path]:
    """Image files directly in ``folder``, sorted by name; hidden files are passed over."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    )


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are given, and the images directly in folders.

    Raises:
        SkyfixError: no such path, or a folder without images.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = list_images(path)
            if not inside:
                raise SkyfixError(f"No images in the folder {path}.")
            files += inside
        elif not path.exists():
            raise SkyfixError(f"No such photo: {path}. Check the path.")
        else:
            files.append(path)
    return files


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"Image too large: {name} has {width} x {height} px, the limit is "
            f"{MAX_PIXELS // 1_000_000} million. Scale it down first."
        )


def _cause(source: Path | io.BytesIO, name: str, error: Exception) -> str:
    if isinstance(source, Path) and source.is_dir():
        return f"{name} is a folder, not an image."
    if _is_empty(source):
        return f"Empty image file (0 bytes): {name}."
    if isinstance(error, PermissionError):
        return f"No permission to read {name}."
    if isinstance(error, Image.UnidentifiedImageError):
        return f"Not an image (JPEG, PNG, TIFF, WebP or BMP): {name}."
    return f"Damaged or truncated image: {name} ({error})."


def _is_empty(source: Path | io.BytesIO) -> bool:
    if isinstance(source, Path):
        return source.exists() and source.stat().st_size == 0
    return source.getbuffer().nbytes == 0


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP_MODES:
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if _has_alpha(image):
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(samples: np.ndarray) -> np.ndarray:
    values = samples.astype(np.float32)
    largest = float(values.max(initial=0.0))
    scale = 255.0 / 65535.0 if largest > 255.0 else 1.0
    return np.clip(values * scale, 0, 255).astype(np.uint8)
