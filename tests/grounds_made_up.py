"""Small folders of training ground."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rasters import texture

SOURCES = "folder,share,together"
PAIRS = "satellite,drone,place,cluster,apart"
GROUNDS = "file,other,least_px,most_px"


def write_table(path: Path, header: str, *rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode(errors="surrogateescape"))


def write_picture(path: Path, side_px: int, seed: int) -> str:
    """A picture of its own; its file name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.moveaxis(texture(side_px, side_px, seed=seed), 0, 2)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return path.name


def write_pairs(folder: Path, places: int, photos: int = 1, apart: int = 0) -> None:
    """Places of one satellite image and some photos that show the same; the last ones apart."""
    rows = []
    for place in range(places):
        for photo in range(photos):
            satellite = write_picture(folder / f"{place}.png", 96, place)
            drone = write_picture(folder / f"{place}_{photo}.png", 96, place)
            held_out = int(place >= places - apart)
            rows.append([satellite, drone, f"place {place}", f"cluster {place // 2}", held_out])
    write_table(folder / "pairs.csv", PAIRS, *rows)


def write_ground(folder: Path, side_px: int, least_px: int, most_px: int) -> None:
    """One picture of ground."""
    name = write_picture(folder / "ground.png", side_px, 100)
    write_table(folder / "grounds.csv", GROUNDS, [name, "", least_px, most_px])


def write_both(root: Path, places: int = 8) -> Path:
    """As many real pairs as tiles of a ground in a batch."""
    write_pairs(root / "real", places)
    write_ground(root / "map", 400, 60, 90)
    write_table(root / "sources.csv", SOURCES, ["real", 0.5, 2], ["map", 0.5, 8])
    return root
