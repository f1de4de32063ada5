"""Search in a gallery of a million tiles, against faiss and the store's own scan.

    python benchmarks/search.py [--tiles 1000000] [--dims 256] [--write docs/speed.md]

The gallery is a real one on disk, of made-up descriptors: tiles 50 m apart on a square, ten kinds
of ground that descriptors spread around, queries that are tiles with noise. Compared in the same
run, with the same threads: faiss' exact index over float32 in memory (pip install faiss-cpu), and
Lance's exact scan of the gallery's own dataset. Right answers are worked out in float64.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import torch
from timing import machine, milliseconds, publish, table

from skyfix.gallery import Gallery
from skyfix.gallery.halves import half_precision
from skyfix.gallery.manifest import Contents, Counts, Manifest
from skyfix.gallery.scales import Scale
from skyfix.gallery.sources import Source
from skyfix.gallery.storage import storage_of
from skyfix.gallery.store import TILES_FOLDER, Progress, TileWriter
from skyfix.geo.ground import offset

STRIDE_M, NEAR_M, K, BATCH = 50.0, 5000.0, 10, 64
CENTRE = (15.0, 47.0)
KINDS, SPREAD, NOISE = 10, 0.8, 0.5
FRAGMENT = 65_536

PREFACE = """Made by `python benchmarks/search.py --tiles {tiles} --dims {dims}` ({machine}).
{tiles:,} tiles of {dims} numbers in half precision, {stride:g} m apart; the {k} best of each query.
*5 km*: within that distance of a position, some {around:,} tiles. *batch*: {batch} queries at once,
per query. Milliseconds; of single queries the median and, after a slash, the 95th percentile.
*memory*: what the process grew by, as a multiple of the matrix ({matrix:.0f} MB); faiss holds
float32. Lance scans the dataset and filters by longitude and latitude.
"""


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def made_up(tiles: int, dims: int) -> Iterator[np.ndarray]:
    """Descriptors (n, dims) float32, fragment by fragment."""
    rng = np.random.default_rng(0)
    kinds = unit(rng.standard_normal((KINDS, dims), dtype=np.float32))
    for start in range(0, tiles, FRAGMENT):
        number = min(FRAGMENT, tiles - start)
        own = unit(rng.standard_normal((number, dims), dtype=np.float32))
        yield unit(kinds[rng.integers(0, KINDS, number)] + SPREAD * own)


def positions(tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of a square of tiles, line by line."""
    side = int(np.ceil(np.sqrt(tiles)))
    row, column = np.divmod(np.arange(tiles), side)
    return offset(*CENTRE, (column - side / 2) * STRIDE_M, (side / 2 - row) * STRIDE_M)


def write_gallery(folder: Path, blocks: Iterable[np.ndarray], tiles: int, identity: str) -> None:
    """A gallery as ``skyfix gallery build`` leaves it, but for the system in it.

    Args:
        folder: where to.
        blocks: its descriptors (n, dims) float32, fragment by fragment.
        tiles: how many they are.
        identity: of the system that they pass for.
    """
    blocks = iter(blocks)
    begun = next(blocks)
    dims, blocks = begun.shape[1], chain([begun], blocks)
    storage = storage_of(folder)
    start = Progress.start("made-up", 1)
    writer, (lon, lat), first = TileWriter(storage, dims, start, None), positions(tiles), 0
    for descriptors in blocks:
        rows = np.arange(first, first + len(descriptors))
        constant = dict.fromkeys(("gsd_m", "width_px", "height_px"), 1.0)
        numbers = {**constant, "size_m": 200.0, "heading_deg": 0.0, "column_px": 0.0, "row_px": 0.0}
        columns = {name: pa.array(np.full(len(rows), value)) for name, value in numbers.items()}
        columns |= {"lon": pa.array(lon[rows]), "lat": pa.array(lat[rows])}
        columns["id"] = pa.array([f"{row:012d}" for row in rows.tolist()])
        columns["source"] = pa.array(np.zeros(len(rows), np.int32))
        columns["descriptor"] = half_precision(descriptors)
        columns["thumbnail"] = pa.array([b""] * len(rows), pa.binary())
        ordered = {name: columns[name] for name in writer._schema.names}
        writer.append(ordered, start.after(0, first + len(rows), 0, 0))
        first += len(rows)
    source = Source("made-up.tif", 0, "0" * 24, "EPSG:4326", 1, 1)
    scale = Scale(200.0, STRIDE_M)
    manifest = Manifest(identity, dims, (256, 256), (scale,), 0, (source,))
    contents = Contents(writer.version, (0,), (Counts(tiles, tiles, 0, 0),))
    replace(manifest, contents=contents).write(storage)


def asked(gallery: Gallery, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries (number, dims) near tiles, and the rows of these."""
    rng = np.random.default_rng(1)
    rows = np.sort(rng.choice(len(gallery), number, replace=False))
    noise = unit(rng.standard_normal((number, gallery.dimensions), dtype=np.float32))
    return unit(gallery.descriptors_of(rows) + NOISE * noise).astype(np.float32), rows


def truth(gallery: Gallery, queries: np.ndarray, block: int = 16_384) -> np.ndarray:
    """The K best rows (N, K) by float64 products."""
    best, rows = np.full((len(queries), K), -np.inf), np.full((len(queries), K), -1)
    for start in range(0, len(gallery), block):
        part = np.arange(start, min(start + block, len(gallery)))
        scores = queries.astype(np.float64) @ gallery.descriptors_of(part).astype(np.float64).T
        every = np.concatenate([best, scores], axis=1)
        names = np.concatenate([rows, np.broadcast_to(part, scores.shape)], axis=1)
        order = np.argsort(-every, axis=1, kind="stable")[:, :K]
        best, rows = (np.take_along_axis(one, order, axis=1) for one in (every, names))
    return rows


def timed(ask: Callable[[int], object], number: int) -> str:
    """Median and 95th percentile of the milliseconds of calls."""
    spent = milliseconds(ask, number)
    return f"{np.median(spent):.1f} / {np.percentile(spent, 95):.1f}"


def recall(found: np.ndarray, expected: np.ndarray) -> str:
    return f"{np.mean([np.isin(a, b).mean() for a, b in zip(expected, found, strict=True)]):.4f}"


def ours(gallery: Gallery, queries: np.ndarray, rows: np.ndarray, expected: np.ndarray) -> list:
    lon, lat = positions(len(gallery))
    near = [(float(lon[row]), float(lat[row]), NEAR_M) for row in rows]
    number = len(queries)
    batches = timed(lambda _: gallery.search(queries[:BATCH], K), 3)
    return [
        "skyfix",
        timed(lambda i: gallery.search(queries[i : i + 1], K, near[i]), number),
        timed(lambda i: gallery.search(queries[i : i + 1], K), 15),
        f"{float(batches.split(' / ')[0]) / BATCH:.2f}",
        recall(gallery.search(queries, K).rows, expected),
    ]


def faiss_flat(gallery: Gallery, queries: np.ndarray, expected: np.ndarray) -> list:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(gallery.dimensions)
    for start in range(0, len(gallery), FRAGMENT):
        index.add(gallery.descriptors_of(np.arange(start, min(start + FRAGMENT, len(gallery)))))
    batches = timed(lambda _: index.search(queries[:BATCH], K), 3)
    return [
        "faiss Flat",
        "-",
        timed(lambda i: index.search(queries[i : i + 1], K), 15),
        f"{float(batches.split(' / ')[0]) / BATCH:.2f}",
        recall(index.search(queries, K)[1], expected),
    ]


def lance_scan(folder: Path, queries: np.ndarray, rows: np.ndarray, expected: np.ndarray) -> list:
    dataset = lance.dataset(str(folder / TILES_FOLDER))
    lon, lat = positions(dataset.count_rows())
    tall = np.degrees(NEAR_M / 6_371_000)
    wide = tall / np.cos(np.radians(CENTRE[1]))

    def ask(index: int, box: str | None) -> np.ndarray:
        best = {"column": "descriptor", "q": queries[index].astype(np.float16), "k": K}
        found = dataset.to_table(
            columns=["_distance"],
            nearest={**best, "metric": "dot", "use_index": False},
            filter=box,
            prefilter=True,
            with_row_id=True,
        )["_rowid"].to_numpy()
        return (found >> 32) * FRAGMENT + (found & 0xFFFFFFFF)

    def box(row: int) -> str:
        return (
            f"lon > {lon[row] - wide} AND lon < {lon[row] + wide} "
            f"AND lat > {lat[row] - tall} AND lat < {lat[row] + tall}"
        )

    return [
        "Lance scan",
        timed(lambda i: ask(i, box(rows[i])), 10),
        timed(lambda i: ask(i, None), 5),
        "-",
        recall(np.stack([ask(i, None) for i in range(5)]), expected[:5]),
    ]


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        / 1024
    )


def cold(folder: Path) -> None:
    """In a process of its own: open, ask, and say the seconds and the memory it took."""
    import os

    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
    before = resident_mb()
    start = time.perf_counter()
    gallery = Gallery.open(folder)
    opened = time.perf_counter() - start
    query = np.eye(1, gallery.dimensions, dtype=np.float32)
    gallery.search(query, K, (*CENTRE, NEAR_M))
    answered = time.perf_counter() - start
    gallery.search(np.repeat(query, BATCH, axis=0), K)
    print(f"{opened:.3f} {answered:.3f} {resident_mb() - before:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--cold", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if arguments.cold:
        cold(arguments.cold)
        return
    if find_spec("faiss") is None:
        parser.error("faiss is not installed. Install it with: pip install faiss-cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "gallery"
        blocks = made_up(arguments.tiles, arguments.dims)
        write_gallery(folder, blocks, arguments.tiles, "made-up")
        start = time.perf_counter()
        gallery = Gallery.open(folder)
        gallery.search(np.eye(1, arguments.dims, dtype=np.float32), K)
        first_s = time.perf_counter() - start
        queries, rows = asked(gallery, arguments.queries)
        expected = truth(gallery, queries)
        lines = [ours(gallery, queries, rows, expected)]
        around = len(gallery.rows_near((*CENTRE, NEAR_M)))
        command = [sys.executable, __file__, "--cold", str(folder)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        opened, answered, grown_mb = (float(one) for one in told.split())
        lines += [
            faiss_flat(gallery, queries, expected),
            lance_scan(folder, queries, rows, expected),
        ]
    matrix_mb = 2 * arguments.tiles * arguments.dims / 2**20
    memory = {"skyfix": f"{grown_mb / matrix_mb:.2f}", "faiss Flat": "2.00", "Lance scan": "-"}
    for line in lines:
        line.append(memory[line[0]])
    preface = PREFACE.format(
        tiles=arguments.tiles,
        dims=arguments.dims,
        machine=machine(),
        stride=STRIDE_M,
        k=K,
        around=around,
        batch=BATCH,
        matrix=matrix_mb,
    )
    header = ["search", "5 km ms", "all ms", "batch ms", f"recall@{K}", "memory"]
    after = (
        f"With nothing of it in memory the gallery opens in {opened:.2f} s and gives its first "
        f"answer within 5 km after {answered:.2f} s. The very first search of a new gallery, which "
        f"writes the mapped file, took {first_s:.1f} s."
    )
    title = f"Search among {arguments.tiles:,} tiles"
    publish(title, f"{preface}\n{table(header, lines)}\n\n{after}", arguments.write)


if __name__ == "__main__":
    main()
