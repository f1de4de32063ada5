"""Reading the tiles of a complete gallery."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from skyfix.gallery.halves import stored_matrix, unit_matrix
from skyfix.gallery.manifest import Counts, Manifest
from skyfix.gallery.storage import Storage
from skyfix.gallery.store import TILES_FOLDER, open_dataset, reading, schema


class TileReader:
    """Reads tiles, columns and descriptors of a complete gallery.

    Args:
        storage: the gallery.
        version: of its dataset.
        rows: how many tiles it must have.
        dimensions: length of a stored descriptor.

    Attributes:
        rows: how many tiles there are.

    Raises:
        SkyfixError: tiles are missing or damaged.
    """

    def __init__(self, storage: Storage, version: int, rows: int, dimensions: int) -> None:
        self._storage, self.rows = storage, rows
        with reading(storage):
            self._dataset = open_dataset(storage, version)
            found = self._dataset.count_rows()
            if found != rows or not self._dataset.schema.equals(schema(dimensions)):
                raise ValueError(f"{found} tiles instead of {rows}, or other columns")
            self._check_files()

    @classmethod
    def of(cls, storage: Storage, manifest: Manifest) -> "TileReader":
        """The reader of a gallery as its description says it is.

        Raises:
            SkyfixError: the gallery is incomplete or damaged.
        """
        contents = manifest.require_complete(storage)
        kept = Counts.total(contents.counts).kept
        return cls(storage, contents.version, kept, manifest.stored_dimensions)

    def columns(self, names: list[str]) -> pa.Table:
        """Whole columns."""
        with reading(self._storage):
            return self._dataset.to_table(columns=names)

    def take(self, rows: np.ndarray, names: list[str]) -> pa.Table:
        """Some rows, in the order given."""
        with reading(self._storage):
            return self._dataset.take(rows, columns=names)

    def descriptors(self, rows: np.ndarray) -> np.ndarray:
        """Descriptors of some rows, (n, D) float32."""
        with reading(self._storage):
            return unit_matrix(self._dataset.take(rows, columns=["descriptor"])["descriptor"])

    def stored(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of some rows as they are stored, see ``stored_matrix``."""
        with reading(self._storage):
            return stored_matrix(self._dataset.take(rows, columns=["descriptor"])["descriptor"])

    def descriptor_blocks(self, block_rows: int) -> Iterator[np.ndarray]:
        """All descriptors in order, in blocks of at most ``block_rows`` rows, float32."""
        with reading(self._storage):
            for batch in self._dataset.to_batches(columns=["descriptor"], batch_size=block_rows):
                yield unit_matrix(batch["descriptor"])

    def stored_blocks(self, block_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same as they are stored, see ``stored_matrix``."""
        with reading(self._storage):
            for batch in self._dataset.to_batches(columns=["descriptor"], batch_size=block_rows):
                yield stored_matrix(batch["descriptor"])

    @property
    def digest(self) -> str:
        """Of the dataset's version and files, whose names are drawn at random: of its content."""
        fragments = self._dataset.get_fragments()
        names = [file.path for fragment in fragments for file in fragment.metadata.files]
        content = "\n".join([str(self._dataset.version), *names])
        return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()

    def _check_files(self) -> None:
        sizes = self._storage.sizes(f"{TILES_FOLDER}/data")
        for fragment in self._dataset.get_fragments():
            for file in fragment.metadata.files:
                if file.path not in sizes:
                    raise ValueError(f"{file.path} is missing")
                if sizes[file.path] != file.file_size_bytes:
                    raise ValueError(f"{file.path} is truncated")
