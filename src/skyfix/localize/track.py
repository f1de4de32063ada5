"""Video in, track out: a fix for every frame, each helped by the frames before."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize.filter import FixFilter
from skyfix.localize.fix import Fix
from skyfix.localize.frames import Frame, FrameSource, Selection, open_frames
from skyfix.localize.locate import Locator
from skyfix.localize.particles import ParticleFilter
from skyfix.localize.prepare import Prepared
from skyfix.localize.telemetry import Sample, Telemetry, read_telemetry
from skyfix.localize.track_file import TrackStep

FilterName = Literal["kalman", "particles", "none"]
STAGES = ("decode", "normalize", "embed", "search", "filter")


def track(
    source: Path | str | FrameSource,
    gallery: Gallery,
    telemetry: Telemetry | Path | str | None = None,
    *,
    pose: Pose | None = None,
    filter: FilterName = "kalman",  # noqa: A002
    heading_from_course: bool | None = None,
    narrow: bool = False,
    smooth: bool = False,
    k: int = 5,
    embedder: Embedder | None = None,
    register: bool = True,
    done: Sequence[TrackStep] = (),
) -> "Track":
    """Find where the frames of a video, or the photos of a folder, were taken.

    Args:
        source: video file, folder, or what ``open_frames`` gave.
        gallery: what is searched.
        telemetry: gives each frame its pose. Its positions are never used as an answer, nor to
            narrow the search; they give the course, and the error in ``TrackStep``.
        pose: holds where the telemetry says nothing.
        filter: ``kalman`` joins the fixes; ``particles`` weighs all tiles and can start where
            several places look right; ``none`` leaves frames alone.
        heading_from_course: let the course over ground stand for headings nobody recorded;
            None does so where the telemetry has no heading at all and ``pose`` has none.
        narrow: search only where the Kalman filter expects the frame (99 %, and a tile more).
            Saves time in large galleries; but a wrong place is then harder to leave.
        smooth: remember all frames, for ``Track.smoothed``.
        k: how many candidates to name.
        embedder: the gallery's embedder, if there already is one.
        register: compare frames of known pose with the map itself, see ``locate``.
        done: steps of an earlier run over the same source, which is gone on with after them.

    Returns:
        An iterator over the frames not yet done.

    Raises:
        SkyfixError: a source, telemetry or option that cannot be used.
    """
    recorded = telemetry
    if recorded is not None and not isinstance(recorded, Telemetry):
        recorded = read_telemetry(recorded)
    return Track(
        source,
        Locator(gallery, embedder, k=k, register=register),
        recorded,
        pose or Pose(),
        filter,
        heading_from_course,
        narrow,
        smooth,
        done,
    )


class Track(Iterator[TrackStep]):
    """The running track that ``track`` gives.

    Attributes:
        source: the frames.
        steps: those given so far, and those done before, if they are to be smoothed.
    """

    def __init__(
        self,
        source: Path | str | FrameSource,
        locator: Locator,
        telemetry: Telemetry | None,
        pose: Pose,
        filter_name: FilterName,
        heading_from_course: bool | None,
        narrow: bool,
        smooth: bool,
        done: Sequence[TrackStep],
    ) -> None:
        if filter_name not in get_args(FilterName):
            raise SkyfixError(f"No filter {filter_name!r}. Use {', '.join(get_args(FilterName))}.")
        if (narrow or smooth) and filter_name != "kalman":
            raise SkyfixError("Smoothing and a narrowed search need the kalman filter.")
        if isinstance(source, Path | str):
            after = max((step.index for step in done), default=-1)
            files = dict(telemetry.time_of_file) if telemetry else {}
            source = open_frames(source, Selection(after=after), time_of_file=files)
        self.source = source
        self.steps: list[TrackStep] = list(done) if smooth else []
        self._notes: list[str] = []
        self._telemetry = self._with_heading(telemetry, pose, heading_from_course)
        self._locator, self._pose, self._narrow, self._smooth = locator, pose, narrow, smooth
        self._filter = _filter(filter_name, locator.gallery, smooth)
        self._uncovered = 0
        self._latest_s = 0.0
        self._replay(done)
        self._running = self._run()

    def __next__(self) -> TrackStep:
        return next(self._running)

    @property
    def notes(self) -> list[str]:
        """What was found wrong, or assumed, so far; a sentence each. Complete at the end."""
        notes = [*self._notes, *self.source.notes]
        if self.source.dropped:
            notes.append(f"{self.source.dropped} frames were dropped to keep pace.")
        if self._telemetry is None:
            return notes
        first_s, last_s = self._telemetry.span_s
        if self._uncovered:
            notes.append(
                f"{self._uncovered} frames lie outside the telemetry, which runs from "
                f"{first_s:.1f} to {last_s:.1f} s; nothing is assumed of their pose."
            )
        if last_s > self._latest_s + 1.0:
            notes.append(
                f"The telemetry goes on for {last_s - self._latest_s:.1f} s after the last frame."
            )
        return notes

    def smoothed(self) -> list[TrackStep]:
        """All steps, done before or now, with their smoothed fixes; needs ``smooth``."""
        if not isinstance(self._filter, FixFilter) or not self._smooth:
            raise SkyfixError("This track was not told to smooth.")
        fixes = self._filter.smooth()
        return [replace(step, smoothed=fix) for step, fix in zip(self.steps, fixes, strict=True)]

    def _run(self) -> Iterator[TrackStep]:
        for frame in self.source:
            step = self._step(frame)
            if self._smooth:
                self.steps.append(step)
            yield step

    def _step(self, frame: Frame) -> TrackStep:
        watch = _Watch(decode=frame.decode_ms)
        known = self._known(frame.time_s)
        prepared = self._locator.prepare(frame.photo, known.pose)
        watch.lap("normalize")
        descriptors = self._locator.embed([prepared])[0]
        watch.lap("embed")
        locator = self._around(prepared, frame.time_s)
        scores = locator.scores(prepared, descriptors)
        measured = replace(
            locator.fix(prepared, scores), time_s=frame.time_s, time=self._time(frame.time_s)
        )
        watch.lap("search")
        filtered = self._filtered(measured, prepared, scores.max(axis=0))
        watch.lap("filter")
        size_px = prepared.size_px
        error_m = _camera_error_m(filtered, known)
        return TrackStep(frame.index, measured, filtered, watch.laps_ms, size_px, error_m)

    def _known(self, time_s: float) -> Sample:
        self._latest_s = max(self._latest_s, time_s)
        if self._telemetry is None:
            return Sample(self._pose)
        first_s, last_s = self._telemetry.span_s
        self._uncovered += not first_s <= time_s <= last_s
        return self._telemetry.at(time_s, self._pose)

    def _time(self, time_s: float) -> datetime | None:
        clock = self._telemetry.clock if self._telemetry else None
        return clock + timedelta(seconds=time_s) if clock is not None and clock.tzinfo else None

    def _around(self, photo: Prepared, time_s: float) -> Locator:
        if not self._narrow or not isinstance(self._filter, FixFilter):
            return self._locator
        prior = self._filter.prior(photo, time_s)
        if prior is None:
            return self._locator
        lon, lat, radius_m = prior
        tile_m = max(self._locator.scales[size].tile_m for size in photo.fits)
        return self._locator.around((lon, lat, radius_m + tile_m))

    def _filtered(self, measured: Fix, photo: Prepared, scores: np.ndarray) -> Fix:
        if isinstance(self._filter, FixFilter):
            return self._filter.step(measured, photo)
        if isinstance(self._filter, ParticleFilter):
            return self._filter.step(measured, photo, scores)
        return measured

    def _replay(self, done: Sequence[TrackStep]) -> None:
        """Bring the filter to where it was after the steps done before."""
        for step in done:
            known = self._known(float(step.measured.time_s or 0.0))
            photo = Prepared(step.measured.photo, known.pose, step.size_px)
            if isinstance(self._filter, FixFilter):
                self._filter.step(step.measured, photo)
            elif isinstance(self._filter, ParticleFilter) and step is done[-1]:
                # The scores are gone: the cloud starts from what it last said.
                self._filter.restart(step.filtered, photo)

    def _with_heading(
        self, telemetry: Telemetry | None, pose: Pose, from_course: bool | None
    ) -> Telemetry | None:
        if telemetry is None:
            return None
        self._notes += telemetry.notes
        if from_course is False or pose.heading_deg is not None:
            return telemetry
        if not telemetry.has_positions:
            return telemetry
        if from_course or not telemetry.has_heading:
            self._notes.append(
                "The recorded course over ground stands for the heading, which was not recorded; "
                "in hover, turns and side flight it is a guess."
            )
            return telemetry.with_course()
        return telemetry


class _Watch:
    """Milliseconds by stage."""

    def __init__(self, **before_ms: float) -> None:
        self.laps_ms, self._started = dict(before_ms), time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps_ms[stage], self._started = 1e3 * (now - self._started), now


def _filter(name: FilterName, gallery: Gallery, keep: bool) -> FixFilter | ParticleFilter | None:
    if name == "kalman":
        return FixFilter(gallery.scales[-1].tile_m, keep=keep)
    return ParticleFilter(gallery) if name == "particles" else None


def _camera_error_m(fix: Fix, known: Sample) -> float | None:
    if fix.camera_lon is None or fix.camera_lat is None or known.lon is None or known.lat is None:
        return None
    return float(distance_m(fix.camera_lon, fix.camera_lat, known.lon, known.lat))
