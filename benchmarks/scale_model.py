"""What tiles cost, from a thousand to a million, and what follows for a city, a country, all land.

    python benchmarks/scale_model.py [--write docs/scale.md]

Three tables:

- *points*: galleries of made-up 256-number descriptors of 10^3 to 10^6 tiles, measured. A line in
  the number of tiles is laid through the points below the last, which it then has to foretell.
- *life*: a gallery of a million tiles built by two workers of a Ray cluster on this machine, grown,
  searched, shrunk, compacted. Tiles are cut from a made-up map; a fixed random projection of their
  pixels stands in for a network, so that everything else is what is measured.
- *areas*: what the lines and the measured speed of skyfix_s give for real areas.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from search import CENTRE, asked, made_up, write_gallery
from timing import machine, milliseconds, publish, table

from skyfix.gallery import Gallery
from skyfix.gallery.cluster import Crew
from skyfix.gallery.windows import Cutting, Embedded, Window, WindowCutter
from skyfix.inference import Embedder

DIMS, K, BATCH, NEAR_M, ROUNDS = 256, 10, 64, 5000.0, 7
POINTS = (1_000, 10_000, 100_000, 1_000_000)
TILE_PX, STRIDE_PX, GSD_M = 16, 8, 1.0
AREAS = (("city, 20 x 20 km", 400.0), ("Germany", 357_600.0), ("all land", 148_900_000.0))
"""Names and km2."""
STRIDE_M = 100.0


@dataclass(frozen=True)
class Point:
    """What a gallery of some size costs."""

    tiles: int
    around: int
    bytes: int
    one_ms: float
    batch_ms: float
    near_ms: float


Cost = Callable[[Point], float]


class Generated:
    """In place of a network: a fixed random projection of a tile's pixels, at unit length."""

    dimensions, input_px, identity = DIMS, (TILE_PX, TILE_PX), "9e4e7a7ed" * 2

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._matrix = rng.standard_normal((TILE_PX * TILE_PX * 3, DIMS), dtype=np.float32)

    def embed(self, images: Sequence[np.ndarray], view: str) -> np.ndarray:
        pixels = np.stack(images).reshape(len(images), -1).astype(np.float32)
        rows = (pixels - pixels.mean(axis=1, keepdims=True)) @ self._matrix
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def save(self, folder: Path | str) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "system.json").write_text('{"system": "generated"}')


class GeneratedByTwo(Generated):
    """The same by two workers of a cluster, as ``ClusterEmbedder`` does it with a network."""

    def embed_windows(self, cutting: Cutting, windows: Iterator[Window]) -> Iterator[Embedded]:
        import ray

        work = ray.put(cutting)
        worker = ray.remote(num_cpus=1)(_Worker)
        yield from Crew[Window, Embedded](lambda: worker.remote(work), 2).results(windows)


class _Worker:
    def __init__(self, cutting: Cutting) -> None:
        self._cutter, self._embedder = WindowCutter(cutting), Generated()

    def ready(self) -> None:
        pass

    def do(self, window: Window) -> Embedded:
        return Embedded.of(window, self._cutter.cut(window), self._embedder)


def median_ms(ask: Callable[[int], object], number: int) -> float:
    """Median milliseconds of calls."""
    return float(np.median(milliseconds(ask, number)))


def searched(gallery: Gallery) -> tuple[float, float, float]:
    """Milliseconds of a query among all tiles, of one in a batch, and of one within 5 km."""
    queries, rows = asked(gallery, BATCH)
    tiles = gallery.tiles
    near = [(float(tiles.lon[row]), float(tiles.lat[row]), NEAR_M) for row in rows]
    return (
        median_ms(lambda i: gallery.search(queries[i : i + 1], K), 11),
        median_ms(lambda _: gallery.search(queries, K), 3) / BATCH,
        median_ms(lambda i: gallery.search(queries[i : i + 1], K, near[i]), 31),
    )


def measured(folder: Path, sizes: Sequence[int]) -> list[Point]:
    """Galleries of so many tiles, written, then searched in turn: a slow minute hits them all."""
    galleries, stored = [], []
    for tiles in sizes:
        path = folder / f"{tiles}"
        write_gallery(path, made_up(tiles, DIMS), tiles, "made-up")
        galleries.append(Gallery.open(path))
        stored.append(sum(one.stat().st_size for one in path.rglob("*") if one.is_file()))
    rounds = [[searched(gallery) for gallery in galleries] for _ in range(ROUNDS)]
    costs = np.median(rounds, axis=0).tolist()
    middle = [len(gallery.rows_near((*CENTRE, NEAR_M))) for gallery in galleries]
    return [Point(*row, *cost) for *row, cost in zip(sizes, middle, stored, costs, strict=True)]


def line(
    points: Sequence[Point], cost: Cost, size: Cost = lambda point: point.tiles
) -> tuple[float, float]:
    """Start and slope of a line through the points; each counts by its relative error."""
    x, y = (np.array([one(point) for point in points], float) for one in (size, cost))
    weighted = np.stack([1 / y, x / y], axis=1)
    start, slope = np.linalg.lstsq(weighted, np.ones(len(y)), rcond=None)[0]
    return float(start), float(slope)


def points_table(points: Sequence[Point]) -> str:
    """Measured points, and the last one as the others foretell it."""
    rows = [
        [f"{one.tiles:,}", f"{one.bytes / 1e6:.1f}", f"{one.one_ms:.2f}", f"{one.batch_ms:.2f}",
         f"{one.near_ms:.2f}", f"{one.around:,}"]
        for one in points
    ]  # fmt: skip
    *known, last = points
    foretold = ["foretold", *_foretold(known, last)]
    rows.append([*foretold, ""])
    header = ["tiles", "disk MB", "query ms", "in a batch ms", "within 5 km ms", "tiles there"]
    return table(header, rows)


def _foretold(known: Sequence[Point], last: Point) -> list[str]:
    costs: tuple[Cost, ...] = (lambda p: p.bytes / 1e6, lambda p: p.one_ms, lambda p: p.batch_ms)
    lines = [line(known, cost) for cost in costs]
    around = line(known, lambda p: p.near_ms, lambda p: p.around)
    values = [start + slope * last.tiles for start, slope in lines]
    values.append(around[0] + around[1] * last.around)
    return [f"{values[0]:.1f}", *(f"{value:.2f}" for value in values[1:])]


def write_maps(folder: Path, tiles: int) -> tuple[Path, Path]:
    """Two maps of noise, side by side, with nine tenths of the tiles and one tenth."""
    side = round(tiles**0.5)
    rows = [side - side // 10, side // 10]
    paths, top = [], 0.0
    for name, count in zip("ab", rows, strict=True):
        height, width = (STRIDE_PX * (one - 1) + TILE_PX for one in (count, side))
        place = from_origin(500_000.0, 5_000_000.0 - top, GSD_M, GSD_M)
        top += height * GSD_M
        paths.append(folder / f"{name}.tif")
        options = {"driver": "GTiff", "dtype": "uint8", "crs": "EPSG:32633", "tiled": True}
        size = {"width": width, "height": height, "count": 3, "transform": place}
        rng = np.random.default_rng(ord(name))
        with rasterio.open(paths[-1], "w", **options, **size) as raster:
            raster.write(rng.integers(0, 256, (3, height, width), dtype=np.uint8))
    return paths[0], paths[1]


def life(folder: Path, tiles: int) -> list[list[str]]:
    """Seconds, tiles, disk and the process's largest memory so far, step by step."""
    first, second = write_maps(folder, tiles)
    place, rows = folder / "gallery", []

    def step(name: str, do: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = do()
        seconds = time.perf_counter() - start
        stored = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        count = len(Gallery.open(place))
        rows.append([name, f"{count:,}", f"{seconds:.1f}", f"{stored / 1e6:.0f}", f"{peak_mb:.0f}"])
        return result

    embedder, sizes = GeneratedByTwo(), (TILE_PX * GSD_M, STRIDE_PX * GSD_M)
    build = step("build", lambda: Gallery.build(first, place, embedder, *sizes, thumbnail_px=0))
    grown = step("add", lambda: build.add(second, embedder))
    step("first search", lambda: grown.search(np.eye(1, DIMS, dtype=np.float32), K))
    one_ms, batch_ms, _ = step("searches", lambda: searched(grown))
    rows[-1][0] += f" ({one_ms:.0f} ms a query, {batch_ms:.1f} in a batch)"
    small = step("remove", lambda: grown.remove([second]))
    step("compact", small.compact)
    return rows


def embedding_rate() -> float:
    """Tiles a second of skyfix_s on this machine, of images that are in memory."""
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (64, 256, 256, 3), dtype=np.uint8))
    embedder = Embedder("skyfix_s", device="cpu")
    return 1000 * len(images) / median_ms(lambda _: embedder.embed(images, "satellite"), 5)


def areas_table(points: Sequence[Point], rate: float) -> str:
    """Tiles, disk, core hours and query cost of real areas."""
    threads = torch.get_num_threads()
    stored, one, batch = (
        line(points, cost) for cost in (lambda p: p.bytes, lambda p: p.one_ms, lambda p: p.batch_ms)
    )
    near = line(points, lambda p: p.near_ms, lambda p: p.around)
    there = np.pi * (NEAR_M / STRIDE_M) ** 2
    rows = []
    for name, km2 in AREAS:
        tiles = km2 * 1e6 / STRIDE_M**2
        disk_gb = (stored[0] + stored[1] * tiles) / 1e9
        hours = tiles / rate * threads / 3600
        memory_gb = tiles * (2 * DIMS + 48) / 1e9
        all_s, batch_s = ((start + slope * tiles) / 1000 for start, slope in (one, batch))
        rows.append([name, f"{tiles:,.0f}", f"{disk_gb:,.2f}", f"{hours:,.1f}", f"{memory_gb:,.2f}",
                     f"{all_s:,.3f}", f"{batch_s:,.4f}",
                     f"{near[0] + near[1] * min(there, tiles):.1f}"])  # fmt: skip
    header = ["area", "tiles", "disk GB", "core hours", "memory GB", "query s", "in a batch s",
              "within 5 km ms"]  # fmt: skip
    return table(header, rows)


PREFACE = """Made by `python benchmarks/scale_model.py` ({machine}). Tiles of {dims} numbers in half
precision without thumbnails, the {k} best of each query, batches of {batch}, medians of {rounds}
rounds over all galleries. A line in the number of tiles is laid through all points but the last;
*foretold* is what it says of that one.

{points}

The life of a gallery of {tiles:,} tiles on the same machine: built by two workers of a Ray cluster,
with descriptors that are a random projection of the pixels. Memory is the writing process's
largest so far.

{life}

What follows at a stride of {stride:g} m, with descriptors of {dims} numbers (`--dims {dims}`) by
skyfix_s at {rate:.1f} tiles a second on {threads} threads: core hours to embed, memory of all
shards together, seconds of a query by one machine that has so much memory.

{areas}
"""


def main() -> None:
    import ray

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=POINTS[-1], help="of the largest gallery")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    sizes = [size for size in POINTS if size < arguments.tiles] + [arguments.tiles]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        points = measured(folder, sizes)
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        steps = life(folder, arguments.tiles)
        ray.shutdown()
        rate = embedding_rate()
    text = PREFACE.format(
        machine=machine(), dims=DIMS, k=K, batch=BATCH, rounds=ROUNDS, points=points_table(points),
        tiles=arguments.tiles, stride=STRIDE_M, rate=rate, threads=torch.get_num_threads(),
        life=table(["step", "tiles", "s", "disk MB", "memory MB"], steps),
        areas=areas_table(points, rate),
    )  # fmt: skip
    publish("Measured sizes", text, arguments.write)


if __name__ == "__main__":
    main()
