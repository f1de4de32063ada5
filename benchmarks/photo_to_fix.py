"""From 12-megapixel JPEG files to fixes, photos a second, against the bare network.

    python benchmarks/photo_to_fix.py [--photos 48] [--runs 3] [--write docs/speed.md]

- network: the system on bytes that lie in memory at its input size, in the same runtime;
- photo to fix: ``locate_many`` of files, with a known heading, within 1 km, without registration;
- decode: Pillow (libjpeg-turbo) on the same files at the size that is wanted, in as many threads;
- limit: decoding and the network after each other, as both keep all cores busy.

Photos are squares of a made-up town, enlarged to 4000 x 3000 px, with a sensor's noise. Of the
10,000 tiles of the gallery, as many as there are photos have descriptors of the same ground, the
others made-up ones, so that each photo has a place to be found at.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from search import CENTRE, positions, unit, write_gallery
from timing import alternate, machine, publish, table

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.inference.export import export
from skyfix.localize import Fix, locate_many
from skyfix.systems import load
from skyfix.systems.preprocess import prepared
from skyfix.world.town import build_town

TILES, NEAR_M, BATCH = 10_000, 1000.0, 32
WIDTH_PX, HEIGHT_PX, CROP_PX = 4000, 3000, 300
NOISE = 4.0
CANDIDATES = (
    ("torch", "fp32"),
    ("onnx", "fp32"),
    ("openvino", "fp32"),
    ("onnx", "int8"),
    ("openvino", "int8"),
)

PREFACE = """Made by `python benchmarks/photo_to_fix.py --photos {photos} --runs {runs}`
({machine}). {photos} JPEG files of 4000 x 3000 px ({megabytes:.1f} MB each) to fixes with skyfix_s:
heading known, a prior of 1 km in a gallery of 10,000 tiles, no registration. Photos a second,
median of alternating runs. *network* has its input in memory already, *ratio* is its rate over
that of *photo to fix*; *decode* reads the files at a quarter of their size and does no more, *of
limit* compares with both after each other: a JPEG of 12 megapixels costs as much as half the
network or more, so that the ratio stays far from 1. *found*: photos whose best tile is theirs.
*cosine*: the least with torch's descriptors when it was exported.
"""


def write_photos(folder: Path, number: int) -> tuple[list[Path], list[np.ndarray]]:
    """Photos and the squares of ground that they show."""
    town = build_town(seed=0, size_m=600.0).rgb
    rng = np.random.default_rng(0)
    paths, grounds = [], []
    for index in range(number):
        row, column = rng.integers(0, town.shape[0] - CROP_PX, 2)
        ground = town[row : row + CROP_PX, column : column + CROP_PX]
        cut = (CROP_PX - CROP_PX * HEIGHT_PX // WIDTH_PX) // 2
        photo = cv2.resize(
            ground[cut : CROP_PX - cut], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC
        )
        noise = rng.normal(0, NOISE, photo.shape).astype(np.float32)
        pixels = np.clip(photo + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{index:03d}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
        grounds.append(ground[cut : CROP_PX - cut, cut : CROP_PX - cut])
    return paths, grounds


def planted(
    folder: Path, embedder: Embedder, grounds: Sequence[np.ndarray]
) -> tuple[Gallery, np.ndarray]:
    """A gallery that knows the grounds, and their rows."""
    rng = np.random.default_rng(2)
    rows = np.random.default_rng(1).choice(_inside(), len(grounds), replace=False)
    known = embedder.embed(grounds, "satellite")
    descriptors = unit(
        known.mean(axis=0) + unit(rng.standard_normal((TILES, known.shape[1]), dtype=np.float32))
    ).astype(np.float32)
    descriptors[rows] = known
    write_gallery(folder, [descriptors], TILES, embedder.identity)
    return Gallery.open(folder), rows


def _inside() -> np.ndarray:
    """Rows of tiles within the prior."""
    lon, lat = positions(TILES)
    return np.flatnonzero(distance_m(*CENTRE, lon, lat) < NEAR_M)


def compared(
    name: tuple[str, str],
    embedder: Embedder,
    folder: Path,
    paths: list[Path],
    grounds: list[np.ndarray],
    runs: int,
) -> list[str]:
    """One line of the table."""
    gallery, rows = planted(folder, embedder, grounds)
    poses = [Pose(heading_deg=0.0)] * len(paths)
    preprocess = embedder.system.preprocess["drone"]
    inputs = torch.stack([prepared(Image.fromarray(one), preprocess) for one in grounds])
    unknown_m = torch.full((BATCH,), torch.nan)

    def network() -> None:
        with torch.inference_mode():
            for batch in inputs.split(BATCH):
                embedder.system.embed_photos(batch, "drone", unknown_m[: len(batch)])

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            least_px = 2 * max(embedder.input_px)
            for photo in pool.map(lambda path: read_image(path, least_px), paths):
                assert min(photo.size) >= least_px

    def photo_to_fix() -> list[Fix]:
        return locate_many(
            paths,
            gallery,
            poses=poses,
            near=(*CENTRE, NEAR_M),
            embedder=embedder,
            register=False,
        )

    found = photo_to_fix()
    ids = gallery.tiles.id[rows]
    right = sum(fix.candidates[0].tile == wanted for fix, wanted in zip(found, ids, strict=True))
    assert right >= 0.9 * len(paths), f"{right} of {len(paths)} photos found"
    candidates = {"network": network, "decode": decode, "fix": photo_to_fix}
    seconds = alternate(candidates, runs)
    rates = {which: len(paths) / value for which, value in seconds.items()}
    artefact = getattr(embedder.system, "artefact", None)
    return [
        " ".join(name),
        *(f"{rates[which]:.1f}" for which in ("network", "decode", "fix")),
        f"{rates['network'] / rates['fix']:.2f}",
        f"{100 * rates['fix'] * (1 / rates['network'] + 1 / rates['decode']):.0f} %",
        f"{right}/{len(paths)}",
        "1" if artefact is None else f"{artefact.parity.least_cosine:.6f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "photos").mkdir()
        paths, grounds = write_photos(folder / "photos", arguments.photos)
        lines = []
        for kind, precision in CANDIDATES:
            system = "skyfix_s"
            if kind != "torch":
                system = folder / f"{kind}-{precision}"
                photos = folder / "photos" if precision == "int8" else None
                export(load("skyfix_s"), system, kind, precision, photos)
            embedder = Embedder(system, device="cpu", batch_size=BATCH)
            where = folder / f"gallery-{kind}-{precision}"
            lines.append(
                compared((kind, precision), embedder, where, paths, grounds, arguments.runs)
            )
        megabytes = np.mean([path.stat().st_size for path in paths]) / 1e6
    preface = PREFACE.format(
        photos=arguments.photos, runs=arguments.runs, machine=machine(), megabytes=megabytes
    )
    header = [
        "skyfix_s in",
        "network",
        "decode",
        "photo to fix",
        "ratio",
        "of limit",
        "found",
        "cosine",
    ]
    publish("From photo to fix", f"{preface}\n{table(header, lines)}", arguments.write)


if __name__ == "__main__":
    main()
