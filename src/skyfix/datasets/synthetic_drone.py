"""Small made-up data sets of drone photos, in the layouts of SUES-200, DenseUAV and one's own."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from skyfix.datasets import scenes
from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.sues200 import Sues200

_SIDE_PX = 64


def generate_sues200(
    root: Path | str,
    places: int = 8,
    test_places: int = 4,
    seed: int = 0,
    layout: Literal["raw", "split", "mccg"] = "raw",
) -> Path:
    """Write a made-up data set in one of the layouts of SUES-200, with two photos an altitude.

    Args:
        root: folder to write to; made where missing.
        places: training places, the first ones of the true list.
        test_places: test places, likewise.
        seed: decides everything; the same seed gives the same files.
        layout: as published, or as the authors' or MCCG's split scripts leave it.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    train = sorted(Sues200.TRAIN_PLACES)[:places]
    test = sorted(Sues200.TEST_PLACES)[:test_places]
    halves = ("Training", "Testing") if layout == "split" else ("train", "test")
    with scenes.writing(root):
        for place in sorted((*train, *test)):
            made = scenes.place(
                _SIDE_PX, 2 * len(Sues200.CHOICES), np.random.default_rng((seed, int(place)))
            )
            if layout == "raw":
                scenes.save(made.satellite, root / f"satellite-view/{place}/0.png")
            for step, altitude in enumerate(Sues200.CHOICES):
                photos = made.drone[2 * step : 2 * step + 2]
                if layout == "raw":
                    _save_all(photos, root / f"drone_view_512/{place}/{altitude}")
                    continue
                names = (f"{half}/{altitude}" for half in halves)
                for folder in _folders(place in train, *names):
                    _save_all(photos, root / folder.format("drone") / place)
                    satellite = root / folder.format("satellite") / place / "0.png"
                    scenes.save(made.satellite, satellite)
    return root


def generate_denseuav(
    root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0
) -> Path:
    """Write a made-up data set in the layout of DenseUAV; see ``generate_sues200``."""
    root = Path(root)
    lines: dict[str, list[str]] = {"train": [], "test": []}
    with scenes.writing(root):
        for number in range(places + test_places):
            place, training = f"{number:06d}", number < places
            rng = np.random.default_rng((seed, number))
            made = scenes.place(_SIDE_PX, len(DenseUAV.ALTITUDES_M), rng)
            old = Image.fromarray(np.asarray(made.satellite) // 2 + 64)
            for folder in _folders(training, "train", "test"):
                for altitude, photo in zip(DenseUAV.ALTITUDES_M, made.drone, strict=True):
                    scenes.save(photo, root / folder.format("drone") / f"{place}/H{altitude}.JPG")
                    satellite = root / folder.format("satellite") / place
                    scenes.save(made.satellite, satellite / f"H{altitude}.tif")
                    scenes.save(old, satellite / f"H{altitude}_old.tif")
            half = "train" if training else "test"
            lon, lat = 120.38 + number * 2e-4, 30.32 + number * 1e-4
            lines[half].append(f"{half}/satellite/{place}/H80.tif E{lon:.7f} N{lat:.7f} 93.1\n")
        lines["ALL"] = lines["train"] + lines["test"]
        for name, of_file in lines.items():
            (root / f"Dense_GPS_{name}.txt").write_text("".join(of_file), encoding="utf-8")
    return root


def generate_folder(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write made-up folders of one's own, one distractor among them; see ``generate_sues200``."""
    root = Path(root)
    with scenes.writing(root):
        for place, half, made in _own(places, test_places, seed):
            scenes.save(made.satellite, root / f"{half}/satellite/{place}/map.png")
            if place != f"site {places}":
                _save_all(made.drone, root / f"{half}/drone/{place}")
    return root


def generate_pairs(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write a made-up table of pairs, ``pairs.csv``, with its images; see ``generate_folder``."""
    root = Path(root)
    rows = []
    with scenes.writing(root):
        for number, (place, half, made) in enumerate(_own(places, test_places, seed)):
            tile = f"tiles/{place}.png"
            scenes.save(made.satellite, root / tile)
            _save_all(made.drone, root / "photos" / place)
            queries = [f"photos/{place}/{photo}.jpg" for photo in range(len(made.drone))]
            if place == f"site {places}":
                queries = [""]
            position = (f"{8 + number / 1e3:.6f}", f"{47 + number / 1e3:.6f}")
            rows += [(query, tile, *(position if query else ("", "")), half) for query in queries]
        with (root / "pairs.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("query", "positives", "lon", "lat", "split"))
            writer.writerows(rows)
    return root


def _own(places: int, test_places: int, seed: int) -> Iterator[tuple[str, str, scenes.Place]]:
    """Name, half and pictures of each place; the first test place is meant as a distractor."""
    for number in range(places + 1 + test_places):
        made = scenes.place(_SIDE_PX, 2, np.random.default_rng((seed, number)))
        yield f"site {number}", "train" if number < places else "test", made


def _folders(training: bool, train: str, test: str) -> tuple[str, ...]:
    """Folders that a place's images lie in; the galleries hold the training places too."""
    return (f"{train}/{{}}" if training else f"{test}/query_{{}}", f"{test}/gallery_{{}}")


def _save_all(photos: tuple[Image.Image, ...], folder: Path) -> None:
    for number, photo in enumerate(photos):
        scenes.save(photo, folder / f"{number}.jpg")
