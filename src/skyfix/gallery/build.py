"""Building a gallery: rasters -> tiles -> descriptors, resumable at any moment."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skyfix.bucket_path import AnyPath
from skyfix.errors import SkyfixError
from skyfix.gallery.filling import Filling, plan_all
from skyfix.gallery.manifest import MANIFEST_FILE, Contents, Counts, Manifest
from skyfix.gallery.reducing import reduce_gallery, require_dims
from skyfix.gallery.scales import as_scales
from skyfix.gallery.sources import Source, check_distinct, describe, list_rasters
from skyfix.gallery.storage import Storage, storage_of
from skyfix.gallery.store import tidy
from skyfix.gallery.system import TileEmbedder, keep_system
from skyfix.gallery.within import keep_region
from skyfix.geo.maps import open_map
from skyfix.geo.region import Region

THUMBNAIL_PX = 128
MAX_THUMBNAIL_PX = 1024


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
    dims: int | None = None,
) -> BuildReport:
    """Build a gallery, or go on with one that was interrupted.

    A build killed at any moment and run again gives the same gallery as one that ran through;
    finished tiles are not embedded again. Memory: one line of tiles, one commit, and the plan
    with 40 bytes a tile; with ``dims`` also a sample of descriptors, 512 MiB at most, and two
    square matrices of their length.

    Args:
        sources: maps that ``open_map`` opens, or folders of such files.
        out: the gallery's folder, on disk or s3://bucket/folder, new or begun with the same
            arguments.
        embedder: makes the descriptors; its checkpoint is kept in ``out/system``.
        tile_m: side of a tile, ground metres; several for tiles of several sizes.
        stride_m: distance between neighbouring tiles, ground metres, one for each size; None
            for a quarter of the size.
        thumbnail_px: side of the stored thumbnails; 0 for none.
        region: a GeoJSON file with polygons; only tiles whose centre lies inside are made.
        bands: of GeoTIFFs, 1-based numbers of the red, green and blue band, or of a grey one.
        dims: length that descriptors are reduced to once all tiles are embedded; None to keep
            them whole.

    Raises:
        SkyfixError: a raster, the region or ``dims`` is unfit, ``out`` was begun with other
            arguments or holds other files, another build is writing to it, it cannot be written,
            or no tile shows anything.
    """
    started, storage = time.monotonic(), storage_of(out)
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
        dims,
    )
    begun = _begun(storage, asked)
    if begun is not None and begun.contents is not None:
        return BuildReport(Counts.total(begun.contents.counts), 0, time.monotonic() - started)
    jobs = plan_all(asked.sources, scales, within)
    require_dims(asked, sum(len(job.plan) for job in jobs))
    with storage.sole_writer():
        # Another process may have begun, or finished, between the look and the lock.
        if _begun(storage, asked) is None:
            asked.write(storage)
        keep_system(embedder, storage)
        if within is not None:
            keep_region(within, storage)
        numbers = tuple(range(len(paths)))
        filling = Filling(asked, jobs, numbers, embedder, storage)
        counts = filling.run()
        reduction = reduce_gallery(storage, asked)
        tidy(storage)
        contents = Contents(filling.version, numbers, counts, reduction)
        replace(asked, contents=contents).write(storage)
    return BuildReport(Counts.total(counts), filling.embedded, time.monotonic() - started)


def describe_all(paths: Sequence[AnyPath], bands: Sequence[int]) -> tuple[Source, ...]:
    """Facts of maps; a SkyfixError where one is unfit or two have the same content."""
    described = []
    for path in paths:
        with open_map(path, bands) as raster:
            described.append(describe(raster))
    check_distinct(described)
    return tuple(described)


def _begun(storage: Storage, asked: Manifest) -> Manifest | None:
    """The manifest of an earlier run with the same arguments; None where there is nothing yet."""
    entries = storage.entries()
    if MANIFEST_FILE in entries:
        begun = Manifest.read(storage)
        begun.require_same(asked, storage)
        return begun
    if any(not name.startswith(".") for name in entries):
        raise SkyfixError(
            f"{storage.uri} holds files that are not a gallery. Choose a new or an empty folder."
        )
    return None
