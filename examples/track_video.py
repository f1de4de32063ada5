"""The frames of a flight joined to a track: python examples/track_video.py [FOLDER]

Map and video are made up, in FOLDER. Give the SRT file of a real one's drone as `telemetry`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.inference import Embedder
from skyfix.localize import track
from skyfix.outputs import write_fixes
from skyfix.world.flights import look_at
from skyfix.world.geotiff import write_map
from skyfix.world.scenery import Scenery

POSE = Pose(heading_deg=90.0, pitch_deg=-60.0, altitude_m=90.0, hfov_deg=68.0)


def main(folder: Path) -> None:
    """Film a made-up town, and find the film's frames on its map."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        town = Scenery.build(seed=0, size_m=500.0, gsd_m=0.5, pool=pool)
    write_map(folder / "map.tif", town.town, town.satellite, 0.5)
    with av.open(str(folder / "flight.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=1, width=480, height=360)
        for second in range(8):
            shot = look_at(town.town, 180.0 + 12 * second, 250.0, POSE)
            photo = town.photo(shot, (480, 360), np.random.default_rng(second))
            container.mux(stream.encode(av.VideoFrame.from_image(photo)))
        container.mux(stream.encode())
    embedder = Embedder("skyfix_s")
    gallery = Gallery.build(folder / "map.tif", folder / "gallery", embedder, 100.0, 50.0)
    running = track(folder / "flight.mp4", gallery, pose=POSE, smooth=True, embedder=embedder)
    for step in running:
        fix = step.filtered
        print(f"{fix.photo}: {(fix.lon, fix.lat) if fix.located else fix.reason}")
    write_fixes([step.best for step in running.smoothed()], folder / "track.html", gallery)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example"))
