"""The tiles of a gallery on disk: a Lance dataset, one fragment a commit."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from skyfix.errors import SkyfixError

TILES_FOLDER = "tiles.lance"
LENGTH_TOLERANCE = 1e-2
"""How far from 1 the length of a stored descriptor may be; half precision needs 1e-3."""

_PROPERTY = "skyfix."


@dataclass(frozen=True)
class Progress:
    """How far a build has come.

    Attributes:
        done: planned tiles dealt with, kept or skipped.
        skipped_nodata, skipped_featureless: how many of them were left out.
    """

    done: int = 0
    skipped_nodata: int = 0
    skipped_featureless: int = 0


def schema(dimensions: int) -> pa.Schema:
    """Columns of the dataset; see ``Tiles`` for their meaning.

    Descriptors are half precision: each component keeps 11 bits, which moves a cosine by about
    1e-5, far less than what tells places apart, and it halves disk and reading time.
    """
    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.int32()),
            ("lon", pa.float64()),
            ("lat", pa.float64()),
            ("size_m", pa.float64()),
            ("gsd_m", pa.float64()),
            ("heading_deg", pa.float64()),
            ("column_px", pa.float64()),
            ("row_px", pa.float64()),
            ("width_px", pa.float64()),
            ("height_px", pa.float64()),
            ("descriptor", pa.list_(pa.float16(), dimensions)),
            ("thumbnail", pa.binary()),
        ]
    )


class TileWriter:
    """Appends tiles; each append is one atomic commit that also records the progress.

    Args:
        folder: the gallery.
        dimensions: length D of a descriptor.

    Raises:
        SkyfixError: what an earlier build left is damaged.
    """

    def __init__(self, folder: Path, dimensions: int) -> None:
        self._folder, self._schema = folder, schema(dimensions)
        self._path = folder / TILES_FOLDER
        self.progress, self.rows = Progress(), 0
        # A build killed in its first commit leaves data without a manifest: nothing to keep.
        self._exists = any(self._path.glob("_versions/*.manifest"))
        if self._exists:
            self.progress, self.rows = self._read_progress()

    def append(self, columns: dict[str, pa.Array], progress: Progress) -> None:
        """Store a fragment and the progress that it brings, both or neither.

        Raises:
            SkyfixError: the disk is full or the folder cannot be written.
        """
        table = pa.table(columns, schema=self._schema)
        properties = {_PROPERTY + name: str(value) for name, value in asdict(progress).items()}
        with _writing(self._folder):
            lance.write_dataset(
                table,
                str(self._path),
                mode="append" if self._exists else "create",
                max_rows_per_file=len(table),
                transaction_properties=properties,
            )
        self._exists, self.progress = True, progress
        self.rows += len(table)

    def finish(self) -> None:
        """Remove what only the build needed: old versions and files of killed commits."""
        with _writing(self._folder):
            dataset = lance.dataset(str(self._path))
            dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)

    def _read_progress(self) -> tuple[Progress, int]:
        with reading(self._folder):
            dataset = lance.dataset(str(self._path))
            transaction = dataset.read_transaction(dataset.version)
            properties = (transaction and transaction.transaction_properties) or {}
            names = Progress.__dataclass_fields__
            progress = Progress(**{name: int(properties[_PROPERTY + name]) for name in names})
            return progress, dataset.count_rows()


class TileReader:
    """Reads tiles, columns and descriptors of a complete gallery.

    Args:
        folder: the gallery.
        rows: how many tiles it must have.
        dimensions: length D of a descriptor.

    Raises:
        SkyfixError: tiles are missing or damaged.
    """

    def __init__(self, folder: Path, rows: int, dimensions: int) -> None:
        self._folder, self._rows, self._dimensions = folder, rows, dimensions
        with reading(folder):
            self._dataset = lance.dataset(str(folder / TILES_FOLDER))
            found = self._dataset.count_rows()
            if found != rows or not self._dataset.schema.equals(schema(dimensions)):
                raise ValueError(f"{found} tiles instead of {rows}, or other columns")
            self._check_files()

    def columns(self, names: list[str]) -> pa.Table:
        """Whole columns."""
        with reading(self._folder):
            return self._dataset.to_table(columns=names)

    def take(self, rows: np.ndarray, names: list[str]) -> pa.Table:
        """Some rows, in the order given."""
        with reading(self._folder):
            return self._dataset.take(rows, columns=names)

    def descriptors(self, rows: np.ndarray) -> np.ndarray:
        """Descriptors of some rows, (n, D) float32."""
        with reading(self._folder):
            return self._matrix(self._dataset.take(rows, columns=["descriptor"])["descriptor"])

    def descriptor_blocks(self, block_rows: int) -> Iterator[np.ndarray]:
        """All descriptors in order, in blocks of at most ``block_rows`` rows, float32."""
        with reading(self._folder):
            for batch in self._dataset.to_batches(columns=["descriptor"], batch_size=block_rows):
                yield self._matrix(batch["descriptor"])

    def _matrix(self, column: pa.ChunkedArray | pa.Array) -> np.ndarray:
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        matrix = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, self._dimensions)
        matrix = matrix.astype(np.float32)
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not (np.abs(lengths - 1) < LENGTH_TOLERANCE).all():
            raise ValueError("descriptors that are not of unit length")
        # Half precision shifts lengths by up to 1e-4; unit again, scores are cosines.
        return matrix / lengths

    def _check_files(self) -> None:
        for fragment in self._dataset.get_fragments():
            for file in fragment.metadata.files:
                path = self._folder / TILES_FOLDER / "data" / file.path
                if path.stat().st_size != file.file_size_bytes:
                    raise ValueError(f"{path.name} is truncated")


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn whatever Lance raises on damaged files into one clear line."""
    try:
        yield
    except SkyfixError:
        raise
    except Exception as error:
        raise SkyfixError(
            f"Damaged gallery {folder}: {_first_line(error)}. Delete the folder and build it anew."
        ) from error


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise SkyfixError(
            f"Cannot write the gallery {folder}: {_first_line(error)}. Free space or fix the "
            "folder, then run the same command again: finished tiles are kept."
        ) from error


def _first_line(error: Exception) -> str:
    """What Lance says, without its source positions."""
    text = next(iter(str(error).splitlines()), type(error).__name__)
    return text.split(", /")[0].removeprefix("LanceError(IO): ").removesuffix(".")
