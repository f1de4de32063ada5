"""Descriptors as the store keeps them: in half precision."""

import numpy as np
import pyarrow as pa

LENGTH_TOLERANCE = 1e-2
"""How far from 1 the length of a stored descriptor may be; half precision needs 1e-3."""


def half_precision(descriptors: np.ndarray) -> pa.Array:
    """Descriptors (n, D) as a column of the store."""
    half = np.ascontiguousarray(descriptors, dtype=np.float16)
    return pa.FixedSizeListArray.from_arrays(pa.array(half.ravel()), half.shape[1])


def stored_matrix(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """A column of stored descriptors as it is, (n, D) float16, and what makes its rows unit ones.

    The latter are factors (n,) float32, the inverse lengths.

    Raises:
        ValueError: they are not what was stored.
    """
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    half = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    lengths = np.linalg.norm(half.astype(np.float32), axis=1)
    if not (np.abs(lengths - 1) < LENGTH_TOLERANCE).all():
        raise ValueError("descriptors that are not of unit length")
    return half, 1 / lengths


def unit_matrix(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of stored descriptors, (n, D) float32 of unit length.

    Raises:
        ValueError: they are not what was stored.
    """
    half, scales = stored_matrix(column)
    # Half precision shifts lengths by up to 1e-4; unit again, scores are cosines.
    return half.astype(np.float32) * scales[:, None]
