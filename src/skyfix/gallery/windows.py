"""Windows: runs of planned tiles, the unit in which a gallery is cut and embedded."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np

from skyfix.gallery.cutting import Piece, PieceCutter
from skyfix.gallery.sources import Source
from skyfix.gallery.system import TileEmbedder
from skyfix.geo.maps import open_map
from skyfix.geo.tiling import TilePlan

WINDOW_TILES = 256
"""Planned tiles of a window. Windows start at multiples of it, also when a build resumes, so the
embedder sees the same batches whatever happened before."""


@dataclass(frozen=True)
class Job:
    """Tiles of one size out of one raster.

    Attributes:
        raster: its index.
        plan: the tiles.
    """

    raster: int
    plan: TilePlan


@dataclass(frozen=True)
class Window:
    """Some consecutive tiles of a job.

    Attributes:
        job: index of the job.
        first, end: range of its planned tiles.
    """

    job: int
    first: int
    end: int


@dataclass(frozen=True)
class Cutting:
    """All that is to be cut, and how.

    Attributes:
        jobs: the tiles, in order.
        sources: the rasters behind them.
        size_px: (h, w) of the images.
        thumbnail_px: side of the thumbnails; 0 for none.
    """

    jobs: tuple[Job, ...]
    sources: tuple[Source, ...]
    size_px: tuple[int, int]
    thumbnail_px: int

    def windows(self, done: int) -> Iterator[Window]:
        """What is left when the first ``done`` tiles, whole windows of them, are dealt with."""
        for index, job in enumerate(self.jobs):
            start, done = min(done, len(job.plan)), max(done - len(job.plan), 0)
            for first in range(start, len(job.plan), WINDOW_TILES):
                yield Window(index, first, min(first + WINDOW_TILES, len(job.plan)))


@dataclass(frozen=True)
class Embedded:
    """A window that was cut and embedded.

    Attributes:
        window: it.
        piece: its K kept tiles, without their images.
        descriptors: theirs, (K, D) float32.
    """

    window: Window
    piece: Piece
    descriptors: np.ndarray

    @classmethod
    def of(cls, window: Window, piece: Piece, embedder: TileEmbedder) -> "Embedded":
        """Embed a window that was cut."""
        rows = np.zeros((0, embedder.dimensions), np.float32)
        if piece.images:
            rows = embedder.embed(piece.images, "satellite")
        return cls(window, replace(piece, images=[]), rows)


@runtime_checkable
class WindowEmbedder(TileEmbedder, Protocol):
    """An embedder that cuts windows itself, elsewhere."""

    def embed_windows(self, cutting: Cutting, windows: Iterator[Window]) -> Iterator[Embedded]:
        """All windows, cut and embedded, in their order."""


class WindowCutter:
    """Cuts windows; one map at a time is open, and what neighbouring windows share is read once.

    Args:
        cutting: what the windows are of.
    """

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self._opened = contextlib.ExitStack()
        self._cutter: PieceCutter | None = None
        self._job, self._end = -1, 0

    def cut(self, window: Window) -> Piece:
        """The tiles of a window; cheapest where windows follow each other.

        Raises:
            SkyfixError: the map cannot be read.
        """
        # Maps are read downwards: to go back means to begin anew.
        if self._cutter is None or window.job != self._job or window.first < self._end:
            self.close()
            self._cutter, self._job = self._open(window.job), window.job
        self._end = window.end
        return self._cutter.piece(window.first, window.end)

    def close(self) -> None:
        """Close the map."""
        self._cutter = None
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open(self, index: int) -> PieceCutter:
        cutting, job = self._cutting, self._cutting.jobs[index]
        source = cutting.sources[job.raster]
        # Other processes that cut may run in other folders: the absolute path.
        raster = open_map(source.path, source.bands)
        raster = self._opened.enter_context(raster)
        cutter = PieceCutter(raster, job.plan, cutting.size_px, cutting.thumbnail_px)
        return self._opened.enter_context(cutter)
