"""The tiles of a gallery: a Lance dataset, one fragment a commit."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

import lance
import numpy as np
import pyarrow as pa

from skyfix.errors import SkyfixError
from skyfix.gallery.halves import half_precision, unit_matrix
from skyfix.gallery.storage import Storage
from skyfix.progress import counting

TILES_FOLDER = "tiles.lance"

_PROPERTY = "skyfix.progress"
_BATCH_ROWS, _ROWS_PER_FILE = 1024, 65_536


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        run: digest of what the run does; another run's progress does not count.
        done: planned tiles dealt with, kept or skipped.
        nodata, featureless: how many of them were left out, by raster.
    """

    run: str
    done: int
    nodata: tuple[int, ...]
    featureless: tuple[int, ...]

    @classmethod
    def start(cls, run: str, rasters: int) -> "Progress":
        """Nothing done yet."""
        return cls(run, 0, (0,) * rasters, (0,) * rasters)

    def after(self, raster: int, planned: int, nodata: int, featureless: int) -> "Progress":
        """With some more tiles of a raster dealt with."""
        return Progress(
            self.run,
            self.done + planned,
            _raised(self.nodata, raster, nodata),
            _raised(self.featureless, raster, featureless),
        )


def _raised(values: tuple[int, ...], index: int, by: int) -> tuple[int, ...]:
    return (*values[:index], values[index] + by, *values[index + 1 :])


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

    Opening it drops what a run left behind that was never finished, unless it is the same run.

    Args:
        storage: the gallery.
        dimensions: length of a stored descriptor.
        start: the run, nothing done.
        base: the dataset's version that the run starts from; None to begin the dataset.

    Raises:
        SkyfixError: what an earlier run left is damaged.
    """

    def __init__(
        self, storage: Storage, dimensions: int, start: Progress, base: int | None
    ) -> None:
        self._storage, self._schema = storage, schema(dimensions)
        self.progress, self.rows = start, 0
        # A build killed in its first commit leaves data without a manifest: nothing to keep.
        versions = storage.sizes(f"{TILES_FOLDER}/_versions")
        self._exists = any(name.endswith(".manifest") for name in versions)
        if self._exists:
            self._resume(base)

    @property
    def version(self) -> int:
        """Of the dataset, with all that was appended."""
        with reading(self._storage):
            return int(open_dataset(self._storage).version)

    def append(self, columns: dict[str, pa.Array], progress: Progress) -> None:
        """Store a fragment and the progress that it brings, both or neither.

        Raises:
            SkyfixError: the disk is full or the folder cannot be written.
        """
        table = pa.table(columns, schema=self._schema)
        with _writing(self._storage):
            lance.write_dataset(
                table,
                f"{self._storage.uri}/{TILES_FOLDER}",
                mode="append" if self._exists else "create",
                max_rows_per_file=len(table),
                transaction_properties={_PROPERTY: json.dumps(asdict(progress))},
                storage_options=self._storage.storage_options,
            )
        self._exists, self.progress = True, progress
        self.rows += len(table)

    def kept(self, number: int) -> int:
        """How many tiles of a source there are."""
        with reading(self._storage):
            return int(open_dataset(self._storage).count_rows(f"source = {number}"))

    def _resume(self, base: int | None) -> None:
        with reading(self._storage):
            dataset = open_dataset(self._storage)
            left = _left_by(dataset)
            if base is None and (left is None or left.run != self.progress.run):
                raise ValueError("it does not say how far its build came")
        if left is not None and left.run == self.progress.run:
            self.progress = left
        elif base is not None:
            back_to(self._storage, base)
            dataset = open_dataset(self._storage)
        self.rows = dataset.count_rows()


def _properties(dataset: lance.LanceDataset) -> dict[str, str]:
    """What was said with the commit of the dataset's version."""
    transaction = dataset.read_transaction(dataset.version)
    return (transaction and transaction.transaction_properties) or {}


def _left_by(dataset: lance.LanceDataset) -> Progress | None:
    """How far the run came that made the dataset's newest version; None if it was no run."""
    properties = _properties(dataset)
    if _PROPERTY not in properties:
        return None
    left = json.loads(properties[_PROPERTY])
    return Progress(left["run"], left["done"], tuple(left["nodata"]), tuple(left["featureless"]))


def back_to(storage: Storage, version: int) -> None:
    """Drop what came after a version of the dataset: the remains of a change that was killed."""
    with _writing(storage):
        if open_dataset(storage).version != version:
            open_dataset(storage, version).restore()


def drop(storage: Storage, base: int, numbers: list[int]) -> int:
    """Leave out all tiles of some sources, in one commit; the dataset's new version.

    Args:
        storage: the gallery.
        base: the version to start from.
        numbers: of the sources.
    """
    back_to(storage, base)
    with _writing(storage):
        open_dataset(storage).delete(f"source IN ({', '.join(map(str, numbers))})")
        return int(open_dataset(storage).version)


def compacted(storage: Storage, base: int) -> int:
    """Write the tiles into few files again, in their order; the dataset's new version.

    Removed tiles, which ``drop`` only marks, go for good.

    Args:
        storage: the gallery.
        base: the version to start from.
    """
    back_to(storage, base)
    with _writing(storage):
        dataset = open_dataset(storage)
        dataset.optimize.compact_files(
            target_rows_per_fragment=_ROWS_PER_FILE, materialize_deletions_threshold=0.0
        )
        return int(open_dataset(storage).version)


def stored_length(storage: Storage) -> tuple[int, int]:
    """Length of the stored descriptors, and how many there are."""
    with reading(storage):
        dataset = open_dataset(storage)
        return dataset.schema.field("descriptor").type.list_size, dataset.count_rows()


def descriptors_at(storage: Storage, rows: np.ndarray) -> np.ndarray:
    """Descriptors of some rows of the newest version, (n, D) float32."""
    with reading(storage):
        return unit_matrix(open_dataset(storage).take(rows, columns=["descriptor"])["descriptor"])


def rewrite_descriptors(
    storage: Storage, convert: Callable[[np.ndarray], np.ndarray], dimensions: int
) -> None:
    """Replace all descriptors in one commit, which keeps the progress of the run.

    Args:
        storage: the gallery.
        convert: from (n, D) to (n, dimensions) float32, of unit length.
        dimensions: their new length.
    """
    with _writing(storage):
        dataset = open_dataset(storage)
        narrow = schema(dimensions)

        def batches() -> Iterator[pa.RecordBatch]:
            with counting("Reducing", dataset.count_rows(), "tiles") as counter:
                for batch in dataset.to_batches(batch_size=_BATCH_ROWS):
                    columns = {name: batch[name] for name in narrow.names}
                    converted = convert(unit_matrix(batch["descriptor"]))
                    columns["descriptor"] = half_precision(converted)
                    yield pa.RecordBatch.from_pydict(columns, schema=narrow)
                    counter.advance(len(batch))

        lance.write_dataset(
            pa.RecordBatchReader.from_batches(narrow, batches()),
            f"{storage.uri}/{TILES_FOLDER}",
            mode="overwrite",
            max_rows_per_file=_ROWS_PER_FILE,
            transaction_properties=_properties(dataset),
            storage_options=storage.storage_options,
        )


def tidy(storage: Storage) -> None:
    """Delete old versions and files of killed commits."""
    with _writing(storage):
        open_dataset(storage).cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def open_dataset(storage: Storage, version: int | None = None) -> lance.LanceDataset:
    """The Lance dataset of a gallery, its newest version by default."""
    return lance.dataset(
        f"{storage.uri}/{TILES_FOLDER}", version=version, storage_options=storage.storage_options
    )


@contextlib.contextmanager
def reading(storage: Storage) -> Iterator[None]:
    """Turn whatever Lance raises on damaged files into one clear line."""
    try:
        yield
    except SkyfixError:
        raise
    except Exception as error:
        raise SkyfixError(
            f"Damaged gallery {storage.uri}: {_first_line(error)}. Delete the folder and build it "
            "anew."
        ) from error


@contextlib.contextmanager
def _writing(storage: Storage) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise SkyfixError(
            f"Cannot write the gallery {storage.uri}: {_first_line(error)}. Free space or fix the "
            "folder, then run the same command again: finished tiles are kept."
        ) from error


def _first_line(error: Exception) -> str:
    """What Lance says, without its source positions."""
    text = next(iter(str(error).splitlines()), type(error).__name__)
    return text.split(", /")[0].removeprefix("LanceError(IO): ").removesuffix(".")
