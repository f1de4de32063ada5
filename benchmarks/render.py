"""Rendered views a second, on two threads.

    python benchmarks/render.py [--views 24] [--write docs/speed.md]

Views of 512 px of University-1652's orbit (30 degrees wide), of a drone's wide lens at 45 degrees
and straight down, over a made-up town of 1 km with 0.4-m pixels and over the same town as an
orthophoto with heights.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from timing import machine, publish, table

from skyfix.geo.camera import Pose
from skyfix.world.geotiff import write_surface
from skyfix.world.scene import Scene
from skyfix.world.waypoints import Place, Waypoint, look_at, spiral

PREFACE = """Made by `python benchmarks/render.py --views {views}` ({machine}). Views of 512 px over
1 km of ground with 0.4-m pixels, camera noise included. *views/s* is wall-clock time on two
threads, *CPU s* what one view costs on one core: on a shared machine the first varies.
"""
SIDE_PX, THREADS = 512, 2


def flights(place: Place, views: int) -> dict[str, list[Waypoint]]:
    """Views of each kind around a place."""
    orbit = spiral(place, 30.0)
    turns = np.arange(views) * 360.0 / views
    return {
        "orbit of University-1652": [orbit[n * len(orbit) // views] for n in range(views)],
        "oblique, 120 m, 68 deg": [look_at(place, Pose(t, -45, 120, 68)) for t in turns],
        "straight down, 100 m, 68 deg": [look_at(place, Pose(t, -90, 100, 68)) for t in turns],
    }


def measure(scene: Scene, flight: list[Waypoint]) -> tuple[float, float]:
    """Views a second of wall clock, and CPU seconds a view."""

    def take(at: Waypoint) -> None:
        scene.photo(at, (SIDE_PX, SIDE_PX), np.random.default_rng(0))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(take, flight[:THREADS]))
        wall, cpu = time.perf_counter(), time.process_time()
        list(pool.map(take, flight))
    seconds = time.perf_counter() - wall
    return len(flight) / seconds, (time.process_time() - cpu) / len(flight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    town = Scene.of_town(3)
    with tempfile.TemporaryDirectory() as folder:
        write_surface(Path(folder), town.surface)
        ortho = Scene.of_ortho(Path(folder) / "map.tif", Path(folder) / "dsm.tif")
    lon, lat = town.surface.geo.lonlat(1250, 1250)
    place = town.place(float(lon), float(lat))
    rows = []
    for name, scene in (("town", town), ("orthophoto", ortho)):
        for kind, flight in flights(place, arguments.views).items():
            rate, cpu_s = measure(scene, flight)
            rows.append((name, kind, f"{rate:.1f}", f"{cpu_s:.2f}"))
    text = PREFACE.format(views=arguments.views, machine=machine())
    text += "\n" + table(("ground", "views", "views/s", "CPU s"), rows, words=2)
    publish("Rendering", text, arguments.write)


if __name__ == "__main__":
    main()
