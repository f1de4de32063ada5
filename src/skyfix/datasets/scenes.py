"""Made-up ground, and what is seen of it from above, from a drone and from the street."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError

_CANVAS = 2
# The inscribed square of a turned square has at least this part of its side.
_UPRIGHT = 2**-0.5


@dataclass(frozen=True)
class Place:
    """Pictures of one place."""

    satellite: Image.Image
    drone: tuple[Image.Image, ...]


def mosaic(
    side_px: int, rng: np.random.Generator, blocks: int = 6, colours: int = 3
) -> Image.Image:
    """Square ground of ``blocks`` x ``blocks`` patches in a few colours of its own."""
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    patches = palette[rng.integers(0, colours, (blocks, blocks))]
    return Image.fromarray(patches).resize((side_px, side_px), Image.Resampling.NEAREST)


def place(side_px: int, drone_views: int, rng: np.random.Generator) -> Place:
    """A place of its own: the whole ground from above, and drone photos of its middle."""
    ground = mosaic(_CANVAS * side_px, rng)
    drone = tuple(from_drone(ground, side_px, rng) for _ in range(drone_views))
    return Place(from_above(ground, side_px), drone)


def from_above(ground: Image.Image, side_px: int) -> Image.Image:
    """The ground as a satellite image."""
    return ground.resize((side_px, side_px), Image.Resampling.BOX)


def from_drone(ground: Image.Image, side_px: int, rng: np.random.Generator) -> Image.Image:
    """The middle of the ground, turned, nearer and in another light."""
    turned = ground.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR)
    width = ground.width
    margin = width * (1 - rng.uniform(0.8, 1.0) * _UPRIGHT) / 2
    box = (margin, margin, width - margin, width - margin)
    near = turned.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)
    samples = np.asarray(near, dtype=np.float32)
    light = rng.uniform(0.8, 1.2, 3) * samples + rng.uniform(-15, 15)
    return _noisy(light, rng)


def from_street(
    satellite: Image.Image, size_px: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    """A panorama (height, width) round the centre of a satellite image, in another light.

    South is at the left edge, north in the middle, the nearest ground at the bottom.
    """
    height, width = size_px
    half = satellite.width / 2
    angle = 2 * np.pi * np.arange(width) / width
    radius = (half - 1) * (height - 1 - np.arange(height))[:, None] / height
    row = np.rint(half + radius * np.cos(angle)).astype(np.int64)
    column = np.rint(half - radius * np.sin(angle)).astype(np.int64)
    seen = np.asarray(satellite)[row, column].astype(np.float64)
    return _noisy(rng.uniform(0.8, 1.2, 3) * seen, rng)


def save(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix; folders are made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn a folder that cannot be written into an error of one line."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(f"Cannot write {root}: {reason}. Choose another folder.") from error


def _noisy(samples: np.ndarray, rng: np.random.Generator) -> Image.Image:
    noisy = samples + rng.normal(0, 5, samples.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
