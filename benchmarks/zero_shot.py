"""How well systems find places that they were never trained on, raw photos only.

    python benchmarks/zero_shot.py [--write docs/skyfix_s.md] imagenet skyfix_s sift

Needs the optional data folder (SKYFIX_SHARED). No heading, no pose, no rectification: a photo is
brought to the network's size and compared with north-up tiles. A system is a name with built-in
weights, a checkpoint folder, or ``sift``: the classic baseline, which places a photo on the whole
map and is measured on the two flights alone.

- University-1652 extract, drone to satellite, distractors kept: all 208 queries, those of places
  with one photo and of the two with 54; then the queries turned about their centre, and moved.
- Ariel, 140 clean oblique frames against 200-m tiles at 50-m stride; found within 100 m of the
  nominal ground point at the frame's centre.
- Fengyuan, 30 nadir photos (central square) against 100-m tiles at 25-m stride; found within 50 m
  of the drone.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from localization_real import LonLat, _table
from PIL import Image
from sift_baseline import SiftOverMap
from timing import machine, table

from skyfix.datasets.university1652 import University1652
from skyfix.evaluation.changes import Change, Rotation, Shift
from skyfix.evaluation.metrics import evaluate_retrieval
from skyfix.files import write_text
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.images import read_image
from skyfix.inference import Embedder

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
TURNS_DEG = (45, 90, 135, 180)
SDPL_R1 = {0: 85.19, 20: 84.42, 40: 82.46, 60: 79.22, 80: 74.73, 100: 69.39}
"""R@1 that SDPL's authors publish with their code for queries of 512 px moved to the right by P."""
SIFT = "sift"
SIFT_GSD_M = {"Fengyuan": 0.2, "Ariel": 0.5}

Figures = dict[str, float]


def university(embedder: Embedder) -> Figures:
    """R@1 and R@10 (percent) of drone photos against satellite images."""
    data = University1652(SHARED / "data" / "university1652_mini")
    tiles, photos = data.gallery("satellite"), data.query("drone")
    searched = embedder.embed(tiles.paths, "satellite")
    several = np.bincount(photos.labels)[photos.labels] > 1

    def asked(change: Change) -> np.ndarray:
        return embedder.embed([change(read_image(path)) for path in photos.paths], "drone")

    def recall(descriptors: np.ndarray, rows: np.ndarray) -> dict[int, float]:
        sides = (descriptors[rows], photos.labels[rows], searched, tiles.labels)
        return evaluate_retrieval(*sides).recall

    everything = np.ones_like(several)
    upright = asked(Rotation(0))
    found: Figures = {}
    for group, rows in {"all": everything, "single": ~several, "54 views": several}.items():
        first = recall(upright, rows)
        found |= {f"University {group} R@1": first[1], f"University {group} R@10": first[10]}
    for deg in TURNS_DEG:
        found[f"University {deg} deg R@1"] = recall(asked(Rotation(deg)), everything)[1]
    turned = float(np.mean([found[f"University {deg} deg R@1"] for deg in TURNS_DEG]))
    found["University fall when turned %"] = 100 * (1 - turned / found["University all R@1"])
    for px in SDPL_R1:
        # The network's side is half of SDPL's; a shift by the same share of it.
        moved = Shift(px // 2, 0, "reflect", 256)
        found[f"University moved by {px} of 512 R@1"] = recall(asked(moved), everything)[1]
    return found


@dataclass(frozen=True)
class Flight:
    """Photos of one flight, where they show the ground (lon, lat), and how they are searched.

    Of ``square`` ones the middle is taken.
    """

    name: str
    photos: list[Path]
    truths: list[LonLat]
    map_path: Path
    tile_m: float
    stride_m: float
    radius_m: float
    square: bool

    def errors_m(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Distances (N, K) of K answers to each photo from its truth."""
        true_lon, true_lat = np.array(self.truths).T[:, :, None]
        return np.asarray(distance_m(lon, lat, true_lon, true_lat))


def ariel() -> Flight:
    """The clean frames."""
    folder = SHARED / "data" / "ariel"
    flight = folder / "flights" / "v17"
    rows = [row for row in _table(flight / "frames.csv") if row["clean"] == "1"]
    truths = [(float(row["ground_lon"]), float(row["ground_lat"])) for row in rows]
    photos = [flight / row["file"] for row in rows]
    return Flight("Ariel", photos, truths, folder / "map.tif", 200.0, 50.0, 100.0, False)


def fongyuan() -> Flight:
    """The nadir photos."""
    folder = SHARED / "data" / "fongyuan"
    rows = _table(folder / "photos.csv")
    truths = [(float(row["lon"]), float(row["lat"])) for row in rows]
    photos = [folder / row["file"] for row in rows]
    return Flight("Fengyuan", photos, truths, folder / "map.tif", 100.0, 25.0, 50.0, True)


def in_tiles(flight: Flight, embedder: Embedder, work: Path) -> Figures:
    """Recall (percent) within the radius and median error (m) of the best tiles."""
    folder = work / f"{flight.name}-{embedder.identity}"
    gallery = Gallery.build(flight.map_path, folder, embedder, flight.tile_m, flight.stride_m)
    if flight.square:
        asked = embedder.embed([_central(read_image(path)) for path in flight.photos], "drone")
    else:
        asked = embedder.embed(flight.photos, "drone")
    order = np.argsort(-asked @ gallery.descriptors.T, axis=1)[:, :5]
    errors_m = flight.errors_m(gallery.tiles.lon[order], gallery.tiles.lat[order])
    hits = errors_m <= flight.radius_m
    return {
        f"{flight.name} R@1": 100 * float(hits[:, 0].mean()),
        f"{flight.name} R@5": 100 * float(hits.any(axis=1).mean()),
        f"{flight.name} median m": float(np.median(errors_m[:, 0])),
    }


def by_sift(flight: Flight) -> Figures:
    """The same of where SIFT places each photo; without a place a photo is infinitely far off."""
    baseline = SiftOverMap(flight.map_path, SIFT_GSD_M[flight.name])
    nowhere = (np.inf, np.inf)
    places = np.array([baseline.place(path) or nowhere for path in flight.photos])
    placed = np.isfinite(places).all(axis=1)
    lon, lat = np.where(placed[:, None], places, 0.0).T[:, :, None]
    errors_m = np.where(placed, flight.errors_m(lon, lat)[:, 0], np.inf)
    return {
        f"{flight.name} R@1": 100 * float((errors_m <= flight.radius_m).mean()),
        f"{flight.name} median m": float(np.median(errors_m)),
    }


def _central(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def measured(system: str, work: Path) -> Iterator[tuple[str, float]]:
    """Figures of one system, the quick ones first."""
    flights = (fongyuan(), ariel())
    if system == SIFT:
        for flight in flights:
            yield from by_sift(flight).items()
        return
    embedder = Embedder(system)
    for flight in flights:
        yield from in_tiles(flight, embedder, work).items()
    yield from university(embedder).items()


def report(found: dict[str, Figures]) -> str:
    """The page, from the figures of each system."""
    retrieval = {name: figures for name, figures in found.items() if name != SIFT}
    flights = ["R@1", "R@5", "median m"]
    groups = [f"{group} R@{k}" for group in ("all", "single", "54 views") for k in (1, 10)]
    turns = [*(f"{deg} deg R@1" for deg in TURNS_DEG), "fall when turned %"]
    shifts = [f"moved by {px} of 512 R@1" for px in SDPL_R1]
    return PREFACE.format(names=" ".join(found), machine=machine()) + "\n".join(
        [
            FLIGHTS,
            _rows(
                found, [f"{flight} {one}" for flight in ("Ariel", "Fengyuan") for one in flights]
            ),
            UNIVERSITY,
            _rows(retrieval, [f"University {one}" for one in groups]),
            TURNED,
            _rows(retrieval, [f"University {one}" for one in turns]),
            MOVED,
            _moved(retrieval, [f"University {one}" for one in shifts]),
            LIMITS,
        ]
    )


def _rows(found: dict[str, Figures], columns: Sequence[str]) -> str:
    header = ["system", *(column.removeprefix("University ") for column in columns)]
    cells = [[name, *(_cell(f.get(column)) for column in columns)] for name, f in found.items()]
    return table(header, cells) + "\n"


def _moved(found: dict[str, Figures], columns: Sequence[str]) -> str:
    """R@1 over the shift, and what is lost of it at 60 px."""
    curves = {name: [figures[column] for column in columns] for name, figures in found.items()}
    curves["SDPL, published"] = list(SDPL_R1.values())
    at = list(SDPL_R1).index(60)
    cells = []
    for name, curve in curves.items():
        lost = curve[0] - curve[at]
        cells.append([name, *map(_cell, [*curve, lost, 100 * lost / curve[0]])])
    header = ["system", *(f"P = {px}" for px in SDPL_R1), "loss at 60", "loss at 60, % of P = 0"]
    return table(header, cells) + "\n"


def _cell(value: float | None) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.1f}"


PREFACE = """# skyfix_s

The project's own small system: EfficientNet-Lite0 at 256 px, 512 numbers a descriptor, 4.0 million
parameters, shipped with its weights; `skyfix gallery build` takes it unless told otherwise.

Made by `python benchmarks/zero_shot.py --write docs/skyfix_s.md {names}`
({machine}), with the built-in weights.

No system here was trained on the places that are asked for: `imagenet` is the same backbone with
its ImageNet weights alone, `sift` matches features of the photo with those of the whole map.
Photos are taken raw: no heading, no pose, no rectification.

## What it was trained on

600 steps of 256 pairs: real pairs of the training half of a University-1652 extract (31 %), pairs
cut from AID scenes (31 %) and from maps (12 %), and pairs rendered from made-up towns (25 %), from
ImageNet weights. The data folder is written by `benchmarks/skyfix_s_data.py --towns 24`, the run
is `benchmarks/skyfix_s.py --set schedule.steps=600`. The
[model card](../src/skyfix/systems/weights/skyfix_s/README.md) names sources and licences.
"""
FLIGHTS = """
## Flights

Ariel: 140 oblique frames against 200-m tiles at 50 m; found within 100 m of the ground point at
the frame's centre, which is known to 10 to 40 m. Fengyuan: the central squares of 30 nadir photos
against 100-m tiles at 25 m; found within 50 m of the drone. R@K: percent of photos with one of the
best K tiles within the radius; *median m*: error of the best tile's centre. SIFT gives one place
a photo or none; where it places fewer than half of the photos it has no median.
"""
UNIVERSITY = """## Places

An extract of University-1652 at 128 and 256 px, drone to satellite: 208 photos of 102 test places
against 142 images, distractors kept. Two places have 54 photos each (*54 views*), all others one
(*single*). Figures do not compare with published ones, whose gallery is nearly seven times as
large.
"""
TURNED = """### Turned

The same photos turned about their centre, corners black. *fall*: of the mean over the four angles
from the unturned R@1.
"""
MOVED = """### Moved

Photos of 256 px moved to the right, the free strip mirrored; P counts px of 512, as SDPL's authors
do, whose published curve (the whole of University-1652, trained on it at 512 px) is the last row.
Levels do not compare, and losses only roughly: a gallery of 142 images forgives more than theirs.
"""
LIMITS = """## Where it stops

- Made for oblique to nadir photos of 100 to 300 m of ground and for tiles of about that size; a
  photo at ground level is not its trade.
- Water, forest and fields look alike to it.
- Raw retrieval is what this page measures. `skyfix locate` rectifies a photo whose pose is known
  and registers it to the map; what that is worth is measured in [fixes](fixes.md).
- The extract's training half has 280 places: the real pairs are few, and all of universities. The
  extract's test half is of the same kind; the flights are of kinds that it has not seen.
- Two flights and two places with many photos are a small sample: differences of a few percent
  mean nothing.
"""


def main() -> None:
    """Print a table, a column a system; write the page on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="+", help="built-in names, checkpoint folders, sift")
    parser.add_argument("--work", type=Path, default=Path("runs/zero_shot"))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"No optional data folder at {SHARED}; set SKYFIX_SHARED.\n")
    found: dict[str, Figures] = {system: {} for system in arguments.systems}
    for system, figures in found.items():
        print(f"\n{system}", flush=True)
        for name, value in measured(system, arguments.work):
            figures[name] = value
            print(f"{name:34s} {value:7.1f}", flush=True)
    if arguments.write:
        write_text(arguments.write, report(found))


if __name__ == "__main__":
    main()
