"""The nearest descriptors by dot products that do not depend on how they were worked out.

Single-precision products of matrices differ in their last bits with the number of queries and
tiles that are multiplied at once. Here they choose candidates, a few more than asked for; the
candidates are ranked by products in double precision, one by one. So a gallery gives the same
answer in one piece and in parts, and equal tiles always have equal scores.
"""

from collections.abc import Callable, Sequence

import numpy as np

from skyfix.gallery.search import Matches

_SPARE, _MORE = 32, 8
_PRODUCTS = 2**20
_UNIT_ROUNDOFF = 2.0**-24

Look = Callable[[np.ndarray, int], Matches]


def exact(
    queries: np.ndarray,
    k: int,
    tiles: int,
    look: Look,
    of: Callable[[np.ndarray], np.ndarray],
    spare: int = _SPARE,
) -> Matches:
    """The k rows with the largest dot products; equal scores rank by row.

    Args:
        queries: (N, D) float32, finite.
        k: how many, at least 1; where there are fewer, rows are -1 and scores -inf.
        tiles: how many there are to choose from.
        look: finds so many candidates of some queries by single-precision products.
        of: unit descriptors (n, D) float32 of rows in increasing order.
        spare: candidates beyond k in the first look.
    """
    count = max(min(k + spare, tiles), 1)
    candidates = look(queries, count)
    best = best_of([_scored(queries, candidates.rows, of)], k)
    if count == tiles or not tiles:
        return best
    # What was passed over may be as good as the last one found: single precision is off by up to
    # D roundings (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
    roundings = 1.01 * (queries.shape[1] + 2) * _UNIT_ROUNDOFF
    reach = roundings * np.linalg.norm(queries.astype(np.float64), axis=1)
    unsure = np.flatnonzero(candidates.scores[:, -1] + reach >= best.scores[:, -1])
    if unsure.size:
        again = exact(queries[unsure], k, tiles, look, of, spare * _MORE)
        best.rows[unsure], best.scores[unsure] = again.rows, again.scores
    return best


def best_of(parts: Sequence[Matches], k: int) -> Matches:
    """The k best of matches (N, any) of the same queries; equal scores rank by row."""
    rows = np.concatenate([part.rows for part in parts], axis=1)
    scores = np.concatenate([part.scores for part in parts], axis=1)
    missing = ((0, 0), (0, max(k - rows.shape[1], 0)))
    rows = np.pad(rows, missing, constant_values=-1)
    scores = np.pad(scores, missing, constant_values=-np.inf)
    order = np.lexsort((rows, -scores), axis=-1)[:, :k]
    return Matches(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def _scored(
    queries: np.ndarray, rows: np.ndarray, of: Callable[[np.ndarray], np.ndarray]
) -> Matches:
    """The same rows (N, n) with dot products in double precision, rounded to single."""
    scores = np.full(rows.shape, -np.inf, np.float32)
    query, column = np.nonzero(rows >= 0)
    step = max(_PRODUCTS // queries.shape[1], 1)
    for start in range(0, len(query), step):
        part = query[start : start + step], column[start : start + step]
        wanted, place = np.unique(rows[part], return_inverse=True)
        products = queries[part[0]].astype(np.float64) * of(wanted)[place]
        # Rows of a contiguous array are summed alike, whatever their number. Adding 0 turns -0.0
        # into 0.0.
        scores[part] = products.sum(axis=1).astype(np.float32) + np.float32(0)
    return Matches(rows, scores)
