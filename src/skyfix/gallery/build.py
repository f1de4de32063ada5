"""Building a gallery: rasters -> tiles -> descriptors, resumable at any moment."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from skyfix.errors import SkyfixError
from skyfix.gallery.cutting import Piece, cut_pieces
from skyfix.gallery.fragment import Fragment
from skyfix.gallery.manifest import MANIFEST_FILE, Contents, Counts, Manifest
from skyfix.gallery.place import Place, place_of
from skyfix.gallery.scales import Scale, as_scales
from skyfix.gallery.sources import Source, check_distinct, describe, list_rasters
from skyfix.gallery.store import Progress, TileWriter, tidy
from skyfix.gallery.system import TileEmbedder, keep_system
from skyfix.gallery.within import keep_region
from skyfix.geo.maps import open_map
from skyfix.geo.region import Region
from skyfix.geo.tiling import MAX_TILES, TilePlan, plan_tiles
from skyfix.progress import counting

THUMBNAIL_PX = 128
MAX_THUMBNAIL_PX = 1024

COMMIT_TILES = 512
"""Tiles a commit; what a killed build loses at most. Large galleries commit less often, see
``MAX_COMMITS``."""

MAX_COMMITS = 256
"""Each commit rewrites the list of all fragments, so their number is bounded."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class BuildReport:
    """What a build, or an addition, did.

    Attributes:
        counts: planned, kept and skipped tiles of the whole gallery.
        embedded: tiles embedded by this run; the rest was found finished.
        seconds: time of this run.
    """

    counts: Counts
    embedded: int
    seconds: float

    @property
    def already_complete(self) -> bool:
        """Whether there was nothing left to do."""
        return self.embedded == 0


def build_gallery(
    sources: Path | str | Sequence[Path | str],
    out: Path | str,
    embedder: TileEmbedder,
    tile_m: float | Sequence[float],
    stride_m: float | Sequence[float] | None = None,
    thumbnail_px: int = THUMBNAIL_PX,
    region: Path | str | None = None,
    bands: Sequence[int] = (),
) -> BuildReport:
    """Build a gallery, or go on with one that was interrupted.

    A build killed at any moment and run again gives the same gallery as one that ran through;
    finished tiles are not embedded again. Memory: one line of tiles, one commit, and the plan
    with 40 bytes a tile.

    Args:
        sources: maps that ``open_map`` opens, or folders of such files.
        out: the gallery's folder, new or begun with the same arguments.
        embedder: makes the descriptors; its checkpoint is kept in ``out/system``.
        tile_m: side of a tile, ground metres; several for tiles of several sizes.
        stride_m: distance between neighbouring tiles, ground metres, one for each size; None
            for a quarter of the size.
        thumbnail_px: side of the stored thumbnails; 0 for none.
        region: a GeoJSON file with polygons; only tiles whose centre lies inside are made.
        bands: of GeoTIFFs, 1-based numbers of the red, green and blue band, or of a grey one.

    Raises:
        SkyfixError: a raster or the region is unfit, ``out`` was begun with other arguments or
            holds other files, another build is writing to it, it cannot be written, or no tile
            shows anything.
    """
    started, place = time.monotonic(), place_of(out)
    if not 0 <= thumbnail_px <= MAX_THUMBNAIL_PX:
        raise SkyfixError(f"thumbnail_px is {thumbnail_px}. Give 0 to {MAX_THUMBNAIL_PX}.")
    scales = as_scales(tile_m, stride_m)
    paths = list_rasters(sources)
    within = None if region is None else Region.read(region)
    asked = Manifest(
        embedder.identity,
        embedder.dimensions,
        embedder.input_px,
        scales,
        thumbnail_px,
        describe_all(paths, bands),
        None if within is None else within.fingerprint,
    )
    begun = _begun(place, asked)
    if begun is not None and begun.contents is not None:
        return BuildReport(Counts.total(begun.contents.counts), 0, time.monotonic() - started)
    jobs = plan_all(paths, asked.sources, scales, within)
    with place.sole_writer():
        # Another process may have begun, or finished, between the look and the lock.
        if _begun(place, asked) is None:
            asked.write(place)
        keep_system(embedder, place)
        if within is not None:
            keep_region(within, place)
        numbers = tuple(range(len(paths)))
        filling = Filling(asked, jobs, numbers, embedder, place)
        counts = filling.run()
        tidy(place)
        replace(asked, contents=Contents(filling.version, numbers, counts)).write(place)
    return BuildReport(Counts.total(counts), filling.embedded, time.monotonic() - started)


@dataclass(frozen=True)
class Job:
    """Tiles of one size out of one raster.

    Attributes:
        raster: its index.
        path: its file.
        plan: the tiles.
    """

    raster: int
    path: Path
    plan: TilePlan


class Filling:
    """A run that embeds the tiles of some rasters and stores them.

    Args:
        manifest: the parameters; its sources are the rasters.
        jobs: all their tiles.
        numbers: what stored tiles call each raster.
        embedder: makes the descriptors.
        place: the gallery.
        base: version of the dataset to add to; None to begin it.

    Attributes:
        embedded: tiles embedded by this run.
    """

    def __init__(
        self,
        manifest: Manifest,
        jobs: Sequence[Job],
        numbers: Sequence[int],
        embedder: TileEmbedder,
        place: Place,
        base: int | None = None,
    ) -> None:
        self._manifest, self._jobs, self._numbers = manifest, jobs, numbers
        self._embedder = embedder
        start = Progress.start(_digest(manifest, numbers, base), len(numbers))
        self._writer = TileWriter(place, manifest.dimensions, start, base)
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
            SkyfixError: no tile shows anything, or the place cannot be written.
        """
        progress, pending = self._writer.progress, self._new_fragment()
        with counting("Tiles", self._planned, "tiles", done=progress.done) as counter:
            for job, piece in one_ahead(self._pieces(progress.done)):
                progress = progress.after(
                    job.raster, piece.planned, piece.nodata, piece.featureless
                )
                if piece.images:
                    descriptors = self._embedder.embed(piece.images, "satellite")
                    pending.add(job.raster, job.plan, piece, descriptors)
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
                f"Nothing to see in {', '.join(job.path.name for job in self._jobs[:3])}: of "
                f"{self._planned} tiles {sum(progress.nodata)} are nodata and "
                f"{sum(progress.featureless)} featureless. Use other imagery."
            )
        facts = zip(planned, kept, progress.nodata, progress.featureless, outside, strict=True)
        return tuple(Counts(*each) for each in facts)

    def _new_fragment(self) -> Fragment:
        return Fragment(self._manifest.sources, self._numbers, self._manifest.dimensions)

    def _commit(self, fragment: Fragment, progress: Progress) -> None:
        self._writer.append(fragment.columns(), progress)
        self.embedded += len(fragment)

    def _pieces(self, done: int) -> Iterator[tuple[Job, Piece]]:
        for job in self._jobs:
            start, done = min(done, len(job.plan)), max(done - len(job.plan), 0)
            if start == len(job.plan):
                continue
            with open_map(job.path, self._manifest.sources[job.raster].bands) as raster:
                for piece in cut_pieces(
                    raster, job.plan, start, self._manifest.input_px, self._manifest.thumbnail_px
                ):
                    yield job, piece


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``, making the next one in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def describe_all(paths: list[Path], bands: Sequence[int]) -> tuple[Source, ...]:
    """Facts of maps; a SkyfixError where one is unfit or two have the same content."""
    described = []
    for path in paths:
        with open_map(path, bands) as raster:
            described.append(describe(raster))
    check_distinct(described)
    return tuple(described)


def plan_all(
    paths: list[Path],
    sources: Sequence[Source],
    scales: Sequence[Scale],
    region: Region | None,
) -> list[Job]:
    """All tiles of maps, map by map, small tiles first.

    Raises:
        SkyfixError: too many tiles, sizes that do not suit a map, or a region without tiles.
    """
    jobs: list[Job] = []
    for index, (path, source) in enumerate(zip(paths, sources, strict=True)):
        with open_map(path, source.bands) as raster:
            for scale in scales:
                plan = plan_tiles(raster.geo, scale.tile_m, scale.stride_m, str(path), region)
                jobs.append(Job(index, path, plan))
    planned = sum(len(job.plan) for job in jobs)
    if region is not None and planned == 0:
        raise region.misses([job.plan.geo for job in jobs])
    if planned > MAX_TILES:
        raise SkyfixError(
            f"The rasters make {planned / 1e6:.0f} million tiles, the limit is "
            f"{MAX_TILES // 1_000_000} million. Use a larger stride or several galleries."
        )
    return jobs


def _digest(manifest: Manifest, numbers: Sequence[int], base: int | None) -> str:
    """Names a run, so that only the same one goes on where it was killed."""
    rasters = [[source.fingerprint, source.bands] for source in manifest.sources]
    does = [rasters, list(numbers), base]
    return hashlib.blake2b(json.dumps(does).encode(), digest_size=12).hexdigest()


def _begun(place: Place, asked: Manifest) -> Manifest | None:
    """The manifest of an earlier run with the same arguments; None where there is nothing yet."""
    entries = place.entries()
    if MANIFEST_FILE in entries:
        begun = Manifest.read(place)
        begun.require_same(asked, place)
        return begun
    if any(not name.startswith(".") for name in entries):
        raise SkyfixError(
            f"{place.uri} holds files that are not a gallery. Choose a new or an empty folder."
        )
    return None
