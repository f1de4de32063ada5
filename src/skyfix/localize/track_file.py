"""Tracks on disk: JSON lines, one a frame, written while they are made.

The first line describes the run; each other line is one ``TrackStep``. A run that was cut off
leaves whole lines and perhaps a torn last one, so it can be read and gone on with.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from skyfix.errors import SkyfixError
from skyfix.files import write_text
from skyfix.localize.fix import Fix

_VERSION = 1
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class TrackStep:
    """One frame of a track.

    Attributes:
        index: the frame's number in its source.
        measured: its own fix.
        filtered: its fix given the frames before it; ``measured`` where nothing is filtered.
        latency_ms: time spent on it by stage.
        size_px: (width, height) of the frame as prepared; (0, 0) if it was not.
        camera_error_m: distance of the filtered camera from its recorded position; None where
            either is unknown.
        smoothed: its fix given all other frames, once that is known.
    """

    index: int
    measured: Fix
    filtered: Fix
    latency_ms: Mapping[str, float]
    size_px: tuple[int, int] = (0, 0)
    camera_error_m: float | None = None
    smoothed: Fix | None = None

    @property
    def best(self) -> Fix:
        """The smoothed fix if there is one, else the filtered one."""
        return self.smoothed or self.filtered

    def to_json(self) -> dict[str, Any]:
        """The step as plain JSON values."""
        value = {
            "index": self.index,
            "measured": self.measured.to_json(),
            "filtered": self.filtered.to_json(),
            "latency_ms": dict(self.latency_ms),
            "size_px": list(self.size_px),
            "camera_error_m": self.camera_error_m,
        }
        return value | ({"smoothed": self.smoothed.to_json()} if self.smoothed else {})

    @classmethod
    def from_json(cls, value: Any) -> "TrackStep":
        """The step that ``to_json`` made ``value`` of.

        Raises:
            SkyfixError: not such a value.
        """
        try:
            read = dict(value)
            for name in {"measured", "filtered", "smoothed"} & read.keys():
                read[name] = Fix.from_json(read[name])
            width_px, height_px = read["size_px"]
            return cls(**(read | {"size_px": (width_px, height_px)}))
        except (TypeError, ValueError, KeyError) as error:
            raise SkyfixError(f"Not a step of a track: {error}.") from error


class TrackWriter:
    """Adds steps to a track file, each flushed; get one from ``open_track``.

    Attributes:
        done: steps that were there already.
    """

    def __init__(self, stream: TextIO, done: list[TrackStep]) -> None:
        self._stream, self.done = stream, done

    def add(self, step: TrackStep) -> None:
        """Write one step."""
        self._stream.write(_line(step.to_json()))
        self._stream.flush()


@contextmanager
def open_track(path: Path | str, settings: Settings, resume: bool) -> Iterator[TrackWriter]:
    """A new track file, or one to go on with after its last complete line.

    Args:
        path: the file; its folder is made.
        settings: what the track depends on, plain JSON values.
        resume: go on with the file if there is one.

    Raises:
        SkyfixError: the file exists and is not to be resumed, is not a track, was made with other
            settings, or cannot be written.
    """
    path, done = Path(path), list[TrackStep]()
    plain = json.loads(json.dumps(settings))
    if path.exists() and path.stat().st_size > 0:
        if not resume:
            raise SkyfixError(f"{path} exists. Resume it, or write to another file.")
        found, done, whole_bytes = _read(path)
        if whole_bytes and found != plain:
            raise SkyfixError(f"{path} was made otherwise: {_differences(found, plain)}.")
        _cut(path, whole_bytes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            if stream.tell() == 0:
                stream.write(_line({"skyfix_track": _VERSION, "settings": plain}))
                stream.flush()
            yield TrackWriter(stream, done)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SkyfixError(
            f"Cannot write {path}: {reason}. Free space or choose another."
        ) from error


def read_steps(path: Path | str) -> list[TrackStep]:
    """Steps of a track file, also of one that is still being written.

    Raises:
        SkyfixError: no such file, or not a track.
    """
    return _read(Path(path))[1]


def read_track(path: Path | str) -> list[Fix]:
    """The best fix of each frame of a track file: smoothed if it was smoothed, else filtered.

    Raises:
        SkyfixError: no such file, or not a track.
    """
    return [step.best for step in read_steps(path)]


def rewrite_track(path: Path | str, steps: Sequence[TrackStep]) -> None:
    """Replace the steps of a track file, keeping its first line; atomic.

    Raises:
        SkyfixError: not a track, or it cannot be written.
    """
    settings = _read(Path(path))[0]
    lines = [_line({"skyfix_track": _VERSION, "settings": settings})]
    write_text(path, "".join(lines + [_line(step.to_json()) for step in steps]))


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _read(path: Path) -> tuple[Settings, list[TrackStep], int]:
    """Settings, steps, and the bytes of all complete lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SkyfixError(f"No track file {path}. Check the path.") from None
    except OSError as error:
        raise SkyfixError(f"Cannot read {path}: {error.strerror}. Check the file.") from error
    whole = content[: content.rfind(b"\n") + 1]
    settings: Settings = {}
    steps: list[TrackStep] = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            value = json.loads(line)
            if number == 1:
                if value["skyfix_track"] != _VERSION:
                    raise ValueError(f"version {value['skyfix_track']}")
                settings = dict(value["settings"])
            else:
                steps.append(TrackStep.from_json(value))
        except (ValueError, KeyError, TypeError, SkyfixError) as error:
            raise SkyfixError(
                f"{path} line {number} is not of a track file ({error}). "
                "Give a file that skyfix track wrote."
            ) from error
    if not whole and content and not b'{"skyfix_track"'.startswith(content[:15]):
        raise SkyfixError(f"{path} is not a track file. Give one that skyfix track wrote.")
    return settings, steps, len(whole)


def _cut(path: Path, size_bytes: int) -> None:
    with path.open("r+b") as stream:
        stream.truncate(size_bytes)


def _differences(found: Settings, wanted: Settings) -> str:
    names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{name} {found.get(name)!r}, not {wanted.get(name)!r}" for name in names)
