"""A small made-up data set in the layout of University-1652, to try things on."""

from pathlib import Path

import numpy as np

from skyfix.datasets import scenes


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
    with scenes.writing(root):
        for count, folders in kinds:
            for _ in range(count):
                number += 1
                made = scenes.place(side_px, drone_views, np.random.default_rng((seed, number)))
                name = f"{number:04d}"
                for folder in folders:
                    satellite = root / folder.format("satellite") / name
                    scenes.save(made.satellite, satellite / f"{name}.jpg")
                    for view, image in enumerate(made.drone, start=1):
                        drone = root / folder.format("drone") / name
                        scenes.save(image, drone / f"image-{view:02d}.jpeg")
    return root
