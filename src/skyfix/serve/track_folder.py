"""Tracks on disk, so that every worker can tell of those that another one runs.

A track is a folder: ``events.jsonl`` grows while it runs and ends with a final event; ``stop``
tells its worker to end it; a lock on ``owner`` is held as long as that worker lives; ``asked`` was
touched when somebody last asked after it.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from skyfix.serve.problems import ProblemError

Status = Literal["running", "done", "stopped", "failed"]
Event = tuple[str, dict[str, Any]]
"""Name (``fix``, ``done`` or ``problem``) and data."""

_EVENTS, _STOP, _OWNER, _ASKED = "events.jsonl", "stop", "owner", "asked"
_TRACKS = "tracks"
_MOST_KEPT = 100
_DIED: Event = ("problem", {"status": "failed", "detail": "The process that ran it has died."})


class TrackFolder:
    """One track.

    Args:
        path: its folder.

    Attributes:
        id: what clients call it.
        path: as given.
    """

    def __init__(self, path: Path) -> None:
        self.id, self.path = path.name, path

    @classmethod
    def new(cls, parent: Path) -> "TrackFolder":
        """A track of a name that cannot be guessed."""
        folder = cls(parent / _TRACKS / secrets.token_urlsafe(16))
        folder.path.mkdir(mode=0o700, parents=True)
        for name in (_EVENTS, _OWNER, _ASKED):
            (folder.path / name).touch()
        return folder

    @classmethod
    def find(cls, parent: Path, id_: str) -> "TrackFolder":
        """The track of an id; ids are compared with what is there, never made into paths.

        Raises:
            ProblemError: 404, no such track.
        """
        for folder in all_tracks(parent):
            if secrets.compare_digest(folder.id.encode(), id_.encode(errors="replace")):
                return folder
        raise ProblemError(
            404, "No such track, or it is over for long. POST /v1/tracks starts one."
        )

    @contextmanager
    def owned(self) -> Iterator[None]:
        """While the block runs, this process is the one that works on the track."""
        with (self.path / _OWNER).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add(self, name: str, data: dict[str, Any]) -> None:
        """Append an event."""
        line = json.dumps([name, data], allow_nan=False) + "\n"
        with (self.path / _EVENTS).open("a", encoding="utf-8") as stream:
            stream.write(line)

    def events(self, start: int = 0) -> tuple[list[Event], int]:
        """Events from a position in the file on, and the position after them.

        Raises:
            ProblemError: 404, the track is gone.
        """
        try:
            with (self.path / _EVENTS).open("rb") as stream:
                stream.seek(start)
                content = stream.read()
        except FileNotFoundError:
            raise ProblemError(404, "The track is gone.") from None
        whole = content[: content.rfind(b"\n") + 1]
        found: list[Event] = [tuple(json.loads(line)) for line in whole.splitlines()]
        if not found and not self._has_owner():
            # The owner may have added its last events and ended since they were read.
            return ([_DIED], start) if self._size() == start + len(whole) else ([], start)
        return found, start + len(whole)

    def ask(self) -> None:
        """Note that somebody wants to know."""
        with suppress(FileNotFoundError):
            os.utime(self.path / _ASKED)

    @property
    def unasked_s(self) -> float:
        """Seconds since somebody wanted to know."""
        return time.time() - (self.path / _ASKED).stat().st_mtime

    def stop(self) -> None:
        """Tell its worker to end it."""
        (self.path / _STOP).touch()

    @property
    def is_stopped(self) -> bool:
        """Whether its worker is to end it."""
        return (self.path / _STOP).exists()

    def remove(self) -> None:
        """Forget all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _has_owner(self) -> bool:
        try:
            with (self.path / _OWNER).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _size(self) -> int:
        return (self.path / _EVENTS).stat().st_size


def all_tracks(parent: Path) -> list[TrackFolder]:
    """All tracks there are."""
    tracks = parent / _TRACKS
    return [TrackFolder(path) for path in tracks.iterdir()] if tracks.exists() else []


def forget_old(parent: Path, kept_s: float) -> None:
    """Remove tracks that nobody asked after for long, and the oldest of too many."""
    over = [track for track in all_tracks(parent) if not track._has_owner()]
    with suppress(FileNotFoundError):
        over.sort(key=lambda track: track.unasked_s)
        for number, track in enumerate(over):
            if number >= _MOST_KEPT or track.unasked_s > kept_s:
                track.remove()


def status_of(events: list[Event]) -> Status:
    """What a track's events say of it."""
    for name, data in reversed(events):
        if name != "fix":
            status: Status = data["status"]
            return status
    return "running"
