"""Frames of a sequence, from wherever they come, and which of them are wanted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from skyfix.errors import SkyfixError
from skyfix.localize.prepare import Photo


@dataclass(frozen=True)
class Frame:
    """One photo of a sequence.

    Attributes:
        photo: the picture, or the file it is read from later.
        index: its number in the source, from 0, those left out counted too.
        time_s: seconds since the source's first frame.
        decode_ms: time spent on decoding since the frame before.
    """

    photo: Photo
    index: int
    time_s: float
    decode_ms: float = 0.0


class FrameSource(Protocol):
    """Frames in the order of time.

    Attributes:
        name: what the source is called.
        dropped: frames so far that came too fast to be looked at.
        notes: what was found wrong so far, a sentence each.
    """

    name: str
    dropped: int
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]: ...


@dataclass
class Selection:
    """Every n-th frame, or one every so many seconds; and none up to a number.

    Attributes:
        every_n: 1 takes all.
        every_s: seconds from one frame taken to the next; None for no such rule.
        after: frames up to this index were dealt with before; -1 for none.

    Raises:
        SkyfixError: a rule that takes nothing, or both rules.
    """

    every_n: int = 1
    every_s: float | None = None
    after: int = -1
    _due_s: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        if self.every_n < 1:
            raise SkyfixError(f"every_n is {self.every_n}. Take every 1st, 2nd, ... frame.")
        if self.every_s is not None and not 0 < self.every_s < float("inf"):
            raise SkyfixError(f"every_s is {self.every_s}. Give seconds above 0.")
        if self.every_s is not None and self.every_n != 1:
            raise SkyfixError("Give every_n or every_s, not both.")

    def takes(self, index: int, time_s: float) -> bool:
        """Whether a frame is wanted; to be asked for all frames in their order."""
        if self.every_s is None:
            return index % self.every_n == 0 and index > self.after
        # A millisecond early is on time: timestamps are rounded.
        if time_s < self._due_s - 1e-3:
            return False
        late_s = 0.0 if self._due_s == float("-inf") else (time_s - self._due_s) % self.every_s
        self._due_s = time_s - late_s + self.every_s
        return index > self.after


def open_frames(
    source: Path | str,
    selection: Selection | None = None,
    fps: float | None = None,
    time_of_file: dict[str, float] | None = None,
    realtime: bool = False,
) -> FrameSource:
    """Open a video file or a folder of photos.

    Args:
        source: path.
        selection: frames wanted; all by default.
        fps: frames a second, where the source does not tell times; overrides times of photos.
        time_of_file: seconds of photos by file name; overrides all.
        realtime: play at the recorded pace and keep only the latest frame.

    Raises:
        SkyfixError: nothing there, no video, no video stream, no photos.
    """
    from skyfix.localize.photos import PhotoFrames
    from skyfix.localize.realtime import Latest
    from skyfix.localize.video import VideoFrames

    path, wanted = Path(source), selection or Selection()
    if fps is not None and not 0 < fps < float("inf"):
        raise SkyfixError(f"fps is {fps}. Give frames a second above 0.")
    if not path.exists():
        raise SkyfixError(f"No such video or folder: {path}. Check the path.")
    opened: FrameSource
    if path.is_dir():
        opened = PhotoFrames(path, wanted, fps, time_of_file or {})
    else:
        opened = VideoFrames(path, wanted, fps)
    return Latest(opened) if realtime else opened
