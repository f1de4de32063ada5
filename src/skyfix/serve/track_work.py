"""A track that runs in a thread; each of its frames is a call to the model's thread."""

import logging
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.localize import Fix, Selection, Telemetry, Track, TrackStep, open_frames
from skyfix.localize.frames import FrameSource
from skyfix.serve.context import Service
from skyfix.serve.fix_routes import fix_json
from skyfix.serve.galleries import Served
from skyfix.serve.problems import ProblemError, as_problem
from skyfix.serve.track_folder import TrackFolder

CANDIDATES = 5
_log = logging.getLogger("skyfix.serve")


@dataclass(frozen=True)
class TrackOrder:
    """What a client wants tracked.

    Attributes:
        source: video, or folder of frames, below the track's folder.
        names: what the client calls our files, by our names.
        telemetry: of the frames; None without.
        pose: where the telemetry says nothing.
        every_s: seconds from one frame taken to the next; None takes all.
        smooth: let each frame be helped by those after it, at the end.
    """

    source: Path
    names: Mapping[str, str]
    telemetry: Telemetry | None
    pose: Pose
    every_s: float | None
    smooth: bool


class Tracks:
    """The tracks that this process runs.

    Args:
        service: what they run in.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._room = threading.Semaphore(service.settings.limits.tracks)

    def reserve(self) -> None:
        """Take the room for one more track.

        Raises:
            ProblemError: 429, there is none.
        """
        if not self._room.acquire(blocking=False):
            raise ProblemError(
                429, "Too many tracks run. Try again later, or stop one.", {"Retry-After": "10"}
            )

    def release(self) -> None:
        """Give back the room of a track that was not started."""
        self._room.release()

    def start(self, folder: TrackFolder, served: Served, order: TrackOrder) -> None:
        """Run a track in the room taken for it."""
        owned = threading.Event()

        def work() -> None:
            try:
                with folder.owned():
                    owned.set()
                    _Run(self._service, folder, served, order).to_the_end()
            finally:
                self._room.release()

        threading.Thread(target=work, name="track", daemon=True).start()
        owned.wait()


class _Run:
    def __init__(
        self, service: Service, folder: TrackFolder, served: Served, order: TrackOrder
    ) -> None:
        self._service, self._folder = service, folder
        self._served, self._order = served, order

    def to_the_end(self) -> None:
        """Add all events; whatever happens, the last one is final."""
        try:
            track = self._track(open_order(self._order))
            reason = self._steps(track)
            if reason:
                self._end("problem", {"status": "stopped", "detail": reason}, track)
            else:
                smoothed = self._smoothed(track) if self._order.smooth else {}
                self._end("done", {"status": "done", **smoothed}, track)
        except Exception as error:
            problem = as_problem(error)
            if problem.status == 500:
                _log.error("a track failed", exc_info=error)
            detail = self._told(problem.detail)
            self._folder.add("problem", {"status": "failed", "detail": detail, "notes": []})
        finally:
            shutil.rmtree(self._order.source.parent, ignore_errors=True)

    def _track(self, frames: FrameSource) -> Track:
        order = self._order
        return Track(
            frames,
            self._served.locator,
            order.telemetry,
            order.pose,
            filter_name="kalman",
            heading_from_course=None,
            narrow=False,
            smooth=order.smooth,
            done=(),
        )

    def _steps(self, track: Track) -> str:
        """Take all steps; why they ended early, or nothing."""
        limits = self._service.settings.limits
        for count in range(limits.frames + 1):
            if self._service.closing.is_set():
                return "The service was told to stop."
            if self._folder.is_stopped:
                return "It was stopped."
            if self._folder.unasked_s > limits.unwatched_s:
                return f"Nobody asked after it for {limits.unwatched_s:g} s."
            step = self._service.model.call(lambda: next(track, None)).result()
            if step is None:
                return ""
            if count == limits.frames:
                return f"It has more than {limits.frames} frames. Take fewer with every_s."
            self._service.metrics.count_fix(step.filtered.located)
            self._folder.add("fix", self._fix(step, step.filtered))
        return ""

    def _smoothed(self, track: Track) -> dict[str, Any]:
        return {"fixes": [self._fix(step, step.best) for step in track.smoothed()]}

    def _fix(self, step: TrackStep, fix: Fix) -> dict[str, Any]:
        content = fix_json(replace(fix, candidates=fix.candidates[:CANDIDATES]), self._served)
        file, mark, number = Path(fix.photo).name.partition("#")
        content |= {"photo": self._order.names.get(file, file) + mark + number}
        content |= {"reason": self._told(fix.reason), "index": step.index}
        if self._order.telemetry is not None:
            recorded = self._order.telemetry.at(float(fix.time_s or 0.0))
            content |= {"truth_lon": recorded.lon, "truth_lat": recorded.lat}
        return content

    def _end(self, name: str, data: dict[str, Any], track: Track) -> None:
        self._folder.add(name, {**data, "notes": [self._told(note) for note in track.notes]})

    def _told(self, text: str) -> str:
        """A sentence with the client's names of files instead of ours."""
        for ours, name in self._order.names.items():
            for parent in (self._order.source, self._order.source.parent):
                text = text.replace(str(parent / ours), name)
            text = text.replace(ours, name)
        return text.replace(str(self._order.source), "the frames")


def open_order(order: TrackOrder) -> FrameSource:
    """The frames of an order.

    Raises:
        SkyfixError: not a video, or none of the photos is wanted.
    """
    theirs = order.telemetry.time_of_file if order.telemetry else {}
    times = {ours: theirs[name] for ours, name in order.names.items() if name in theirs}
    if theirs and order.source.is_dir() and not times:
        raise SkyfixError("The telemetry names none of the frames. Send files of the same names.")
    return open_frames(order.source, Selection(every_s=order.every_s), time_of_file=times)
