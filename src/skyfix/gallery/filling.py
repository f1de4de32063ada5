"""Filling a gallery: planned tiles -> images -> descriptors -> stored fragments."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from skyfix.errors import SkyfixError
from skyfix.gallery.cutting import Piece
from skyfix.gallery.fragment import Fragment
from skyfix.gallery.manifest import Counts, Manifest
from skyfix.gallery.reduction import Reduction
from skyfix.gallery.scales import Scale
from skyfix.gallery.sources import Source
from skyfix.gallery.storage import Storage
from skyfix.gallery.store import Progress, TileWriter
from skyfix.gallery.system import TileEmbedder
from skyfix.gallery.windows import (
    Cutting,
    Embedded,
    Job,
    Window,
    WindowCutter,
    WindowEmbedder,
)
from skyfix.geo.maps import open_map
from skyfix.geo.region import Region
from skyfix.geo.tiling import MAX_TILES, plan_tiles
from skyfix.progress import counting

COMMIT_TILES = 512
"""Tiles a commit; what a killed build loses at most. Large galleries commit less often, see
``MAX_COMMITS``."""

MAX_COMMITS = 256
"""Each commit rewrites the list of all fragments, so their number is bounded."""

Item = TypeVar("Item")


class Filling:
    """A run that embeds the tiles of some rasters and stores them.

    Args:
        manifest: the parameters; its sources are the rasters.
        jobs: all their tiles.
        numbers: what stored tiles call each raster.
        embedder: makes the descriptors.
        storage: the gallery.
        base: version of the dataset to add to; None to begin it.
        reduction: of the gallery that is added to; None to store descriptors whole.

    Attributes:
        embedded: tiles embedded by this run.
    """

    def __init__(
        self,
        manifest: Manifest,
        jobs: Sequence[Job],
        numbers: Sequence[int],
        embedder: TileEmbedder,
        storage: Storage,
        base: int | None = None,
        reduction: Reduction | None = None,
    ) -> None:
        self._manifest, self._jobs, self._numbers = manifest, jobs, numbers
        self._embedder, self._reduction = embedder, reduction
        sizes = manifest.input_px, manifest.thumbnail_px
        self._cutting = Cutting(tuple(jobs), manifest.sources, *sizes)
        start = Progress.start(_digest(manifest, numbers, base), len(numbers))
        length = manifest.dimensions if reduction is None else reduction.dims
        self._writer = TileWriter(storage, length, start, base)
        self._planned = sum(len(job.plan) for job in jobs)
        self._commit_tiles = max(COMMIT_TILES, self._planned // MAX_COMMITS)
        self.embedded = 0

    @property
    def version(self) -> int:
        """Of the dataset, as it is now."""
        return self._writer.version

    def run(self) -> tuple[Counts, ...]:
        """Embed and store what is left to do; counts of each raster.

        Raises:
            SkyfixError: no tile shows anything, or the storage cannot be written.
        """
        progress, pending = self._writer.progress, self._new_fragment()
        with counting("Tiles", self._planned, "tiles", done=progress.done) as counter:
            for embedded in self._windows_embedded(progress.done):
                job, piece = self._jobs[embedded.window.job], embedded.piece
                progress = progress.after(
                    job.raster, piece.planned, piece.nodata, piece.featureless
                )
                if len(piece.kept):
                    pending.add(job.raster, job.plan, piece, embedded.descriptors)
                if len(pending) >= self._commit_tiles:
                    self._commit(pending, progress)
                    pending = self._new_fragment()
                counter.advance(piece.planned)
        if len(pending):
            self._commit(pending, progress)
        return self._counts(progress)

    def _counts(self, progress: Progress) -> tuple[Counts, ...]:
        planned, outside = [0] * len(self._numbers), [0] * len(self._numbers)
        for job in self._jobs:
            planned[job.raster] += len(job.plan)
            outside[job.raster] += job.plan.outside
        kept = [self._writer.kept(number) for number in self._numbers] if self._writer.rows else []
        if not any(kept):
            raise SkyfixError(
                f"Nothing to see in {', '.join(map(_name, self._manifest.sources[:3]))}: of "
                f"{self._planned} tiles {sum(progress.nodata)} are nodata and "
                f"{sum(progress.featureless)} featureless. Use other imagery."
            )
        facts = zip(planned, kept, progress.nodata, progress.featureless, outside, strict=True)
        return tuple(Counts(*each) for each in facts)

    def _new_fragment(self) -> Fragment:
        manifest = self._manifest
        return Fragment(manifest.sources, self._numbers, manifest.dimensions, self._reduction)

    def _commit(self, fragment: Fragment, progress: Progress) -> None:
        self._writer.append(fragment.columns(), progress)
        self.embedded += len(fragment)

    def _windows_embedded(self, done: int) -> Iterator[Embedded]:
        """What is left to do, in order."""
        windows = self._cutting.windows(done)
        if isinstance(self._embedder, WindowEmbedder):
            yield from self._embedder.embed_windows(self._cutting, windows)
            return
        for window, piece in one_ahead(self._pieces(windows)):
            yield Embedded.of(window, piece, self._embedder)

    def _pieces(self, windows: Iterator[Window]) -> Iterator[tuple[Window, Piece]]:
        with WindowCutter(self._cutting) as cutter:
            for window in windows:
                yield window, cutter.cut(window)


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``, making the next one in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def plan_all(
    sources: Sequence[Source],
    scales: Sequence[Scale],
    region: Region | None,
) -> list[Job]:
    """All tiles of maps, map by map, small tiles first.

    Raises:
        SkyfixError: too many tiles, sizes that do not suit a map, or a region without tiles.
    """
    jobs: list[Job] = []
    for index, source in enumerate(sources):
        with open_map(source.path, source.bands) as raster:
            for scale in scales:
                plan = plan_tiles(raster.geo, scale.tile_m, scale.stride_m, source.path, region)
                jobs.append(Job(index, plan))
    planned = sum(len(job.plan) for job in jobs)
    if region is not None and planned == 0:
        raise region.misses([job.plan.geo for job in jobs])
    if planned > MAX_TILES:
        raise SkyfixError(
            f"The rasters make {planned / 1e6:.0f} million tiles, the limit is "
            f"{MAX_TILES // 1_000_000} million. Use a larger stride or several galleries."
        )
    return jobs


def _name(source: Source) -> str:
    return Path(source.path).name


def _digest(manifest: Manifest, numbers: Sequence[int], base: int | None) -> str:
    """Names a run, so that only the same one goes on where it was killed."""
    rasters = [[source.fingerprint, source.bands] for source in manifest.sources]
    does = [rasters, list(numbers), base]
    return hashlib.blake2b(json.dumps(does).encode(), digest_size=12).hexdigest()
