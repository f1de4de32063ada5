"""Building a gallery: rasters -> tiles -> descriptors, resumable at any moment."""

import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.cutting import Piece, cut_pieces
from skyfix.gallery.fragment import Fragment
from skyfix.gallery.lock import sole_writer
from skyfix.gallery.manifest import MANIFEST_FILE, Counts, Manifest
from skyfix.gallery.sources import Source, check_distinct, describe, list_rasters
from skyfix.gallery.store import Progress, TileWriter
from skyfix.geo.maps import open_map
from skyfix.geo.region import Region
from skyfix.geo.tiling import MAX_TILES, TilePlan, plan_tiles
from skyfix.progress import counting
from skyfix.views import View

SYSTEM_FOLDER = "system"
THUMBNAIL_PX = 128
MAX_THUMBNAIL_PX = 1024

COMMIT_TILES = 512
"""Tiles a commit; what a killed build loses at most. Large galleries commit less often, see
``MAX_COMMITS``."""

MAX_COMMITS = 256
"""Each commit rewrites the list of all fragments, so their number is bounded."""

Item = TypeVar("Item")


class TileEmbedder(Protocol):
    """What a build needs of ``skyfix.inference.Embedder``."""

    @property
    def dimensions(self) -> int:
        """Length D of a descriptor."""

    @property
    def input_px(self) -> tuple[int, int]:
        """(height, width) of its input."""

    @property
    def identity(self) -> str:
        """Digest of weights, arguments and preprocessing."""

    def embed(self, images: Sequence[np.ndarray], view: View) -> np.ndarray:
        """Unit descriptors (N, D) float32 of images (H, W, 3) uint8."""

    def save(self, folder: Path | str) -> None:
        """Write a checkpoint folder."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

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
    tile_m: float,
    stride_m: float,
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
        tile_m: side of a tile, ground metres.
        stride_m: distance between neighbouring tiles, ground metres.
        thumbnail_px: side of the stored thumbnails; 0 for none.
        region: a GeoJSON file with polygons; only tiles whose centre lies inside are made.
        bands: of GeoTIFFs, 1-based numbers of the red, green and blue band, or of a grey one.

    Raises:
        SkyfixError: a raster or the region is unfit, ``out`` was begun with other arguments or
            holds other files, another build is writing to it, it cannot be written, or no tile
            shows anything.
    """
    started, out = time.monotonic(), Path(out)
    if not 0 <= thumbnail_px <= MAX_THUMBNAIL_PX:
        raise SkyfixError(f"thumbnail_px is {thumbnail_px}. Give 0 to {MAX_THUMBNAIL_PX}.")
    paths = list_rasters(sources)
    within = None if region is None else Region.read(region)
    asked = Manifest(
        embedder.identity,
        embedder.dimensions,
        embedder.input_px,
        float(tile_m),
        float(stride_m),
        thumbnail_px,
        _describe_all(paths, bands),
        region=None if within is None else within.fingerprint,
    )
    begun = _begun(out, asked)
    if begun is not None and begun.state == "complete" and begun.counts is not None:
        return BuildReport(begun.counts, 0, time.monotonic() - started)
    plans = _plan_all(paths, asked.sources, tile_m, stride_m, within)
    with sole_writer(out):
        # Another process may have begun, or finished, between the look and the lock.
        if _begun(out, asked) is None:
            asked.write(out)
        _keep_system(embedder, out)
        build = _Build(asked, plans, paths, embedder, out)
        counts = build.run()
        replace(asked, state="complete", counts=counts).write(out)
    return BuildReport(counts, build.embedded, time.monotonic() - started)


class _Build:
    def __init__(
        self,
        manifest: Manifest,
        plans: list[TilePlan],
        paths: list[Path],
        embedder: TileEmbedder,
        out: Path,
    ) -> None:
        self._manifest, self._plans, self._paths = manifest, plans, paths
        self._embedder, self._out = embedder, out
        self._writer = TileWriter(out, embedder.dimensions)
        self._planned = sum(map(len, plans))
        self._commit_tiles = max(COMMIT_TILES, self._planned // MAX_COMMITS)
        self.embedded = 0

    def run(self) -> Counts:
        progress, pending = self._writer.progress, self._new_fragment()
        with counting("Tiles", self._planned, "tiles", done=progress.done) as counter:
            for source, plan, piece in one_ahead(self._pieces(progress.done)):
                progress = Progress(
                    progress.done + piece.planned,
                    progress.skipped_nodata + piece.nodata,
                    progress.skipped_featureless + piece.featureless,
                )
                if piece.images:
                    descriptors = self._embedder.embed(piece.images, "satellite")
                    pending.add(source, plan, piece, descriptors)
                if len(pending) >= self._commit_tiles:
                    self._commit(pending, progress)
                    pending = self._new_fragment()
                counter.advance(piece.planned)
        if len(pending):
            self._commit(pending, progress)
        if self._writer.rows == 0:
            raise SkyfixError(
                f"Nothing to see in {', '.join(path.name for path in self._paths[:3])}: of "
                f"{self._planned} tiles {progress.skipped_nodata} are nodata and "
                f"{progress.skipped_featureless} featureless. Use other imagery."
            )
        self._writer.finish()
        return Counts(
            self._planned,
            self._writer.rows,
            progress.skipped_nodata,
            progress.skipped_featureless,
            sum(plan.outside for plan in self._plans),
        )

    def _new_fragment(self) -> Fragment:
        return Fragment(self._manifest.sources, self._manifest.dimensions)

    def _commit(self, fragment: Fragment, progress: Progress) -> None:
        self._writer.append(fragment.columns(), progress)
        self.embedded += len(fragment)

    def _pieces(self, done: int) -> Iterator[tuple[int, TilePlan, Piece]]:
        for source, (path, plan) in enumerate(zip(self._paths, self._plans, strict=True)):
            start, done = min(done, len(plan)), max(done - len(plan), 0)
            if start == len(plan):
                continue
            with open_map(path, self._manifest.sources[source].bands) as raster:
                for piece in cut_pieces(
                    raster, plan, start, self._manifest.input_px, self._manifest.thumbnail_px
                ):
                    yield source, plan, piece


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``, making the next one in a thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _describe_all(paths: list[Path], bands: Sequence[int]) -> tuple[Source, ...]:
    described = []
    for path in paths:
        with open_map(path, bands) as raster:
            described.append(describe(raster))
    check_distinct(described)
    return tuple(described)


def _plan_all(
    paths: list[Path],
    sources: Sequence[Source],
    tile_m: float,
    stride_m: float,
    region: Region | None,
) -> list[TilePlan]:
    plans: list[TilePlan] = []
    for path, source in zip(paths, sources, strict=True):
        with open_map(path, source.bands) as raster:
            plans.append(plan_tiles(raster.geo, tile_m, stride_m, str(path), region))
    planned = sum(map(len, plans))
    if region is not None and planned == 0:
        raise region.misses([plan.geo for plan in plans])
    if planned > MAX_TILES:
        raise SkyfixError(
            f"The rasters make {planned / 1e6:.0f} million tiles, the limit is "
            f"{MAX_TILES // 1_000_000} million. Use a larger stride or several galleries."
        )
    return plans


def _begun(out: Path, asked: Manifest) -> Manifest | None:
    """The manifest of an earlier run with the same arguments; None where there is nothing yet."""
    if (out / MANIFEST_FILE).exists():
        begun = Manifest.read(out)
        begun.require_same(asked, out)
        return begun
    if out.exists() and not out.is_dir():
        raise SkyfixError(f"{out} is a file. Choose a new folder for the gallery.")
    if out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise SkyfixError(
            f"{out} holds files that are not a gallery. Choose a new or an empty folder."
        )
    return None


def _keep_system(embedder: TileEmbedder, out: Path) -> None:
    """Save the checkpoint; the folder gets its name when it is whole."""
    partial = out / f".{SYSTEM_FOLDER}.partial"
    try:
        if not (out / SYSTEM_FOLDER).is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            embedder.save(partial)
            partial.rename(out / SYSTEM_FOLDER)
    except SkyfixError:
        raise
    except Exception as error:
        # safetensors reports a full disk by an exception of its own.
        raise SkyfixError(
            f"Cannot write {out / SYSTEM_FOLDER}: {error}. Free space, then run the same command "
            "again."
        ) from error
