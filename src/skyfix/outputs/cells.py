"""Small pictures that reports are put together from, and the colours of right and wrong."""

import base64
import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageOps

from skyfix.images import read_image

CELL_PX = 160
RIGHT, WRONG, NEAR = "#1a9850", "#d73027", "#b8860b"
_FINE_PX = 200
_WIDEST = 4
_HEAT_MAP = "inferno"
_COLDEST = 0.2
_PHOTO_SHARE = 0.35


def data_uri(image: Image.Image, form: str = "JPEG", quality: int = 85) -> str:
    """An image as an address that holds it, for pages without outside references."""
    stream = io.BytesIO()
    image.save(stream, form, quality=quality)
    return encoded(stream.getvalue(), form)


def encoded(data: bytes, form: str) -> str:
    """The same of an image file's bytes."""
    return f"data:image/{form.lower()};base64,{base64.b64encode(data).decode()}"


def square_cell(image: Image.Image) -> Image.Image:
    """The middle of an image as a square of ``CELL_PX``."""
    return ImageOps.fit(image, (CELL_PX, CELL_PX), Image.Resampling.BICUBIC)


def thumbnail(path: Path) -> Image.Image:
    """A whole image file, see ``shrunk``.

    Raises:
        ImageError: it cannot be read.
    """
    return shrunk(read_image(path, shortest_px=_FINE_PX))


def shrunk(image: Image.Image) -> Image.Image:
    """A whole image, small; a panorama keeps its form and more of its width."""
    width = _FINE_PX if is_upright(image) else _WIDEST * _FINE_PX
    return ImageOps.contain(image, (width, _FINE_PX), Image.Resampling.BICUBIC)


def is_upright(image: Image.Image) -> bool:
    """Whether an image has room in a cell as wide as high, panoramas being the others."""
    return image.width < 1.8 * image.height


def with_heat(photo: Image.Image, heat: np.ndarray) -> Image.Image:
    """A photo in grey under a map of heat, black where there is none.

    Args:
        heat: ``(h, w)``, 0 or more; the colours run from its lowest value above 0 to its highest.
    """
    inside = heat > 0
    low, high = (heat[inside].min(), heat[inside].max()) if inside.any() else (0.0, 0.0)
    spread = (heat - low) / (high - low) if high > low else np.ones_like(heat)
    share = np.where(inside, _COLDEST + (1 - _COLDEST) * spread, 0)
    coloured = matplotlib.colormaps[_HEAT_MAP](share, bytes=True)[..., :3]
    overlay = Image.fromarray(coloured).resize(photo.size, Image.Resampling.NEAREST)
    return Image.blend(overlay, ImageOps.grayscale(photo).convert("RGB"), _PHOTO_SHARE)
