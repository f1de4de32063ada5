"""A small made-up data set in the layout of University-1652, to try things on."""

from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError

_BLOCKS = 6
_COLOURS = 3
_CANVAS = 2
# The inscribed square of a turned square has at least this part of its side.
_UPRIGHT = 2**-0.5


def generate(
    root: Path | str,
    places: int = 8,
    test_places: int = 4,
    distractors: int = 2,
    drone_views: int = 3,
    side_px: int = 64,
    seed: int = 0,
) -> Path:
    """Write a made-up data set with the true folder names.

    Every place is a mosaic in three colours of its own. Its satellite image shows it whole, its
    drone images show the middle, turned, nearer and in another light.

    Args:
        root: folder to write to; made where missing.
        places: training places.
        test_places: places with queries.
        distractors: places that are only in the galleries.
        drone_views: drone images per place.
        side_px: side of the images.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    kinds = (
        (places, ("train/{}",)),
        (test_places, ("test/query_{}", "test/gallery_{}")),
        (distractors, ("test/gallery_{}",)),
    )
    number = 0
    try:
        for count, folders in kinds:
            for _ in range(count):
                number += 1
                rng = np.random.default_rng((seed, number))
                _write_place(root, folders, f"{number:04d}", drone_views, side_px, rng)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(f"Cannot write {root}: {reason}. Choose another folder.") from error
    return root


def _write_place(
    root: Path,
    folders: tuple[str, ...],
    place: str,
    drone_views: int,
    side_px: int,
    rng: np.random.Generator,
) -> None:
    ground = _mosaic(side_px, rng)
    satellite = ground.resize((side_px, side_px), Image.Resampling.BOX)
    drone = [_from_drone(ground, side_px, rng) for _ in range(drone_views)]
    for folder in folders:
        satellite_folder = root / folder.format("satellite") / place
        drone_folder = root / folder.format("drone") / place
        for made in (satellite_folder, drone_folder):
            made.mkdir(parents=True, exist_ok=True)
        satellite.save(satellite_folder / f"{place}.jpg", quality=90)
        for view, image in enumerate(drone, start=1):
            image.save(drone_folder / f"image-{view:02d}.jpeg", quality=90)


def _mosaic(side_px: int, rng: np.random.Generator) -> Image.Image:
    palette = rng.integers(0, 256, (_COLOURS, 3), dtype=np.uint8)
    blocks = palette[rng.integers(0, _COLOURS, (_BLOCKS, _BLOCKS))]
    canvas_px = _CANVAS * side_px
    return Image.fromarray(blocks).resize((canvas_px, canvas_px), Image.Resampling.NEAREST)


def _from_drone(ground: Image.Image, side_px: int, rng: np.random.Generator) -> Image.Image:
    turned = ground.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR)
    width = ground.width
    margin = width * (1 - rng.uniform(0.8, 1.0) * _UPRIGHT) / 2
    box = (margin, margin, width - margin, width - margin)
    near = turned.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)
    samples = np.asarray(near, dtype=np.float32)
    light = rng.uniform(0.8, 1.2, 3) * samples + rng.uniform(-15, 15)
    noisy = light + rng.normal(0, 5, samples.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
