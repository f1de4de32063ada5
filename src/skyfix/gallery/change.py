"""Adding rasters to a complete gallery, and removing them.

Tiles are stored first; writing gallery.json is the one step that makes a change count. A change
killed before that step leaves the old gallery, and what it stored is used or dropped later.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.gallery.build import BuildReport, describe_all
from skyfix.gallery.filling import Filling, plan_all
from skyfix.gallery.manifest import Contents, Counts, Manifest
from skyfix.gallery.reducing import kept_reduction
from skyfix.gallery.sources import Source, list_rasters
from skyfix.gallery.storage import Storage, storage_of
from skyfix.gallery.store import compacted, drop, tidy
from skyfix.gallery.system import TileEmbedder
from skyfix.gallery.within import kept_region


@dataclass(frozen=True)
class AddReport(BuildReport):
    """What an addition did.

    Attributes:
        already: rasters that were there before, by content; they were left as they are.
    """

    already: tuple[Source, ...] = ()


def add_sources(
    path: Path | str,
    sources: Path | str | Sequence[Path | str],
    embedder: TileEmbedder,
    bands: Sequence[int] = (),
) -> AddReport:
    """Add rasters to a gallery, or go on with an addition that was interrupted.

    Args:
        path: the gallery.
        sources: maps, or folders of them; those with content that is there are left out. Of a
            gallery within a region only tiles with their centre inside are added.
        embedder: the gallery's.
        bands: of GeoTIFFs, 1-based numbers of the red, green and blue band, or of a grey one.

    Raises:
        SkyfixError: a raster is unfit, shows nothing, or changed since it was added; the
            embedder is not the gallery's; another process writes to the gallery; it is damaged
            or cannot be written.
    """
    started, storage = time.monotonic(), storage_of(path)
    _complete(storage)
    with storage.sole_writer():
        manifest, contents = _complete(storage)
        manifest.require_system(embedder.identity, storage)
        known = {source.fingerprint for source in manifest.sources}
        paths = list_rasters(sources)
        described = dict(zip(paths, describe_all(paths, bands), strict=True))
        _refuse_changed(manifest, list(described.values()))
        already = tuple(one for one in described.values() if one.fingerprint in known)
        fresh = {path: one for path, one in described.items() if one.fingerprint not in known}
        embedded = 0
        if fresh:
            asked = replace(manifest, sources=tuple(fresh.values()), contents=None)
            region = kept_region(manifest.region, storage)
            jobs = plan_all(asked.sources, manifest.scales, region)
            first = max(contents.numbers) + 1
            numbers = tuple(range(first, first + len(fresh)))
            reduction = kept_reduction(contents.reduction, storage)
            base = contents.version
            filling = Filling(asked, jobs, numbers, embedder, storage, base, reduction)
            counts = filling.run()
            contents = replace(
                contents,
                version=filling.version,
                numbers=contents.numbers + numbers,
                counts=contents.counts + counts,
            )
            every = manifest.sources + tuple(fresh.values())
            replace(manifest, sources=every, contents=contents).write(storage)
            tidy(storage)
            embedded = filling.embedded
    total = Counts.total(contents.counts)
    return AddReport(total, embedded, time.monotonic() - started, already)


def remove_sources(path: Path | str, names: Sequence[Path | str]) -> tuple[Source, ...]:
    """Remove rasters and their tiles from a gallery; what was removed.

    Args:
        path: the gallery.
        names: paths of the rasters as they were when added, or their file names.

    Raises:
        SkyfixError: no such source, two of that name, none would be left, another process
            writes to the gallery, or it is damaged or cannot be written.
    """
    storage = storage_of(path)
    _complete(storage)
    with storage.sole_writer():
        manifest, contents = _complete(storage)
        gone = {_index_of(name, manifest.sources, storage) for name in names}
        left = [index for index in range(len(manifest.sources)) if index not in gone]
        if not left:
            raise SkyfixError(
                f"{storage.uri} would have no tiles left. Delete the gallery's folder instead."
            )
        numbers = [contents.numbers[index] for index in sorted(gone)]
        version = drop(storage, contents.version, numbers) if numbers else contents.version
        kept = replace(
            contents,
            version=version,
            numbers=tuple(contents.numbers[index] for index in left),
            counts=tuple(contents.counts[index] for index in left),
        )
        sources = tuple(manifest.sources[index] for index in left)
        replace(manifest, sources=sources, contents=kept).write(storage)
        tidy(storage)
    return tuple(manifest.sources[index] for index in sorted(gone))


def compact_gallery(path: Path | str) -> int:
    """Rewrite a gallery's tiles into few files, without those that were removed.

    Worth while after many additions and removals. Tiles, their order and descriptors stay. A
    process that reads the gallery meanwhile has to open it anew.

    Args:
        path: the gallery.

    Returns:
        By how many bytes it became smaller.

    Raises:
        SkyfixError: another process writes to the gallery, or it is damaged or cannot be written.
    """
    storage = storage_of(path)
    _complete(storage)
    with storage.sole_writer():
        manifest, contents = _complete(storage)
        before = sum(storage.sizes().values())
        version = compacted(storage, contents.version)
        replace(manifest, contents=replace(contents, version=version)).write(storage)
        tidy(storage)
        return before - sum(storage.sizes().values())


def _complete(storage: Storage) -> tuple[Manifest, Contents]:
    manifest = Manifest.read(storage)
    return manifest, manifest.require_complete(storage)


def _refuse_changed(manifest: Manifest, described: Sequence[Source]) -> None:
    """A file of the same path with other content would cover its ground twice."""
    before = {source.path: source.fingerprint for source in manifest.sources}
    for source in described:
        if before.get(source.path, source.fingerprint) != source.fingerprint:
            raise SkyfixError(
                f"{source.path} is in the gallery with other content: the file changed. "
                "Remove it first, then add it."
            )


def _index_of(name: Path | str, sources: Sequence[Source], storage: Storage) -> int:
    """The source that a path or a file name means."""
    exact = [
        index
        for index, source in enumerate(sources)
        if source.path in (str(name), str(Path(name).resolve()))
    ]
    found = exact or [
        index for index, source in enumerate(sources) if Path(source.path).name == str(name)
    ]
    if len(found) != 1:
        several = [sources[index].path for index in found] or [one.path for one in sources]
        what = f"{len(found)} sources named" if found else "no source"
        shown = ", ".join(several[:5]) + (" ..." if len(several) > 5 else "")
        raise SkyfixError(f"{storage.uri} has {what} {name}. Give one of: {shown}.")
    return found[0]
