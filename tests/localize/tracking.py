"""Run as a program: track a video into a file, to be killed meanwhile.

Arguments: video, gallery, telemetry, file, N: dies by SIGKILL in the N-th call of the embedder,
half a line torn off; 0 lives.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from thumbnails import Thumbnails

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.localize.track import track
from skyfix.localize.track_file import open_track

POSE = Pose(pitch_deg=-90.0, altitude_m=75.0, hfov_deg=75.0)
SETTINGS = {"filter": "kalman"}


class Fatal(Thumbnails):
    """Dies in one of its calls."""

    def __init__(self, file: Path, calls: int) -> None:
        super().__init__()
        self._file, self._calls_left = file, calls

    def embed(
        self, images: Sequence[np.ndarray], view: str, altitude_m: np.ndarray | None = None
    ) -> np.ndarray:
        self._calls_left -= 1
        if self._calls_left == 0:
            with self._file.open("a") as stream:
                stream.write('{"index": 99, "measured": {"pho')
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(images, view, altitude_m)


def main() -> None:
    video, folder, telemetry, file, calls = sys.argv[1:]
    gallery, embedder = Gallery.open(folder), Fatal(Path(file), int(calls))
    with open_track(file, SETTINGS, resume=True) as writer:
        running = track(video, gallery, telemetry, pose=POSE, embedder=embedder, done=writer.done)
        for step in running:
            writer.add(step)


if __name__ == "__main__":
    main()
