"""Frames at the pace they were recorded: whoever is slow sees fewer, never older ones."""

import threading
import time
from collections.abc import Iterator

from skyfix.localize.frames import Frame, FrameSource


class Latest:
    """Plays a source in real time; a ``FrameSource``.

    A thread decodes and holds only the newest frame. Frames that nobody took in time are counted
    as dropped; there is no backlog. The last frame is always delivered.
    """

    def __init__(self, source: FrameSource) -> None:
        self.name, self.notes, self.dropped = source.name, source.notes, 0
        self._source = source

    def __iter__(self) -> Iterator[Frame]:
        slot = _Slot()
        thread = threading.Thread(target=self._play, args=(slot,), daemon=True)
        thread.start()
        try:
            while (frame := slot.take()) is not None:
                self.dropped = slot.dropped
                yield frame
            self.dropped = slot.dropped
        finally:
            slot.close()
            thread.join()

    def _play(self, slot: "_Slot") -> None:
        try:
            started: float | None = None
            for frame in self._source:
                if started is None:
                    started = time.monotonic() - frame.time_s
                if not slot.wait_until(started + frame.time_s):
                    return
                slot.put(frame)
            slot.finish()
        except BaseException as error:
            slot.finish(error)


class _Slot:
    """Room for one frame between two threads."""

    def __init__(self) -> None:
        self.dropped = 0
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._finished = self._closed = False

    def put(self, frame: Frame) -> None:
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def take(self) -> Frame | None:
        """The newest frame, waited for; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._finished)
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def wait_until(self, moment: float) -> bool:
        """Wait for a moment of the monotonic clock; False if the reader has gone."""
        with self._changed:
            while not self._closed and (left_s := moment - time.monotonic()) > 0:
                self._changed.wait(left_s)
            return not self._closed

    def finish(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
