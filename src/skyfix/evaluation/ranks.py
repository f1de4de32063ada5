"""Ranks of true matches in a gallery, a slab of the score matrix at a time.

The score is the dot product. Of equal scores those that are no match rank first, then
semi-positives, then positives: a tie never helps. The authors leave that order to an unstable sort.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from skyfix.datasets.contract import Matches
from skyfix.errors import SkyfixError

_SCORE_BYTES = 64 * 2**20
# Rows below this length cannot overflow float32 in a dot product.
_LONGEST = 1e18

Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Columns (n, W) of matches, which of them are not padding (n, W), and which are semi (n, W)."""


class MatchRows(Protocol):
    """Which gallery columns are matches of which query."""

    def rows(self, chosen: slice) -> Rows:
        """The matches of the chosen queries, padded to one width."""
        ...


class LabelMatches:
    """Matches are the gallery images with the query's label.

    The columns of one label are a run of the gallery sorted by label.
    """

    def __init__(self, query_labels: np.ndarray, gallery_labels: np.ndarray) -> None:
        self._by_label = np.argsort(gallery_labels, kind="stable")
        ordered = gallery_labels[self._by_label]
        self._start = np.searchsorted(ordered, query_labels, side="left")
        self._stop = np.searchsorted(ordered, query_labels, side="right")

    def rows(self, chosen: slice) -> Rows:
        """The matches of the chosen queries; none is semi."""
        place, valid = _padded(self._start[chosen], self._stop[chosen])
        columns = torch.from_numpy(self._by_label[place])
        return columns, torch.from_numpy(valid), torch.zeros(valid.shape, dtype=torch.bool)


class LinkMatches:
    """Matches are told one by one."""

    def __init__(self, matches: Matches) -> None:
        self._matches = matches

    def rows(self, chosen: slice) -> Rows:
        """The matches of the chosen queries."""
        start = self._matches.start
        place, valid = _padded(start[:-1][chosen], start[1:][chosen])
        if not len(self._matches.columns):
            empty = torch.zeros(valid.shape, dtype=torch.bool)
            return torch.zeros(valid.shape, dtype=torch.int64), empty, empty
        columns = torch.from_numpy(self._matches.columns[place])
        semi = torch.from_numpy(self._matches.semi[place] & valid)
        return columns, torch.from_numpy(valid), semi


def _padded(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = (stop - start)[:, None]
    offset = np.arange(count.max(initial=0))
    valid = offset < count
    return np.where(valid, start[:, None] + offset, 0), valid


@torch.inference_mode()
def match_ranks(
    queries: torch.Tensor, gallery: torch.Tensor, matches: MatchRows
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ranks of the matches, slab by slab; slabs without any match are passed over.

    Args:
        queries: (Q, D) float32.
        gallery: (G, D) float32.

    Yields:
        The queries' slice, ranks (n, W) from 0, which of them are not padding (n, W), and which
        are of semi-positives (n, W).
    """
    total, size = len(queries), len(gallery)
    if size == 0:
        return
    rows = min(total, max(1, _SCORE_BYTES // (4 * size)))
    buffer = torch.empty(rows, size)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for start in range(0, total, rows):
            slab = slice(start, min(start + rows, total))
            scores = buffer[: slab.stop - start]
            columns, valid, semi = matches.rows(slab)
            if valid.any():
                torch.mm(queries[slab], gallery.T, out=scores)
                true_scores = scores.gather(1, columns)
                _sort_rows(scores, pool)
                yield slab, _ranks(scores, true_scores, valid, semi), valid, semi


def _sort_rows(scores: torch.Tensor, pool: ThreadPoolExecutor) -> None:
    """Sort each row in place.

    Sorting the values alone is vectorized in NumPy: many times faster than sorting with
    positions, or than one binary search per gallery image among the true matches.
    """
    shares = np.array_split(scores.numpy(), torch.get_num_threads())
    list(pool.map(lambda share: share.sort(axis=1), shares))


def _ranks(
    ordered: torch.Tensor, true_scores: torch.Tensor, valid: torch.Tensor, semi: torch.Tensor
) -> torch.Tensor:
    """Ranks (n, W) of the matches; those of padding mean nothing.

    Args:
        ordered: (n, G) all scores of a row, ascending.
        true_scores: (n, W) those of the matches.
        valid: (n, W) False where ``true_scores`` is padding.
        semi: (n, W) True for semi-positives.
    """
    size = ordered.shape[1]
    ranks = size - torch.searchsorted(ordered, true_scores, right=True)
    equal = size - torch.searchsorted(ordered, true_scores) - ranks
    tied = ((equal > 1) & valid).any(dim=1).nonzero()[:, 0]
    if len(tied):
        after = _equal_matches_from(true_scores[tied], valid[tied], semi[tied])
        ranks[tied] += equal[tied] - after
    return ranks


def _equal_matches_from(
    scores: torch.Tensor, valid: torch.Tensor, semi: torch.Tensor
) -> torch.Tensor:
    """Matches of a row that share a match's score and rank no better, itself included, (n, W)."""
    order = torch.arange(scores.shape[1]) - scores.shape[1] * semi.long()
    same = (scores[:, :, None] == scores[:, None, :]) & valid[:, None, :]
    return (same & (order[:, None, :] >= order[:, :, None])).sum(dim=2)


def checked_descriptors(values: ArrayLike | torch.Tensor, side: str) -> torch.Tensor:
    """Descriptors (N, D) as float32 on the CPU.

    Raises:
        SkyfixError: not a matrix, an empty one, or values that are not finite.
    """
    try:
        if isinstance(values, torch.Tensor):
            tensor = values.detach().to("cpu", torch.float32)
        else:
            with np.errstate(over="ignore"):
                # Torch refuses read-only arrays, such as memory-mapped ones.
                tensor = torch.from_numpy(np.require(values, np.float32, ["C", "W"]))
    except (TypeError, ValueError) as error:
        raise SkyfixError(f"Cannot read the {side} descriptors as numbers: {error}.") from None
    if tensor.ndim != 2 or tensor.shape[1] == 0:
        raise SkyfixError(
            f"The {side} descriptors have shape {tuple(tensor.shape)}. "
            f"Expected (images, dimensions)."
        )
    if len(tensor) == 0:
        raise SkyfixError(f"The {side} set is empty. Give at least one {side} image.")
    bad = ~(torch.linalg.vector_norm(tensor, dim=1) < _LONGEST)
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise SkyfixError(
            f"{int(bad.sum())} {side} descriptors hold NaN, infinite or huge values (first: row "
            f"{row}). Check the weights of the system."
        )
    return tensor


def checked_labels(values: ArrayLike | torch.Tensor, images: int, side: str) -> np.ndarray:
    """Labels (N,) as int64.

    Raises:
        SkyfixError: not one whole number per image.
    """
    labels = values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if labels.shape != (images,):
        raise SkyfixError(
            f"The {side} labels have shape {labels.shape}, but there are {images} {side} "
            f"descriptors. Give one label per image."
        )
    if labels.dtype.kind not in "iu":
        raise SkyfixError(f"The {side} labels are {labels.dtype}. Give whole numbers.")
    return labels.astype(np.int64)
