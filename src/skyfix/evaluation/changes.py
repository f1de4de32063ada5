"""Changes of test images: what the papers' robustness tests do to a photo before it is embedded."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from PIL import Image

Fill = Literal["reflect", "symmetric", "black"]
_PAD_MODES = {"reflect": "reflect", "symmetric": "symmetric", "black": "constant"}


class Change(Protocol):
    """An image in, an image out. Equal changes are equal objects, so that results can be reused."""

    def __call__(self, image: Image.Image) -> Image.Image:
        """The changed image, RGB."""
        ...


@dataclass(frozen=True)
class Shift:
    """Move the content and fill the strips that come free.

    Attributes:
        right_px, down_px: how far the content moves (x right, y down); negative for left, up.
        fill: ``reflect`` mirrors the image without its border pixel (SDPL), ``symmetric`` with it
            (DenseUAV, SUES-200, MBF), ``black`` (LPN, FSRA, MCCG, SUES-200).
        size_px: side of the square that the image is brought to first (bicubic), which the shift
            is counted in; 0 leaves the size.
    """

    right_px: int
    down_px: int = 0
    fill: Fill = "reflect"
    size_px: int = 0

    def __call__(self, image: Image.Image) -> Image.Image:
        """The shifted image, at ``size_px`` or its own size."""
        if self.size_px and image.size != (self.size_px, self.size_px):
            image = image.resize((self.size_px, self.size_px), Image.Resampling.BICUBIC)
        if not (self.right_px or self.down_px):
            return image
        samples = np.asarray(image)
        height, width = samples.shape[:2]
        margins = [_margins(self.down_px), _margins(self.right_px), (0, 0)]
        padded = np.pad(samples, margins, mode=_PAD_MODES[self.fill])  # type: ignore[call-overload]
        top, left = max(-self.down_px, 0), max(-self.right_px, 0)
        return Image.fromarray(padded[top : top + height, left : left + width])


@dataclass(frozen=True)
class Rotation:
    """Turn the original image about its centre: nearest pixel, same size, black corners (LPN).

    Attributes:
        deg: counter-clockwise.
    """

    deg: float

    def __call__(self, image: Image.Image) -> Image.Image:
        """The turned image."""
        return image.rotate(self.deg, Image.Resampling.NEAREST) if self.deg else image


def _margins(moved_px: int) -> tuple[int, int]:
    """Padding before and after, so that a window of the old size sees moved content."""
    return max(moved_px, 0), max(-moved_px, 0)
