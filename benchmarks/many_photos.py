"""Memory and pace of `skyfix locate` over a folder of 1,000 photos, one of them damaged.

    python benchmarks/many_photos.py [--photos 1000] [--no-register] [--write docs/speed.md]

Makes a map and photos of it (1600 x 1200 px crops, JPEG), builds a gallery, runs the command as a
process of its own and follows its resident memory (Linux) against the photos that it counts.
"""

import argparse
import csv
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from timing import machine, publish, table

from skyfix.geo.ground import distance_m
from skyfix.world.sample import MAP_GSD_M, SampleSize, write_sample

MARKS = (0.1, 0.25, 0.5, 1.0)
"""Parts of the folder after which memory is told."""
SIDE_PX, PHOTO_PX = (200, 150), (1600, 1200)
HFOV_DEG = 70.0
DAMAGED = 0.42
"""Where in the folder the damaged photo stands."""
REACH_M = 30.0
SIZE = SampleSize(training_places=1, test_places=1, views=1, photos=1, map_m=500.0, gsd_m=0.5)
PREFACE = """Made by `python benchmarks/many_photos.py` ({machine}).

`skyfix locate` as a process over a folder of {photos} photos of 1600 x 1200 px, cut from a map of
500 m and told with their poses, {registered} registration; system `skyfix_s`, tiles of 80 m
at 40 m. One of the photos is cut short. Memory is resident, the peak since the mark before.
"""


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--no-register", action="store_true")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        truth = make_photos(work, arguments.photos)
        subprocess.run(
            [sys.executable, "-m", "skyfix", "gallery", "build", str(work / "sample" / "map.tif"),
             "--out", str(work / "gallery"), "--tile-m", "80",
             "--stride-m", "40"], check=True)  # fmt: skip
        more = ["--no-register"] if arguments.no_register else []
        code, samples, seconds = watched(work, arguments.photos, more)
        fixes = json.loads((work / "fixes.json").read_text())
    rows = [
        [f"{count}", f"{peak_mib(samples, before, count):.0f}"]
        for before, count in pairwise([0, *marks(arguments.photos)])
    ]
    registered = "without" if arguments.no_register else "with"
    preface = PREFACE.format(machine=machine(), photos=arguments.photos, registered=registered)
    text = f"{preface}\n{table(['photos', 'memory MiB'], rows, 0)}\n\n"
    text += f"{arguments.photos / seconds:.1f} photos a second, start included. "
    publish("A folder of many photos", text + outcome(code, fixes, truth), arguments.write)


def make_photos(work: Path, count: int) -> dict[str, tuple[float, float]]:
    """Crops of the sample's map with their poses; where the ground at their centres lies."""
    import rasterio
    from pyproj import Transformer

    write_sample(work / "sample", size=SIZE)
    with rasterio.open(work / "sample" / "map.tif") as raster:
        pixels, transform = np.moveaxis(raster.read(), 0, 2), raster.transform
        degrees = Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True)
    width, height = SIDE_PX
    altitude_m = width * MAP_GSD_M / 2 / np.tan(np.radians(HFOV_DEG / 2))
    rng, truth, poses = np.random.default_rng(0), {}, []
    (work / "photos").mkdir()
    for number in range(count):
        left = int(rng.integers(0, pixels.shape[1] - width))
        top = int(rng.integers(0, pixels.shape[0] - height))
        crop = cv2.resize(pixels[top : top + height, left : left + width, :3], PHOTO_PX)
        noisy = cv2.add(crop, rng.integers(0, 16, (*crop.shape[:2], 3), dtype=np.uint8))
        name = f"photo_{number:04d}.jpg"
        cv2.imwrite(str(work / "photos" / name), noisy[..., ::-1])
        truth[name] = degrees.transform(*(transform @ (left + width / 2, top + height / 2)))
        poses.append([name, 0, -90, f"{altitude_m:.2f}", HFOV_DEG])
    damaged = work / "photos" / f"photo_{int(DAMAGED * count):04d}.jpg"
    damaged.write_bytes(damaged.read_bytes()[:20_000])
    with (work / "poses.csv").open("w", newline="") as stream:
        header = ["file", "heading_deg", "pitch_deg", "altitude_m", "hfov_deg"]
        csv.writer(stream).writerows([header, *poses])
    return truth


def watched(work: Path, photos: int, more: list[str]) -> tuple[int, list[tuple[int, float]], float]:
    """Exit code, (photos done, resident MiB) over time, and seconds of a run of the command."""
    command = [sys.executable, "-m", "skyfix", "locate", str(work / "photos"), "--gallery",
               str(work / "gallery"), "--poses", str(work / "poses.csv"), "--json",
               str(work / "fixes.json"), *more]  # fmt: skip
    # On a terminal the command counts its photos.
    ours, theirs = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    done = [0]
    reader = threading.Thread(target=_follow, args=(ours, photos, done), daemon=True)
    reader.start()
    samples: list[tuple[int, float]] = []
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"VmRSS:\s*(\d+) kB", status):
            if not samples or done[0] != samples[-1][0]:
                print(f"{done[0]} photos, {int(found[1]) / 1024:.0f} MiB", file=sys.stderr)
            samples.append((done[0], int(found[1]) / 1024))
        time.sleep(0.1)
    return process.returncode, samples, time.perf_counter() - started


def _follow(terminal: int, photos: int, done: list[int]) -> None:
    """Keep the latest count that the progress bar shows."""
    shown = ""
    while True:
        try:
            shown = (shown + os.read(terminal, 4096).decode(errors="replace"))[-4096:]
        except OSError:
            return
        if counts := re.findall(rf"(\d+)/{photos}\b", shown):
            done[0] = int(counts[-1])


def marks(photos: int) -> list[int]:
    return [round(part * photos) for part in MARKS]


def peak_mib(samples: list[tuple[int, float]], after: int, until: int) -> float:
    """The most memory while so many photos were done."""
    return max((mib for done, mib in samples if after < done <= until), default=float("nan"))


def outcome(code: int, fixes: list[dict], truth: dict[str, tuple[float, float]]) -> str:
    located = [fix for fix in fixes if fix["located"]]
    right = sum(
        distance_m(fix["lon"], fix["lat"], *truth[Path(fix["photo"]).name]) <= REACH_M
        for fix in located
    )
    unread = [fix for fix in fixes if "truncated" in fix["reason"]]
    return (
        f"Exit code {code}; {len(located)} of {len(fixes)} photos located, {right} of them within "
        f"{REACH_M:g} m of the truth; {len(unread)} reported as damaged."
    )


if __name__ == "__main__":
    main()
