"""`skyfix track`."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich import print as show
from rich.console import Console
from rich.live import Live
from rich.table import Table

from skyfix.cli.deliver import Outputs, check, deliver, sending
from skyfix.cli.numbers import AtLeastOne
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.localize import Telemetry, Track, TrackStep

_FromCourse = Annotated[bool | None, Parameter(negative="--no-heading-from-course")]


def track(
    source: Path,
    /,
    *,
    gallery: str,
    telemetry: Path | None = None,
    telemetry_offset_s: float = 0.0,
    heading_from_course: _FromCourse = None,
    heading_deg: float | None = None,
    pitch_deg: float | None = None,
    altitude_m: float | None = None,
    hfov_deg: float | None = None,
    filter: Literal["kalman", "particles", "none"] = "kalman",  # noqa: A002
    smooth: bool = False,
    narrow: bool = False,
    every: AtLeastOne = 1,
    every_s: float | None = None,
    fps: float | None = None,
    realtime: bool = False,
    register: bool = True,
    record: Path | None = None,
    resume: bool = False,
    k: AtLeastOne = 5,
    system: str | None = None,
    device: str = "auto",
    outputs: Outputs | None = None,
) -> None:
    """Find where the frames of a video were taken.

    Example: `skyfix track flight.mp4 --gallery gallery --telemetry flight.srt --pitch-deg -45
    --record track.jsonl --out track.geojson --out track.html`

    Parameters
    ----------
    source
        Video, or a folder of photos.
    gallery
        Folder of the gallery, or s3://bucket/folder.
    telemetry
        The drone's SRT file, a CSV (time_s, lat, lon, alt_m, rel_alt_m, heading_deg, pitch_deg,
        roll_deg, hfov_deg; for photos also file), or a video with such subtitles. Gives the poses
        of the frames; its positions are never taken for an answer.
    telemetry_offset_s
        Added to the times of the telemetry.
    heading_from_course
        Take the recorded course over ground for headings that were not recorded; by default
        where the telemetry has no heading at all.
    heading_deg
        Direction of the camera, clockwise from true north, where the telemetry has none.
    pitch_deg
        The same for the camera's pitch: 0 is the horizon, -90 straight down.
    altitude_m
        The same for the height above ground.
    hfov_deg
        The same for the field of view across the image.
    filter
        kalman joins the fixes, particles weighs all tiles, none leaves each frame alone.
    smooth
        At the end, let each frame be helped by those after it too (kalman).
    narrow
        Search only where the filter expects the frame (kalman): faster in large galleries.
    every
        Take every n-th frame.
    every_s
        Take a frame every so many seconds.
    fps
        Frames a second, where the source does not tell times.
    realtime
        Play at the recorded pace and drop frames that come too fast.
    register
        Compare frames with the map itself: far more exact, about a second a frame. Those of
        unknown pitch, altitude or field of view are believed only if they match it as pictures
        from straight above.
    record
        Write each frame's fixes to this file as a JSON line, while they are made.
    resume
        Go on with the record after its last frame.
    k
        Candidates a frame.
    system
        Another form of the gallery's system to embed with, such as a folder that
        `skyfix export` wrote; the gallery's own by default.
    device
        auto, cpu or cuda.
    """
    from skyfix.gallery import Gallery
    from skyfix.geo.camera import Pose
    from skyfix.localize import Selection, open_frames
    from skyfix.localize import track as run
    from skyfix.localize.track_file import open_track, rewrite_track

    if resume and (record is None or realtime):
        raise SkyfixError("Resuming needs a file to go on with (--record), and no --realtime.")
    wanted = outputs or Outputs()
    check(wanted)
    recorded = _telemetry(telemetry, telemetry_offset_s)
    opened = Gallery.open(gallery)
    pose = Pose(heading_deg, pitch_deg, altitude_m, hfov_deg)
    settings = {
        "source": source.name,
        "gallery": opened.identity,
        "tiles": len(opened),
        "telemetry": telemetry.name if telemetry else None,
        "telemetry_offset_s": telemetry_offset_s,
        "heading_from_course": heading_from_course,
        "pose": [heading_deg, pitch_deg, altitude_m, hfov_deg],
        "filter": filter,
        "narrow": narrow,
        "register": register,
        "every": every,
        "every_s": every_s,
        "fps": fps,
    }

    def start(done: "list[TrackStep]") -> "Track":
        selection = Selection(every, every_s, after=done[-1].index if done else -1)
        times = dict(recorded.time_of_file) if recorded else {}
        return run(
            open_frames(source, selection, fps, times, realtime),
            opened,
            recorded,
            pose=pose,
            filter=filter,
            heading_from_course=heading_from_course,
            narrow=narrow,
            smooth=smooth,
            k=k,
            embedder=opened.embedder(device=device, system=system),
            register=register,
            done=done,
        )

    with sending(wanted) as send, ExitStack() as stack:
        writer = stack.enter_context(open_track(record, settings, resume)) if record else None
        done = writer.done if writer else []

        def tell(step: "TrackStep") -> None:
            if writer is not None:
                writer.add(step)
            send(step.filtered)

        running = start(done)
        steps = _watched(running, done, tell)
    if smooth:
        steps = running.smoothed()
        if record is not None:
            rewrite_track(record, steps)
    deliver([step.best for step in steps], replace(wanted, mavlink=None), opened)
    _summarize(steps)
    for note in running.notes:
        show(f"Note: {note}")


def _telemetry(path: Path | None, offset_s: float) -> "Telemetry | None":
    from skyfix.localize import read_telemetry

    return None if path is None else read_telemetry(path).shifted(offset_s)


def _watched(
    running: "Track", done: "list[TrackStep]", tell: "Callable[[TrackStep], None]"
) -> "list[TrackStep]":
    """Run to the end, showing the latest frame on a terminal; all steps."""
    steps = list(done)
    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for step in running:
            tell(step)
            steps.append(step)
            if console.is_terminal:
                live.update(_latest(steps, running.source.dropped))
    return steps


def _latest(steps: "list[TrackStep]", dropped: int) -> Table:
    step = steps[-1]
    table = Table("frame", "time s", "", "lon", "lat", "accuracy m", *step.latency_ms, "ms")
    times = [f"{value:.0f}" for value in step.latency_ms.values()]
    total = f"{sum(step.latency_ms.values()):.0f}"
    for name, fix in (("measured", step.measured), ("filtered", step.filtered)):
        place = ["", "", fix.reason]
        if fix.lon is not None and fix.lat is not None and fix.accuracy_m is not None:
            place = [f"{fix.lon:.6f}", f"{fix.lat:.6f}", f"{fix.accuracy_m:.0f}"]
        head = [f"{step.index}", f"{fix.time_s or 0:.2f}"] if name == "measured" else ["", ""]
        tail = [*times, total] if name == "measured" else []
        table.add_row(*head, name, *place, *tail)
    located = sum(one.filtered.located for one in steps)
    table.caption = f"{located} of {len(steps)} located, {dropped} dropped"
    return table


def _summarize(steps: "list[TrackStep]") -> None:
    import numpy as np

    table = Table("", "located", "of", "median accuracy m")
    fixes = {"measured": [step.measured for step in steps]}
    if any(step.filtered != step.measured for step in steps):
        fixes["filtered"] = [step.filtered for step in steps]
    if any(step.smoothed for step in steps):
        fixes["smoothed"] = [step.best for step in steps]
    for name, column in fixes.items():
        radii_m = [fix.accuracy_m for fix in column if fix.accuracy_m is not None]
        accuracy = f"{np.median(radii_m):.0f}" if radii_m else ""
        table.add_row(name, f"{len(radii_m)}", f"{len(column)}", accuracy)
    show(table)
    if not steps:
        return
    stages = {
        stage: [one.latency_ms.get(stage, 0.0) for one in steps] for stage in steps[0].latency_ms
    }
    middle = ", ".join(f"{stage} {np.median(times):.0f}" for stage, times in stages.items())
    show(f"Median ms a frame: {middle}.")
    errors_m = [one.camera_error_m for one in steps if one.camera_error_m is not None]
    if errors_m:
        middle_m, most_m = np.percentile(errors_m, (50, 95))
        show(
            f"Filtered camera from its recorded position: median {middle_m:.0f} m, "
            f"95 % within {most_m:.0f} m ({len(errors_m)} frames)."
        )
