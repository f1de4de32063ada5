"""Reading photos of any kind into plain RGB, and refusing what is not a photo."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from skyfix.errors import SkyfixError

MAX_PIXELS = 170_000_000
"""Above this many pixels (px) an image is refused: it would not fit a modest machine's memory."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _check_size(image, path)
                if shortest_px is not None:
                    image.draft("RGB", (shortest_px, shortest_px))
                return _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise ImageError(f"No such image: {path}. Check the path.") from None
    except Image.DecompressionBombError:
        # Pillow's own limit lies a little above ours and strikes before the size can be asked.
        raise ImageError(f"Image too large: {path}. Scale it down first.") from None
    except ImageError:
        raise
    except Exception as error:
        # Pillow's decoders raise almost any exception on corrupt bytes.
        raise ImageError(f"{_cause(path, error)} Replace or remove the file.") from error


def list_images(folder: Path) -> list[Path]:
    """Image files directly in ``folder``, sorted by name; hidden files are passed over."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    )


def _check_size(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"Image too large: {path} has {width} x {height} px, the limit is "
            f"{MAX_PIXELS // 1_000_000} million. Scale it down first."
        )


def _cause(path: Path, error: Exception) -> str:
    if path.is_dir():
        return f"{path} is a folder, not an image."
    if path.exists() and path.stat().st_size == 0:
        return f"Empty image file (0 bytes): {path}."
    if isinstance(error, PermissionError):
        return f"No permission to read {path}."
    if isinstance(error, Image.UnidentifiedImageError):
        return f"Not an image (JPEG, PNG, TIFF, WebP or BMP): {path}."
    return f"Damaged or truncated image: {path} ({error})."


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    # convert() returns a copy even for RGB, so the pixels outlive the closed file.
    return image.convert("RGB")


def _to_8_bits(samples: np.ndarray) -> np.ndarray:
    values = samples.astype(np.float32)
    largest = float(values.max(initial=0.0))
    scale = 255.0 / 65535.0 if largest > 255.0 else 1.0
    return np.clip(values * scale, 0, 255).astype(np.uint8)
