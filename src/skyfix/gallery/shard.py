"""One part of a gallery's descriptors, held in the memory of a process of a cluster."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.exact import exact
from skyfix.gallery.manifest import Manifest
from skyfix.gallery.mapped import MappedDescriptors
from skyfix.gallery.nearby import Near, PositionIndex
from skyfix.gallery.reader import TileReader
from skyfix.gallery.search import Matches, nearest
from skyfix.gallery.storage import storage_of

_READ_ROWS = 8192


@dataclass(frozen=True)
class _Held:
    descriptors: MappedDescriptors
    positions: PositionIndex


class Shard:
    """Some tiles of a gallery; an actor of ``ShardedSearch``.

    Args:
        uri: the gallery, as ``storage_of`` takes it.
        digest: of its content, see ``TileReader.digest``.
        rows: (n,) of the tiles, in increasing order.
    """

    def __init__(self, uri: str, digest: str, rows: np.ndarray) -> None:
        self._uri, self._digest, self._rows = uri, digest, rows

    def ready(self) -> int:
        """Read the tiles; the number of the process.

        Raises:
            SkyfixError: the gallery cannot be read here, or changed.
        """
        assert self._held
        return os.getpid()

    def search(self, queries: np.ndarray, k: int, near: Near | None) -> Matches:
        """As ``Gallery.search`` among these tiles.

        Args:
            queries: (N, d), comparable with stored descriptors.
            k: how many.
            near: (lon, lat, radius_m); None for all tiles.

        Raises:
            SkyfixError: as ``ready``.
        """
        descriptors = self._held.descriptors
        local = None if near is None else self._held.positions.rows(near)

        every = range(len(descriptors)) if local is None else local

        def look(some: np.ndarray, most: int) -> Matches:
            return nearest(some, descriptors.blocks(every), most)

        found = exact(queries, k, len(every), look, descriptors.of)
        rows = np.where(found.rows >= 0, self._rows[np.maximum(found.rows, 0)], -1)
        return Matches(rows, found.scores)

    @cached_property
    def _held(self) -> _Held:
        storage = storage_of(self._uri)
        manifest = Manifest.read(storage)
        reader = TileReader.of(storage, manifest)
        if reader.digest != self._digest:
            raise SkyfixError(
                f"{self._uri} is another gallery on a machine of the cluster, or it changed. Keep "
                "it on a shared disk or in a bucket, and open the search anew."
            )
        half = np.empty((len(self._rows), manifest.stored_dimensions), np.float16)
        factors = np.empty(len(self._rows), np.float32)
        for start in range(0, len(self._rows), _READ_ROWS):
            part = slice(start, start + _READ_ROWS)
            half[part], factors[part] = reader.stored(self._rows[part])
        table = reader.take(self._rows, ["lon", "lat"])
        positions = PositionIndex.of(table["lon"].to_numpy(), table["lat"].to_numpy())
        return _Held(MappedDescriptors(half, factors), positions)
