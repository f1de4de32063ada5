"""Exact nearest descriptors by dot product, in blocks."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

_SIGN = np.uint32(0x80000000)
_ROWS = np.uint64(0xFFFFFFFF)
_FIRST_LOOK = 4096

Rows = np.ndarray | range
"""Rows in increasing order; a range where they are all there are between two of them."""


@dataclass(frozen=True)
class Matches:
    """The best tiles of every query, best first.

    Attributes:
        rows: (N, k) int64 gallery rows; -1 where there are fewer than k tiles.
        scores: (N, k) float32 dot products (cosines, for unit descriptors); -inf there.
    """

    rows: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ShardedMatches(Matches):
    """Matches, and what they were searched in.

    Attributes:
        asked: shards that could hold an answer.
        missing: those of them that did not answer in time; the matches lack their tiles.
    """

    asked: tuple[int, ...]
    missing: tuple[int, ...]

    @property
    def partial(self) -> bool:
        """Whether better tiles may be missing."""
        return bool(self.missing)


def as_array(rows: Rows) -> np.ndarray:
    """Rows as an array; NumPy itself takes a range number by number."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows


def nearest(
    queries: np.ndarray, blocks: Iterable[tuple[np.ndarray, np.ndarray]], k: int
) -> Matches:
    """The k rows with the largest dot products; equal scores rank by row.

    Only scores above a query's k-th best so far are looked at; they are packed with their row
    into one integer key, so that partial sorting of keys settles ties too. Nothing is ever sorted
    in full.

    Args:
        queries: (N, D) float32, finite.
        blocks: pairs of rows (B,) below 2^32 and their descriptors (B, D) float32, finite; rows
            increase from block to block.
        k: how many, at least 1.
    """
    # Key 0 lies below the keys of all finite scores and means "none".
    best = np.zeros((len(queries), k), dtype=np.uint64)
    scored = ((products(queries, descriptors), rows) for rows, descriptors in blocks)
    for scores, rows in _together(scored, max(k, _FIRST_LOOK)):
        # A first look at few rows finds a floor that hardly any of the others reaches.
        for part in (slice(0, _FIRST_LOOK), slice(_FIRST_LOOK, None)):
            if len(rows[part]):
                best = _improved(best, scores[:, part], rows[part])
    return _unpack(np.sort(best, axis=1)[:, ::-1])


def _together(
    scored: Iterable[tuple[np.ndarray, np.ndarray]], least: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores (N, B) and rows (B,) of blocks, joined to at least so many rows."""
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for block in scored:
        held.append(block)
        if sum(len(rows) for _, rows in held) >= least:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    scores, rows = zip(*held, strict=True)
    return np.concatenate(scores, axis=1), np.concatenate(rows)


def products(queries: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """Dot products (N, B) of queries (N, D) and descriptors (B, D)."""
    # By torch, as the blocks are made by its threads: NumPy's own would fight with them.
    import torch

    # The queries are copied, as theirs may be memory that must not be written to.
    asked, block = torch.tensor(queries), torch.from_numpy(descriptors)
    count, dims = asked.shape
    # A thread multiplies the rows that it widened: another core's cache can be slow to read.
    parts = math.gcd(len(block), torch.get_num_threads())
    shares = block.view(parts, len(block) // parts, dims)
    found = torch.bmm(asked.expand(parts, count, dims), shares.mT)
    return found.movedim(1, 0).reshape(count, len(block)).numpy()


def _improved(best: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The best keys (N, k), in any order, after a look at more scores (N, B)."""
    queries, k = best.shape
    floor = _unpack(best.min(axis=1)).scores
    # Rows increase: an equal score comes later and loses, so ">" is enough.
    above = np.flatnonzero(scores > floor[:, None])
    if not above.size:
        return best
    query, column = np.divmod(above, scores.shape[1])
    counts = np.bincount(query, minlength=queries)
    place = k + np.arange(len(query)) - (np.cumsum(counts) - counts)[query]
    keys = np.zeros((queries, k + counts.max()), dtype=np.uint64)
    keys[:, :k] = best
    keys[query, place] = _pack(scores[query, column], rows[column])
    return np.partition(keys, keys.shape[1] - k, axis=1)[:, -k:]


def _pack(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    # Adding 0 turns -0.0 into 0.0, which must tie. IEEE floats order as integers once the sign
    # bit is flipped, for negative ones all bits.
    bits = (scores + np.float32(0)).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered.astype(np.uint64) << np.uint64(32)) | (_ROWS - rows.astype(np.uint64))


def _unpack(keys: np.ndarray) -> Matches:
    ordered = (keys >> np.uint64(32)).astype(np.uint32)
    scores = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).view(np.float32)
    rows = (_ROWS - (keys & _ROWS)).astype(np.int64)
    found = keys > 0
    return Matches(np.where(found, rows, -1), np.where(found, scores, np.float32(-np.inf)))
