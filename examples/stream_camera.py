"""Fixes of a camera's newest frames: python examples/stream_camera.py GALLERY [ADDRESS]

ADDRESS is what FFmpeg opens: rtsp://drone/stream, udp://0.0.0.0:5600, a file. Without one, the
first camera of the machine.
"""

import sys
from collections.abc import Iterator

import av

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.localize import track
from skyfix.localize.frames import Frame
from skyfix.localize.prepare import Picture
from skyfix.localize.realtime import Latest

POSE = Pose(pitch_deg=-60.0, altitude_m=90.0, hfov_deg=68.0)


class Camera:
    """Frames as they come in; a ``FrameSource``."""

    def __init__(self, address: str, kind: str | None = None) -> None:
        self.name, self.dropped, self.notes = address, 0, list[str]()
        self._address, self._kind = address, kind

    def __iter__(self) -> Iterator[Frame]:
        with av.open(self._address, format=self._kind) as stream:
            first_s = 0.0
            timed = (shot for shot in stream.decode(video=0) if shot.time is not None)
            for index, shot in enumerate(timed):
                first_s = first_s if index else shot.time
                picture = Picture(f"{self.name}#{index}", shot.to_ndarray(format="rgb24"))
                yield Frame(picture, index, shot.time - first_s)


def main(folder: str, *address: str) -> None:
    """Print a fix for each frame that there was time for, helped by those before."""
    camera = Camera(*address) if address else Camera("/dev/video0", "v4l2")
    # Whoever is slow sees fewer frames, never older ones.
    running = track(Latest(camera), Gallery.open(folder), pose=POSE)
    for step in running:
        fix = step.filtered
        print(f"{fix.photo}: {(fix.lon, fix.lat, fix.accuracy_m) if fix.located else fix.reason}")
    print(*running.notes, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
