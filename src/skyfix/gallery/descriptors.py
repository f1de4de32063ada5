"""The descriptors of a gallery: held in memory or read from disk, and the search among them."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.exact import exact
from skyfix.gallery.manifest import Manifest
from skyfix.gallery.reader import TileReader
from skyfix.gallery.reducing import kept_reduction
from skyfix.gallery.reduction import Reduction
from skyfix.gallery.search import Matches, Rows, as_array, nearest, products
from skyfix.gallery.storage import Storage

if TYPE_CHECKING:
    from skyfix.gallery.mapped import MappedDescriptors

MAPPED_BYTES = 2**26
"""Descriptors (float32) from this size on are mapped from a file, see ``mapped``."""

HELD_BYTES = 2 * 2**30
"""Where they cannot be, those up to this size are held in memory after the first search; larger
ones are read from disk at every search, where ``near`` pays off."""

_BLOCK_SCORES = 2**22


class Descriptors:
    """Stored descriptors of a complete gallery.

    Args:
        storage: the gallery.
        manifest: its description.
        reader: of its tiles.
    """

    def __init__(self, storage: Storage, manifest: Manifest, reader: TileReader) -> None:
        self._storage, self._manifest, self._reader = storage, manifest, reader
        self._tiles, self._length = reader.rows, manifest.stored_dimensions

    @cached_property
    def reduction(self) -> Reduction | None:
        """What reduced them; None where they are whole.

        Raises:
            SkyfixError: its file is missing or another one.
        """
        return kept_reduction(
            self._manifest.require_complete(self._storage).reduction, self._storage
        )

    @cached_property
    def matrix(self) -> np.ndarray:
        """All of them, (T, d) float32."""
        matrix = np.empty((self._tiles, self._length), np.float32)
        start = 0
        for block in self._reader.descriptor_blocks(_BLOCK_SCORES // self._length + 1):
            matrix[start : start + len(block)] = block
            start += len(block)
        return matrix

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows in increasing order, (n, d) float32."""
        if self._mapped is not None:
            return self._mapped.of(rows)
        return self.matrix[rows] if self._held else self._reader.descriptors(rows)

    def comparable(self, descriptors: np.ndarray) -> np.ndarray:
        """The system's descriptors (N, D) made comparable with stored ones: (N, d) float32.

        Raises:
            SkyfixError: wrong shape, or not numbers.
        """
        queries, length = np.asarray(descriptors, dtype=np.float32), self._manifest.dimensions
        if queries.ndim != 2 or queries.shape[1] != length:
            raise SkyfixError(
                f"Descriptors have shape {queries.shape}, {self._storage.uri} needs (N, {length}). "
                "Embed the queries with the gallery's own system."
            )
        if not np.isfinite(queries).all():
            raise SkyfixError("A query descriptor is not a number. Check the photo and the system.")
        return queries if self.reduction is None else self.reduction.apply(queries)

    def search(self, descriptors: np.ndarray, k: int, rows: np.ndarray | None) -> Matches:
        """The k nearest among some rows, in increasing order; None for all."""
        queries = self.comparable(descriptors)
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 tile.")
        tiles = self._tiles if rows is None else len(rows)

        def look(some: np.ndarray, most: int) -> Matches:
            return nearest(some, self._blocks(rows, len(some)), most)

        return exact(queries, k, tiles, look, self.of)

    def scores(self, descriptors: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        """Dot products (N, n) float32 with some rows, in increasing order; None for all."""
        queries, start = self.comparable(descriptors), 0
        found = np.empty((len(queries), self._tiles if rows is None else len(rows)), np.float32)
        for part, block in self._blocks(rows, len(queries)):
            found[:, start : start + len(part)] = products(queries, block)
            start += len(part)
        return found

    @cached_property
    def _mapped(self) -> "MappedDescriptors | None":
        if 4 * self._tiles * self._length < MAPPED_BYTES:
            return None
        # It needs torch, whose import takes longer than what small galleries are opened for.
        from skyfix.gallery.mapped import mapped

        return mapped(self._storage, self._reader, self._length)

    @property
    def _held(self) -> bool:
        """Whether they are held in memory."""
        return 4 * self._tiles * self._length <= HELD_BYTES

    def _blocks(self, rows: Rows | None, queries: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and descriptors to compare with, block by block, from memory or from disk."""
        if self._mapped is not None:
            every = range(self._tiles) if rows is None else rows
            yield from self._mapped.blocks(every)
            return
        size = int(np.clip(_BLOCK_SCORES // max(queries, 1), 1024, 65536))
        if rows is not None:
            for start in range(0, len(rows), size):
                part = as_array(rows[start : start + size])
                yield part, self.of(part)
            return
        start = 0
        for block in (
            self._held_blocks(size) if self._held else self._reader.descriptor_blocks(size)
        ):
            yield np.arange(start, start + len(block)), block
            start += len(block)

    def _held_blocks(self, size: int) -> Iterator[np.ndarray]:
        for start in range(0, self._tiles, size):
            yield self.matrix[start : start + size]
