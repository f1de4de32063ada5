"""A small made-up data set in the layout of CVUSA, to try things on."""

from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.errors import SkyfixError

_BLOCKS = 8
_SIDE_PX = 96
_PANORAMA_PX = (56, 152)


def generate(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write made-up pairs under the true names.

    Every place is a mosaic. Its satellite image shows it from above, its panorama around the
    centre: north in the middle, the nearest ground at the bottom, in another light.

    Args:
        root: folder to write to; made where missing.
        places: training places.
        test_places: test places.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    numbers = range(1, places + test_places + 1)
    tables = {"train": numbers[:places], "val": numbers[places:]}
    try:
        for folder in ("splits", "bingmap/19", "streetview/panos"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, chosen in tables.items():
            rows = [_write_place(root, f"{number:07d}", seed) for number in chosen]
            (root / f"splits/{name}-19zl.csv").write_text("".join(rows), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(f"Cannot write {root}: {reason}. Choose another folder.") from error
    return root


def _write_place(root: Path, place: str, seed: int) -> str:
    """Write one pair; its row of the split table."""
    rng = np.random.default_rng((seed, int(place)))
    blocks = rng.integers(0, 256, (_BLOCKS, _BLOCKS, 3), dtype=np.uint8)
    satellite = Image.fromarray(blocks).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.NEAREST)
    light = rng.uniform(0.8, 1.2, 3) * _seen_around(np.asarray(satellite))
    noisy = light + rng.normal(0, 5, light.shape)
    ground = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    names = f"bingmap/19/{place}.jpg", f"streetview/panos/{place}.jpg"
    satellite.save(root / names[0], quality=90)
    ground.save(root / names[1], quality=90)
    return f"{names[0]},{names[1]},streetview/annotations/{place}.png\n"


def _seen_around(image: np.ndarray) -> np.ndarray:
    """Colours ``(h, w, 3)`` around the centre, south at the left edge, the centre below."""
    height, width = _PANORAMA_PX
    angle = 2 * np.pi * np.arange(width) / width
    radius = (_SIDE_PX / 2 - 1) * (height - 1 - np.arange(height))[:, None] / height
    row = np.rint(_SIDE_PX / 2 + radius * np.cos(angle)).astype(np.int64)
    column = np.rint(_SIDE_PX / 2 - radius * np.sin(angle)).astype(np.int64)
    return image[row, column].astype(np.float64)
