"""How well turned photos of the shipped sample find their tiles.

    python benchmarks/sample_turned.py [SYSTEM ...]

Each photo is turned about its centre, corners black, and compared as it is with north-up tiles;
no heading is tried and no pose is used. Right is a best tile within one side, half and a third (the
stride) of the truth. `fall` is that of the mean over the four angles from the unturned photos.
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import machine, table

from skyfix.demo import STRIDE_M, SYSTEM, TILE_M
from skyfix.evaluation.changes import Rotation
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.world import sample_folder

TURNS_DEG = (0, 45, 90, 135, 180)
WITHIN_M = (TILE_M, TILE_M / 2, STRIDE_M)


def right(system: str, work: Path) -> np.ndarray:
    """(angles, radii) percent of the photos whose best tile is that near."""
    sample, embedder = sample_folder(), Embedder(system)
    folder = work / embedder.identity
    gallery = Gallery.build(sample / "map.tif", folder, embedder, TILE_M, STRIDE_M)
    with (sample / "truth.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"]]
    truth = np.array([[float(row["ground_lon"]), float(row["ground_lat"])] for row in rows])
    photos = [read_image(sample / row["file"]) for row in rows]
    found = []
    for deg in TURNS_DEG:
        asked = embedder.embed([Rotation(deg)(photo) for photo in photos], "drone")
        best = np.argmax(asked @ gallery.descriptors.T, axis=1)
        away_m = distance_m(gallery.tiles.lon[best], gallery.tiles.lat[best], *truth.T)
        found.append([100 * float(np.mean(away_m <= radius)) for radius in WITHIN_M])
    return np.array(found)


def main(systems: list[str]) -> None:
    lines = []
    with tempfile.TemporaryDirectory() as work:
        for system in systems:
            for radius, column in zip(WITHIN_M, right(system, Path(work)).T, strict=True):
                fall = 100 * (1 - column[1:].mean() / column[0])
                figures = [f"{value:.1f}" for value in (*column, fall)]
                lines.append([system, f"{radius:.0f}", *figures])
    print(machine())
    print(table(["system", "within m", *(f"{deg} deg" for deg in TURNS_DEG), "fall %"], lines))


if __name__ == "__main__":
    main(sys.argv[1:] or [SYSTEM])
