"""Frames of a video with their true times (PyAV, which brings FFmpeg's libraries)."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.localize.container import open_container
from skyfix.localize.frames import Frame, Selection
from skyfix.localize.prepare import Picture

if TYPE_CHECKING:
    import av

_MICROSECONDS = 1_000_000
"""FFmpeg's unit for the length of a container."""

_CLOCK_RESTART_S = 1.0
"""Timestamps that go back by more belong to a new count, as in joined recordings."""


class VideoFrames:
    """The wanted frames of a video file; a ``FrameSource``.

    Times are presentation timestamps since the first frame, whatever the frame rate does. Frames
    without a timestamp are counted by the rate; those whose timestamp does not advance are left
    out. Frames are turned upright as the file says. A file that ends early, or is damaged inside,
    gives what can be decoded. ``notes`` says which of this happened.

    Raises:
        SkyfixError: not a video, no video stream; while iterating, no frames or no times.
    """

    def __init__(self, path: Path, selection: Selection, fps: float | None = None) -> None:
        self.path, self.name = path, path.name
        self.dropped = 0
        self.notes: list[str] = []
        self._selection, self._fps = selection, fps
        with self._opened():
            pass

    def __iter__(self) -> Iterator[Frame]:
        with self._opened() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            clock = _Clock(self._fps or _rate(stream), str(self.path))
            index, damaged, started = -1, 0, time.perf_counter()
            for decoded in self._decoded(container):
                if decoded is None:
                    damaged += 1
                    continue
                index += 1
                time_s = clock.time_of(decoded)
                if time_s is None or not self._selection.takes(index, time_s):
                    continue
                picture = Picture(f"{self.name}#{index}", _upright(decoded))
                spent_ms = 1e3 * (time.perf_counter() - started)
                yield Frame(picture, index, time_s, spent_ms)
                started = time.perf_counter()
            if index < 0:
                raise SkyfixError(
                    f"{self.path} holds no frame that can be decoded. Record it anew."
                )
            self._tell(clock, damaged, _declared_s(container))

    def _opened(self) -> "av.container.InputContainer":
        import av

        path = self.path
        if path.stat().st_size == 0:
            raise SkyfixError(f"Empty video file (0 bytes): {path}.")
        try:
            container = open_container(path)
        except av.FFmpegError as error:
            raise SkyfixError(
                f"Not a video, or a truncated one without its index: {path} ({error.strerror}). "
                "Give a file that a video player opens."
            ) from error
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            container.close()
            raise SkyfixError(f"{path} has no video stream, only {kinds}. Give the video file.")
        return container

    def _decoded(
        self, container: "av.container.InputContainer"
    ) -> "Iterator[av.VideoFrame | None]":
        """Frames in order of presentation; None for a damaged packet."""
        import av

        packets = container.demux(container.streams.video[0])
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except av.FFmpegError:
                yield None
                # What the demuxer cannot read does not get better.
                if packet is None or packet.pts is None:
                    return

    def _tell(self, clock: "_Clock", damaged: int, declared_s: float | None) -> None:
        if damaged:
            self.notes.append(f"{self.path}: {damaged} damaged packets were passed over.")
        if clock.counted:
            self.notes.append(
                f"{self.path}: {clock.counted} frames have no timestamp; their times are counted "
                f"at {clock.fps:g} frames a second."
            )
        if clock.repeated:
            self.notes.append(
                f"{self.path}: {clock.repeated} frames were left out as their timestamps do not "
                "advance."
            )
        if clock.restarts:
            self.notes.append(f"{self.path}: timestamps start anew {clock.restarts} times.")
        if declared_s is not None and clock.latest_s < declared_s - max(1.0, 0.02 * declared_s):
            self.notes.append(
                f"{self.path} is truncated: it ends after {clock.latest_s:.1f} of "
                f"{declared_s:.1f} s. What there is was used."
            )


class _Clock:
    """Seconds since the first frame, always advancing."""

    def __init__(self, fps: float | None, name: str) -> None:
        self.fps, self._name = fps, name
        self.counted = self.repeated = self.restarts = 0
        self.latest_s = -1.0
        self._origin_s: float | None = None

    def time_of(self, frame: "av.VideoFrame") -> float | None:
        """The frame's time; None if it does not advance."""
        stamp_s = frame.time
        if stamp_s is None:
            if self.fps is None:
                raise SkyfixError(
                    f"{self._name} has neither timestamps nor a frame rate. Give its rate with fps."
                )
            self.counted += 1
            self.latest_s = 0.0 if self.latest_s < 0 else self.latest_s + 1 / self.fps
            return self.latest_s
        if self._origin_s is None:
            self._origin_s = stamp_s - max(0.0, self.latest_s)
        time_s = stamp_s - self._origin_s
        if time_s < self.latest_s - _CLOCK_RESTART_S:
            self.restarts += 1
            time_s = self.latest_s + 1 / (self.fps or 30.0)
            self._origin_s = stamp_s - time_s
        elif time_s <= self.latest_s:
            self.repeated += 1
            return None
        self.latest_s = time_s
        return time_s


def _rate(stream: "av.VideoStream") -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def _declared_s(container: "av.container.InputContainer") -> float | None:
    """Length that the file claims, seconds."""
    stream = container.streams.video[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / _MICROSECONDS


def _upright(frame: "av.VideoFrame") -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned counter-clockwise as the frame says, in quarters."""
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))
