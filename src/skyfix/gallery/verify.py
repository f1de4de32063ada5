"""Checking a gallery: every tile read, every fact compared, every source looked up."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
from PIL import Image

from skyfix.bucket_path import any_path
from skyfix.errors import SkyfixError
from skyfix.gallery.halves import LENGTH_TOLERANCE
from skyfix.gallery.manifest import Contents, Manifest
from skyfix.gallery.reader import TileReader
from skyfix.gallery.reducing import kept_reduction
from skyfix.gallery.sources import Source, fingerprint, size_bytes
from skyfix.gallery.storage import Storage, storage_of
from skyfix.gallery.store import TILES_FOLDER, open_dataset, reading
from skyfix.gallery.tiles import Tiles
from skyfix.gallery.within import kept_region
from skyfix.progress import counting

_BATCH = 1024
_ID_DIGITS = 12


@dataclass
class Findings:
    """What a check found.

    Attributes:
        tiles: how many tiles were read.
        damage: what makes the gallery wrong; it has to be built anew.
        warnings: what does not harm searching: sources moved or changed, left-over files.
    """

    tiles: int = 0
    damage: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def verify_gallery(path: Path | str) -> Findings:
    """Read all of a gallery and compare it with its description.

    Checked are the region, the reduction of descriptors, the number of tiles of every source, the
    sizes of files, unit lengths of descriptors, places, tile sizes, ids and thumbnails. The system
    inside is not loaded, see ``Gallery.embedder``.

    Raises:
        SkyfixError: there is no gallery, or its build is not through.
    """
    storage, findings = storage_of(path), Findings()
    manifest = Manifest.read(storage)
    contents = manifest.require_complete(storage)
    try:
        kept_region(manifest.region, storage)
        tiles = sum(one.kept for one in contents.counts)
        kept_reduction(contents.reduction, storage)
        TileReader(storage, contents.version, tiles, manifest.stored_dimensions)
        _check_tiles(storage, manifest, contents, findings)
    except SkyfixError as error:
        findings.damage.append(str(error))
    else:
        findings.warnings += _left_over(storage, contents)
    findings.warnings += [text for source in manifest.sources if (text := _moved(source))]
    return findings


def _check_tiles(
    storage: Storage, manifest: Manifest, contents: Contents, findings: Findings
) -> None:
    with reading(storage):
        dataset = open_dataset(storage, contents.version)
        fragments = dataset.get_fragments()
    counted: dict[int, int] = dict.fromkeys(contents.numbers, 0)
    ids: set[str] = set()
    with counting("Checking", dataset.count_rows(), "tiles") as counter:
        for fragment in fragments:
            names = ", ".join(file.path for file in fragment.metadata.files)
            try:
                for batch in _batches(storage, fragment):
                    for problem in _problems(batch, manifest, contents):
                        findings.damage.append(f"{names}: {problem}")
                    ids |= set(batch["id"].to_pylist())
                    for number, tiles in zip(
                        *np.unique(batch["source"].to_numpy(), return_counts=True), strict=True
                    ):
                        counted[int(number)] = counted.get(int(number), 0) + int(tiles)
                    findings.tiles += len(batch)
                    counter.advance(len(batch))
            except SkyfixError as error:
                findings.damage.append(f"{names}: {error}")
    expected = {
        number: one.kept for number, one in zip(contents.numbers, contents.counts, strict=True)
    }
    if counted != expected:
        findings.damage.append(f"tiles by source are {counted}, expected {expected}")
    if len(ids) != findings.tiles:
        findings.damage.append(f"{findings.tiles - len(ids)} tiles have the id of another")


def _batches(storage: Storage, fragment: lance.LanceFragment) -> Iterator[pa.RecordBatch]:
    with reading(storage):
        yield from fragment.to_batches(batch_size=_BATCH)


def _problems(batch: pa.RecordBatch, manifest: Manifest, contents: Contents) -> list[str]:
    """What is wrong with some tiles."""
    tiles = Tiles.from_table(pa.Table.from_batches([batch.select(Tiles.names())]))
    values = batch["descriptor"].flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    lengths = np.linalg.norm(values.reshape(len(tiles), -1), axis=1)
    sides = np.isin(tiles.size_m, [scale.tile_m for scale in manifest.scales])
    known = dict(zip(contents.numbers, manifest.sources, strict=True))
    named = [
        number in known and name.startswith(known[number].fingerprint[:_ID_DIGITS])
        for number, name in zip(tiles.source.tolist(), tiles.id.tolist(), strict=True)
    ]
    on_earth = (np.abs(tiles.lon) <= 180) & (np.abs(tiles.lat) <= 90)
    found = {
        "descriptors that are not of unit length": ~(np.abs(lengths - 1) < LENGTH_TOLERANCE),
        "tiles of a size that the gallery does not have": ~sides,
        "tiles whose id is not of their source": ~np.array(named, dtype=bool),
        "tiles that are not on Earth": ~on_earth,
    }
    if manifest.thumbnail_px:
        pictures = [
            _is_picture(one, manifest.thumbnail_px) for one in batch["thumbnail"].to_pylist()
        ]
        found["thumbnails that are no pictures"] = ~np.array(pictures, dtype=bool)
    return [f"{wrong.sum()} {what}" for what, wrong in found.items() if wrong.any()]


def _is_picture(content: bytes, side_px: int) -> bool:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            picture.load()
            return picture.size == (side_px, side_px)
    except (OSError, SyntaxError, ValueError):
        return False


def _left_over(storage: Storage, contents: Contents) -> list[str]:
    """Files that no tile needs: remains of a change that was killed."""
    with reading(storage):
        used = {
            file.path
            for fragment in open_dataset(storage, contents.version).get_fragments()
            for file in fragment.metadata.files
        }
    sizes = storage.sizes(f"{TILES_FOLDER}/data")
    left = [size for name, size in sizes.items() if name not in used]
    if not left:
        return []
    return [
        f"{len(left)} files ({sum(left) / 1e6:.1f} MB) are left from a change that was not "
        "finished; run it again, or the next change will remove them"
    ]


def _moved(source: Source) -> str:
    """What became of a map, or nothing."""
    path = any_path(source.path)
    try:
        if not path.exists():
            return f"source moved or deleted: {source.path}"
        if size_bytes(path) != source.size_bytes or fingerprint(path) != source.fingerprint:
            return f"source changed since it was added: {source.path}"
    except OSError as error:
        return f"source cannot be read: {source.path}: {error.strerror}"
    except SkyfixError as error:
        return str(error)
    return ""
