"""Reducing the descriptors of a gallery whose tiles are all embedded.

The reduction is written first, then one commit replaces all descriptors. Killed in between, the
next run fits it anew; killed after the commit, the next run finds the gallery reduced.
"""

import hashlib
from dataclasses import replace

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.manifest import Manifest
from skyfix.gallery.reduction import Reduction
from skyfix.gallery.storage import Storage
from skyfix.gallery.store import descriptors_at, rewrite_descriptors, stored_length

REDUCTION_FILE = "reduction.safetensors"

FITTED_TILES, FITTED_BYTES = 50_000, 2**29
"""The reduction is fitted to a random sample of at most so many tiles and bytes (float32)."""

HELD_OUT = 1000
"""Tiles, at most a tenth of all, that the reduction is not fitted to: the loss is measured on
them."""

_SEED = 0


def require_dims(manifest: Manifest, planned: int) -> None:
    """Refuse a reduction that cannot be, before anything is embedded for it.

    Args:
        manifest: what is asked for.
        planned: tiles that there will be at most.

    Raises:
        SkyfixError: not fewer dimensions than the system has, or too few tiles.
    """
    dims = manifest.reduced_to
    if dims is None:
        return
    if not 1 <= dims < manifest.dimensions:
        raise SkyfixError(
            f"dims is {dims}, the system's descriptors have {manifest.dimensions}. Give 1 to "
            f"{manifest.dimensions - 1}, or none to keep them whole."
        )
    most = planned - _held_out(planned) - 1
    if dims > most:
        raise SkyfixError(
            f"dims is {dims}, but {planned} tiles serve to fit at most {max(most, 0)}. Give fewer "
            "dims and a new folder, or more imagery."
        )


def reduce_gallery(storage: Storage, manifest: Manifest) -> str | None:
    """Reduce all stored descriptors, unless that is done or not asked for.

    Returns:
        Digest of the reduction, for ``kept_reduction``; None where descriptors stay whole.

    Raises:
        SkyfixError: too few tiles, or the storage cannot be written.
    """
    dims = manifest.reduced_to
    if dims is None:
        return None
    length, tiles = stored_length(storage)
    if length == dims:
        return _digest(storage.read(REDUCTION_FILE))
    require_dims(manifest, tiles)
    order = np.random.default_rng(_SEED).permutation(tiles)
    held = _held_out(tiles)
    most = min(FITTED_TILES, FITTED_BYTES // (4 * length))
    fitted = descriptors_at(storage, np.sort(order[held:][:most]))
    reduction = Reduction.fit(fitted, dims)
    kept = reduction.measure(fitted, descriptors_at(storage, np.sort(order[:held])))
    content = replace(reduction, kept=kept).to_bytes()
    storage.write(REDUCTION_FILE, content)
    rewrite_descriptors(storage, reduction.apply, dims)
    return _digest(content)


def kept_reduction(digest: str | None, storage: Storage) -> Reduction | None:
    """The reduction of a gallery.

    Args:
        digest: of its file; None for a gallery with whole descriptors.
        storage: the gallery.

    Raises:
        SkyfixError: the file is missing, or not the one that the tiles were reduced with.
    """
    if digest is None:
        return None
    content = storage.read(REDUCTION_FILE)
    if _digest(content) != digest:
        raise SkyfixError(
            f"{storage.uri}/{REDUCTION_FILE} is not what the tiles were reduced with. Put the "
            "gallery's file back in its place, or build the gallery anew."
        )
    return Reduction.from_bytes(content)


def _held_out(tiles: int) -> int:
    return min(HELD_OUT, max(tiles // 10, 1))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
