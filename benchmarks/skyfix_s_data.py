"""The training ground of skyfix_s, as one folder for ``skyfix.datasets.grounds``.

    python benchmarks/skyfix_s_data.py --out runs/grounds [--towns 16] [--workers 2]

Needs the optional data folder (SKYFIX_SHARED). Written are real pairs (the training half of the
University-1652 extract), scenes and maps that pairs are cut from, and pairs that are rendered from
made-up towns. Nothing of the extract's test half, of Ariel or of Fengyuan is touched. Sources that
are there already are kept.
"""

import argparse
import csv
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from skyfix.datasets.grounds import (
    GROUND_COLUMNS,
    GROUND_TABLE,
    PAIR_COLUMNS,
    PAIR_TABLE,
    SOURCE_COLUMNS,
    SOURCE_TABLE,
)
from skyfix.files import write_csv

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
SEED = 0
QUALITY = 85
SOURCES = (
    # folder, share of a batch, places of one cluster or ground that meet in a batch
    ("university", 0.3125, 1),
    ("scenes", 0.3125, 2),
    ("maps", 0.125, 8),
    ("towns", 0.25, 12),
)
APART_SHARE = 0.15
"""Of the real places, kept out of training to choose the checkpoint by."""

MAP_GSD_M = 0.25
MAP_SIDES_M = (50.0, 150.0)
"""Side of the tiles that are cut from the maps."""
TOWN_M, TOWN_GSD_M = 640.0, 0.5
TOWN_PLACES, TOWN_VIEWS, TOWN_PX = 40, 3, 160
TOWN_STRIDE = 0.6
"""Distance of neighbouring places in tiles: they overlap as the tiles of a gallery do."""

Rows = list[list[object]]


def university(out: Path) -> None:
    """Real pairs; places that show the same ground bear one name."""
    source = SHARED / "data" / "university1652_mini"
    with (source / "places.csv").open(newline="", encoding="utf-8") as stream:
        known = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    names = {row["id"]: f"group {row['overlap_group']}" for row in known if row["overlap_group"]}
    places = sorted({names.get(row["id"], row["id"]) for row in known})
    order = np.random.default_rng(SEED).permutation(len(places))
    apart = {places[number] for number in order[: round(APART_SHARE * len(places))]}
    rows: Rows = []
    for row in known:
        number = row["id"]
        place = names.get(number, number)
        satellite = _copied(source / "train/satellite" / number / f"{number}.jpg", out, number)
        photo = source / "train/drone" / number / "image-01.jpeg"
        if place not in apart:
            drone = _copied(photo, out, f"{number}_drone")
            rows.append([satellite, drone, place, place, 0])
            continue
        # A heading says nothing about a place: each photo that is kept apart asks four times.
        for turns in range(4):
            file = f"{number}_drone_{turns}.jpg"
            pixels = np.rot90(np.asarray(Image.open(photo).convert("RGB")), turns)
            Image.fromarray(np.ascontiguousarray(pixels)).save(out / file, quality=95)
            rows.append([satellite, file, place, place, 1])
    write_csv(out / PAIR_TABLE, PAIR_COLUMNS, rows)


def scenes(out: Path) -> None:
    """Satellite scenes of unknown scale."""
    rows: Rows = []
    for path in sorted((SHARED / "data" / "aid").glob("*/*.jpg")):
        with Image.open(path) as image:
            side = min(image.size)
            image.convert("RGB").save(out / path.name, quality=QUALITY)
        rows.append([path.name, "", round(0.5 * side), round(0.85 * side)])
    write_csv(out / GROUND_TABLE, GROUND_COLUMNS, rows)


def maps(out: Path) -> None:
    """Maps of known scale, two of them of one place and from two sensors."""
    data = SHARED / "data"
    with (data / "wildnav_maps" / "maps.csv").open(newline="", encoding="utf-8") as stream:
        finnish = {row["file"]: float(row["gsd_x_m"]) for row in csv.DictReader(stream)}
    plain = [(data / "wildnav_maps" / name, gsd_m) for name, gsd_m in finnish.items()]
    sides = [round(side / MAP_GSD_M) for side in MAP_SIDES_M]
    rows: Rows = [[_map(path, gsd_m, out), "", *sides] for path, gsd_m in plain]
    village = _map(data / "village" / "ortho.tif", 0.15, out, crop=0.12)
    rows.append([village, "", *sides])
    uav, ign = (_map(data / "brusque_pair" / f"{name}_ortho.tif", 0.2, out, crop=0.15)
                for name in ("uav", "ign"))  # fmt: skip
    rows += [[ign, uav, *sides], [uav, ign, *sides]]
    write_csv(out / GROUND_TABLE, GROUND_COLUMNS, rows)


def towns(out: Path, count: int, workers: int) -> None:
    """Pairs rendered from made-up towns: true parallax of buildings and trees."""
    with ProcessPoolExecutor(workers) as pool:
        rows = [row for town in pool.map(partial(town_pairs, out), range(count)) for row in town]
    write_csv(out / PAIR_TABLE, PAIR_COLUMNS, rows)


def town_pairs(out: Path, number: int) -> Rows:
    """Render the places of one town."""
    from skyfix.world.flights import look_at
    from skyfix.world.scenery import MARGIN_M, Scenery
    from skyfix.world.waypoints import any_pose

    cv2.setNumThreads(1)
    rng = np.random.default_rng((SEED, number))
    with ThreadPoolExecutor(1) as pool:
        scenery = Scenery.build(1000 + number, TOWN_M, TOWN_GSD_M, pool)
    tile_m = float(rng.uniform(90, 180))
    centres = np.arange(MARGIN_M + tile_m / 2, TOWN_M - MARGIN_M - tile_m / 2, TOWN_STRIDE * tile_m)
    points = rng.permutation(np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2))
    rows: Rows = []
    for place, (x_m, y_m) in enumerate(points[:TOWN_PLACES].tolist()):
        name = f"{number:03d}_{place:02d}"
        tile = scenery.tile(x_m, y_m, tile_m, TOWN_PX)
        tile.save(out / f"{name}.jpg", quality=QUALITY)
        for view in range(TOWN_VIEWS):
            near = rng.uniform(-0.12, 0.12, 2) * tile_m
            shot = look_at(scenery.town, x_m + near[0], y_m + near[1], any_pose(rng, tile_m))
            file = f"{name}_drone_{view}.jpg"
            scenery.photo(shot, (TOWN_PX, TOWN_PX), rng).save(out / file, quality=QUALITY)
            rows.append([f"{name}.jpg", file, name, f"{number:03d}", 0])
    return rows


def _map(path: Path, gsd_m: float, out: Path, crop: float = 0.0) -> str:
    """A map at the common scale without its rim; its file name."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    height, width = pixels.shape[:2]
    rim_y, rim_x = round(crop * height), round(crop * width)
    pixels = np.ascontiguousarray(pixels[rim_y : height - rim_y, rim_x : width - rim_x])
    scale = gsd_m / MAP_GSD_M
    shrunk = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    name = f"{path.parent.name}_{path.stem}.jpg"
    Image.fromarray(shrunk).save(out / name, quality=QUALITY)
    return name


def _copied(path: Path, out: Path, stem: str) -> str:
    name = f"{stem}{path.suffix}"
    (out / name).write_bytes(path.read_bytes())
    return name


def main() -> None:
    """Write what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--towns", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    makers: dict[str, Callable[[Path], None]] = {
        "university": university,
        "scenes": scenes,
        "maps": maps,
        "towns": partial(towns, count=arguments.towns, workers=arguments.workers),
    }
    for folder, make in makers.items():
        source = arguments.out / folder
        if not any((source / table).exists() for table in (PAIR_TABLE, GROUND_TABLE)):
            source.mkdir(parents=True, exist_ok=True)
            make(source)
            print(f"{folder} is ready", flush=True)
    write_csv(arguments.out / SOURCE_TABLE, SOURCE_COLUMNS, SOURCES)


if __name__ == "__main__":
    main()
