"""Fixes a second that `skyfix serve` answers, against the bare model's own limit.

    python benchmarks/service.py [--seconds 10] [--register] [--write docs/speed.md]

Makes a map, a gallery and photos, starts the service as a process of its own, and lets 1, 8 and 32
clients ask as fast as they are answered. Before and after each of them a process without HTTP
locates the same photos, one after the other, or in batches, whichever is faster: that is the limit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from timing import machine, publish, table

sys.path.append(str(Path(__file__).parents[1] / "tests" / "serve"))
from service_process import Running, serving

from skyfix.gallery import Gallery
from skyfix.inference import Embedder
from skyfix.world.flight import FlightSize, write_flight
from skyfix.world.scene import Scene

CLIENTS = (1, 8, 32)
PHOTOS = 16
PREFACE = """Made by `python benchmarks/service.py` ({machine}).

Photos of {size} px with their pose in EXIF and XMP, system `skyfix_s`, tiles of 100 m at 50 m,
{registered} registration. *limit* is what the same photos take in a process without HTTP, prepared
in as many threads as the service has and located in batches, measured before and after each row.
*CPU ms* is the processor's time a fix takes in the service, *bare* without HTTP; other programs on
the machine disturb them less.
"""
_BARE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
import json, os
from skyfix.gallery import Gallery
from skyfix.localize import Locator, known_of
from skyfix.localize.prepare import prepare
gallery, photos, register = Gallery.open(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
locator = Locator(gallery, register=register)
files = sorted(photos.glob("*.jpg"))
pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1))
def one(file):
    return prepare(file, known_of(file).pose, locator.scales)
def batches(size):
    waiting = [pool.submit(one, files[n % len(files)]) for n in range(2 * size)]
    wait(waiting)
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < float(sys.argv[4]):
        group = [future.result() for future in waiting[:size]]
        waiting = waiting[size:]
        waiting += [pool.submit(one, files[(count + n) % len(files)]) for n in range(size)]
        locator.fixes(group)
        count += size
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count
locator.fixes([one(files[0])])
for line in sys.stdin:
    print(*batches(int(line)), flush=True)
"""


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--register", action="store_true")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    size = FlightSize(photos=PHOTOS, seconds=0, photo_px=(640, 480), has_heights=False)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        flight = write_flight(Scene.of_town(12, 500.0), work / "flight", size)
        gallery = work / "gallery"
        Gallery.build(flight / "map.tif", gallery, Embedder("skyfix_s"), 100.0, 50.0)
        rows = measured(work, gallery, flight / "photos", arguments)
    registered = "with" if arguments.register else "without"
    preface = PREFACE.format(machine=machine(), size="640 x 480", registered=registered)
    head = ["clients", "fixes/s", "limit/s", "ratio", "p50 ms", "p99 ms", "CPU ms", "bare"]
    title = f"The service, {registered} registration"
    publish(title, f"{preface}\n{table(head, rows, 0)}", arguments.write)


def measured(
    work: Path, gallery: Path, photos: Path, arguments: argparse.Namespace
) -> list[list[str]]:
    """Rows of the table."""
    command = [sys.executable, "-c", _BARE, str(gallery), str(photos), str(arguments.register),
               str(arguments.seconds / 2)]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    rows = []
    with (
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as bare,
        serving([gallery], work, limits={}) as service,
    ):
        contents = [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]
        asked(service, contents, arguments.register, 1, 1.0)
        for clients in CLIENTS:
            before, _ = limit(bare, clients)
            spent_before = cpu_s(service)
            seconds, spent = asked(
                service, contents, arguments.register, clients, arguments.seconds
            )
            each_ms = 1e3 * (cpu_s(service) - spent_before) / len(seconds)
            after, bare_s = limit(bare, clients)
            best, rate = (before + after) / 2, len(seconds) / spent
            p50, p99 = 1e3 * np.percentile(seconds, (50, 99))
            figures = [rate, best, rate / best, p50, p99, each_ms, 1e3 * bare_s]
            digits = (1, 1, 2, 0, 0, 0, 0)
            told = [f"{one:.{count}f}" for one, count in zip(figures, digits, strict=True)]
            rows.append([str(clients), *told])
            print(json.dumps(rows[-1]), file=sys.stderr)
        if bare.stdin is not None:
            bare.stdin.close()
    return rows


def cpu_s(service: Running) -> float:
    """Processor time of the service so far."""
    spent = psutil.Process(service.process.pid).cpu_times()
    return spent.user + spent.system


def limit(bare: subprocess.Popen, clients: int) -> tuple[float, float]:
    """Fixes a second without HTTP, ``clients`` photos a batch, and processor seconds of each."""
    if bare.stdin is None or bare.stdout is None:
        raise RuntimeError("The bare model has no pipes.")
    bare.stdin.write(f"{clients}\n")
    bare.stdin.flush()
    rate, spent_s = bare.stdout.readline().split()
    return float(rate), float(spent_s)


def asked(
    service: Running, contents: list[bytes], register: bool, clients: int, seconds: float
) -> tuple[list[float], float]:
    """Seconds that each answer took, and those until the last one came."""
    taken: list[float] = []
    started = time.perf_counter()

    def ask(first: int) -> None:
        with service.client() as client:
            number = first
            while time.perf_counter() - started < seconds:
                asked_at = time.perf_counter()
                files = {"photo": contents[number % len(contents)]}
                client.post(
                    "/v1/fixes", files=files, data={"register": str(register)}
                ).raise_for_status()
                taken.append(time.perf_counter() - asked_at)
                number += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, time.perf_counter() - started


if __name__ == "__main__":
    main()
