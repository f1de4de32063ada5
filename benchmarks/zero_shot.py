"""How well systems find places that they were never trained on, raw photos only.

    python benchmarks/zero_shot.py --work runs/zero_shot imagenet runs/skyfix_s/best

Needs the optional data folder (SKYFIX_SHARED). No heading, no pose, no rectification: a photo is
brought to the network's size and compared with north-up tiles.

- University-1652 extract, drone to satellite, distractors kept: all 208 queries, those of places
  with one photo and of the two with 54; then the queries turned about their centre.
- Ariel, 140 clean oblique frames against 200-m tiles at 50-m stride; found within 100 m of the
  nominal ground point at the frame's centre.
- Fengyuan, 30 nadir photos (central square) against 100-m tiles at 25-m stride; found within 50 m
  of the drone.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from localization_real import LonLat, _table
from PIL import Image

from skyfix.datasets.university1652 import University1652
from skyfix.evaluation.changes import Rotation
from skyfix.evaluation.metrics import evaluate_retrieval
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.images import read_image
from skyfix.inference import Embedder

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
TURNS_DEG = (0, 45, 90, 135, 180)

Figures = dict[str, float]


def university(embedder: Embedder) -> Figures:
    """R@1 and R@10 (percent) of drone photos against satellite images."""
    data = University1652(SHARED / "data" / "university1652_mini")
    tiles, photos = data.gallery("satellite"), data.query("drone")
    searched = embedder.embed(tiles.paths, "satellite")
    several = np.bincount(photos.labels)[photos.labels] > 1
    found: Figures = {}
    for turn_deg in TURNS_DEG:
        turn = Rotation(turn_deg)
        images = [turn(read_image(path)) for path in photos.paths]
        asked = embedder.embed(images, "drone")
        groups = {"all": np.ones_like(several), "single": ~several, "54 views": several}
        for group, rows in groups.items() if turn_deg == 0 else [("all", groups["all"])]:
            result = evaluate_retrieval(asked[rows], photos.labels[rows], searched, tiles.labels)
            name = f"University {group}" if turn_deg == 0 else f"University {turn_deg} deg"
            found[f"{name} R@1"] = result.recall[1]
            if turn_deg == 0:
                found[f"{name} R@10"] = result.recall[10]
    turned = np.mean([found[f"University {deg} deg R@1"] for deg in TURNS_DEG[1:]])
    found["University fall when turned %"] = 100 * (1 - turned / found["University all R@1"])
    return found


def ariel(embedder: Embedder, work: Path) -> Figures:
    """Recall (percent) within 100 m and median error (m) of the clean frames."""
    folder = SHARED / "data" / "ariel"
    flight = folder / "flights" / "v17"
    rows = [row for row in _table(flight / "frames.csv") if row["clean"] == "1"]
    truths = [(float(row["ground_lon"]), float(row["ground_lat"])) for row in rows]
    asked = embedder.embed([flight / row["file"] for row in rows], "drone")
    return _found("Ariel", asked, truths, folder / "map.tif", embedder, work, (200.0, 50.0), 100)


def fongyuan(embedder: Embedder, work: Path) -> Figures:
    """Recall (percent) within 50 m and median error (m)."""
    folder = SHARED / "data" / "fongyuan"
    rows = _table(folder / "photos.csv")
    truths = [(float(row["lon"]), float(row["lat"])) for row in rows]
    asked = embedder.embed([_central(read_image(folder / row["file"])) for row in rows], "drone")
    return _found("Fengyuan", asked, truths, folder / "map.tif", embedder, work, (100.0, 25.0), 50)


def _found(
    name: str,
    asked: np.ndarray,
    truths: list[LonLat],
    map_path: Path,
    embedder: Embedder,
    work: Path,
    tiling_m: tuple[float, float],
    radius_m: float,
) -> Figures:
    tile_m, stride_m = tiling_m
    folder = work / f"{name}-{embedder.identity}"
    gallery = Gallery.build(map_path, folder, embedder, tile_m, stride_m)
    order = np.argsort(-asked @ gallery.descriptors.T, axis=1)[:, :5]
    lon, lat = gallery.tiles.lon[order], gallery.tiles.lat[order]
    true_lon, true_lat = np.array(truths).T[:, :, None]
    errors_m = np.asarray(distance_m(lon, lat, true_lon, true_lat))
    hits = errors_m <= radius_m
    return {
        f"{name} R@1": 100 * float(hits[:, 0].mean()),
        f"{name} R@5": 100 * float(hits.any(axis=1).mean()),
        f"{name} median m": float(np.median(errors_m[:, 0])),
    }


def _central(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def measured(system: str, work: Path) -> Iterator[tuple[str, float]]:
    """Figures of one system, the quick ones first."""
    embedder = Embedder(system)
    yield from fongyuan(embedder, work).items()
    yield from ariel(embedder, work).items()
    yield from university(embedder).items()


def main() -> None:
    """Print a table, a column a system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="+", help="registered names or checkpoint folders")
    parser.add_argument("--work", type=Path, default=Path("runs/zero_shot"))
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"No optional data folder at {SHARED}; set SKYFIX_SHARED.\n")
    for system in arguments.systems:
        print(f"\n{system}", flush=True)
        for name, value in measured(system, arguments.work):
            print(f"{name:34s} {value:7.1f}", flush=True)


if __name__ == "__main__":
    main()
