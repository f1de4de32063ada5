"""Recall@K and AP of retrieval by descriptor, as the official University-1652 evaluator counts.

The rules (Zheng et al., ACM MM 2020, and the evaluators of LPN, SDPL, FSRA, MCCG and DenseUAV):

- The score is the dot product; gallery images with the query's label are the true matches.
- Gallery images labelled -1 are junk: they are removed from the ranking.
- A query without a true match scores no hit and AP 0, and stays in every denominator.
- AP is the area under the precision-recall curve by the trapezoid rule, not its step form.
- R@1% reads the hit curve at index ``round(0.01 * gallery size)``, junk counted in the size, so it
  accepts one rank more than its name says.

Equal scores rank in gallery order. The authors leave that order to an unstable sort.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike

from skyfix.errors import SkyfixError

JUNK = -1
RECALL_AT = (1, 5, 10)
Distractors = Literal["keep", "drop"]

_SCORE_BYTES = 64 * 2**20
# Rows below this length cannot overflow float32 in a dot product.
_LONGEST = 1e18


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """How well queries found their places in a gallery; percentages unless said otherwise."""

    recall: dict[int, float]
    """R@K for K in 1, 5, 10."""
    recall_1_percent: float
    ap: float
    """Mean of ``ap_per_query``, in percent."""
    ap_per_query: np.ndarray
    """(Q,) float64 in 0..1; 0 for a query without a true match."""
    first_rank: np.ndarray
    """(Q,) int64, rank of the best true match, 0 = first; -1 for a query without one."""
    gallery: int
    """Number of gallery images, junk included."""
    distractors: Distractors

    @property
    def queries(self) -> int:
        """Number of queries, those without a true match included."""
        return len(self.first_rank)

    @property
    def without_match(self) -> int:
        """Number of queries whose place is not in the gallery."""
        return int((self.first_rank < 0).sum())

    def to_json(self) -> dict[str, Any]:
        """The percentages under their usual names, and the counts they rest on."""
        return {
            **{f"R@{k}": percent for k, percent in self.recall.items()},
            "R@1%": self.recall_1_percent,
            "AP": self.ap,
            "queries": self.queries,
            "gallery": self.gallery,
            "without_match": self.without_match,
            "distractors": self.distractors,
        }


def evaluate_retrieval(
    query_descriptors: ArrayLike | torch.Tensor,
    query_labels: ArrayLike | torch.Tensor,
    gallery_descriptors: ArrayLike | torch.Tensor,
    gallery_labels: ArrayLike | torch.Tensor,
    distractors: Distractors = "keep",
) -> RetrievalResult:
    """Rank the gallery for every query and score the ranking.

    Args:
        query_descriptors: (Q, D), computed with as float32; usually of unit length.
        query_labels: (Q,) whole numbers. A query labelled -1 has no true match.
        gallery_descriptors: (G, D).
        gallery_labels: (G,) whole numbers; -1 is junk.
        distractors: "keep" is the official protocol. "drop" also treats as junk the gallery
            images of places that no query shows, as Sample4Geo and its successors do; such
            numbers are higher and do not compare with official ones.

    Raises:
        SkyfixError: shapes that do not fit, an empty side, NaN or infinite values, labels that
            are not whole numbers, an unknown ``distractors``.
    """
    if distractors not in get_args(Distractors):
        valid = " or ".join(get_args(Distractors))
        raise SkyfixError(f"Unknown distractors rule {distractors!r}. Use {valid}.")
    queries = _checked_descriptors(query_descriptors, "query")
    gallery = _checked_descriptors(gallery_descriptors, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise SkyfixError(
            f"Query descriptors have {queries.shape[1]} dimensions, gallery descriptors "
            f"{gallery.shape[1]}. Embed both with the same system."
        )
    q_labels = _checked_labels(query_labels, len(queries), "query")
    g_labels = _checked_labels(gallery_labels, len(gallery), "gallery")

    size = len(gallery)
    ranked = g_labels != JUNK
    if distractors == "drop":
        ranked &= np.isin(g_labels, q_labels)
    if not ranked.all():
        gallery, g_labels = gallery[torch.from_numpy(ranked)], g_labels[ranked]
    first_rank, ap = _score_queries(queries, gallery, _TrueMatches(q_labels, g_labels))
    return RetrievalResult(
        recall={k: _recall(first_rank, k) for k in RECALL_AT},
        recall_1_percent=_recall(first_rank, round(0.01 * size) + 1),
        ap=100.0 * float(ap.mean()),
        ap_per_query=ap,
        first_rank=first_rank,
        gallery=size,
        distractors=distractors,
    )


def _recall(first_rank: np.ndarray, k: int) -> float:
    hits = int(np.count_nonzero((first_rank >= 0) & (first_rank < k)))
    return 100.0 * hits / len(first_rank)


class _TrueMatches:
    """Gallery columns of every query's true matches, as padded rows.

    The columns of one label are a run of the gallery sorted by label.
    """

    def __init__(self, query_labels: np.ndarray, gallery_labels: np.ndarray) -> None:
        self._by_label = np.argsort(gallery_labels, kind="stable")
        ordered = gallery_labels[self._by_label]
        self._start = np.searchsorted(ordered, query_labels, side="left")
        self._count = np.searchsorted(ordered, query_labels, side="right") - self._start

    def rows(self, chosen: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Columns (n, W) of the chosen queries' true matches and which of them count (n, W)."""
        count = self._count[chosen, None]
        offset = np.arange(count.max(initial=0))
        valid = offset < count
        place = np.where(valid, self._start[chosen, None] + offset, 0)
        return torch.from_numpy(self._by_label[place]), torch.from_numpy(valid)


@torch.inference_mode()
def _score_queries(
    queries: torch.Tensor, gallery: torch.Tensor, matches: _TrueMatches
) -> tuple[np.ndarray, np.ndarray]:
    """First rank and AP of every query, a slab of the score matrix at a time."""
    total, size = len(queries), len(gallery)
    first_rank = torch.full((total,), -1, dtype=torch.int64)
    ap = torch.zeros(total, dtype=torch.float64)
    if size == 0:
        return first_rank.numpy(), ap.numpy()
    rows = min(total, max(1, _SCORE_BYTES // (4 * size)))
    buffer, spare = torch.empty(rows, size), torch.empty(rows, size)
    for start in range(0, total, rows):
        slab = slice(start, min(start + rows, total))
        scores, ordered = (part[: slab.stop - start] for part in (buffer, spare))
        torch.mm(queries[slab], gallery.T, out=scores)
        columns, valid = matches.rows(slab)
        if valid.any():
            ranks = _ranks(scores, ordered, columns, valid)
            first_rank[slab] = torch.where(valid[:, 0], ranks[:, 0], -1)
            ap[slab] = _average_precision(ranks, valid)
    return first_rank.numpy(), ap.numpy()


def _ranks(
    scores: torch.Tensor, ordered: torch.Tensor, columns: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Ranks (n, W) of the true matches, ascending in each row; padding last.

    Args:
        scores: (n, G).
        ordered: (n, G) scratch space.
        columns: (n, W) gallery columns of the true matches, padding last.
        valid: (n, W) False where ``columns`` is padding.
    """
    true_scores = scores.gather(1, columns)
    # Sorting the values alone is vectorized in NumPy: many times faster than sorting with
    # positions, or than one binary search per gallery image among the true matches.
    ordered.copy_(scores)
    ordered.numpy().sort(axis=1)
    size = scores.shape[1]
    ranks = size - torch.searchsorted(ordered, true_scores, right=True)
    equal = size - torch.searchsorted(ordered, true_scores) - ranks
    row, match = ((equal > 1) & valid).nonzero(as_tuple=True)
    ranks[row, match] += _equal_before(scores, row, columns[row, match])
    return ranks.masked_fill_(~valid, size).sort(dim=1).values


def _equal_before(scores: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """How many scores left of (``row``, ``column``) equal the score there, (P,) for P pairs."""
    table = scores.numpy()
    # Ties are rare, and a slice of one row stays in cache: a loop beats gathering whole rows.
    counts = [
        np.count_nonzero(table[r, :c] == table[r, c])
        for r, c in zip(row.tolist(), column.tolist(), strict=True)
    ]
    return torch.tensor(counts, dtype=torch.int64)


def _average_precision(ranks: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Trapezoid AP (n,) in 0..1 from ascending ranks (n, W), padding last."""
    found = torch.arange(ranks.shape[1], dtype=torch.float64)
    precision = (found + 1) / (ranks + 1)
    before = torch.where(ranks > 0, found / ranks, 1.0)
    area = ((precision + before) / 2 * valid).sum(dim=1)
    return area / valid.sum(dim=1).clamp(min=1)


def _checked_descriptors(values: ArrayLike | torch.Tensor, side: str) -> torch.Tensor:
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


def _checked_labels(values: ArrayLike | torch.Tensor, images: int, side: str) -> np.ndarray:
    labels = values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if labels.shape != (images,):
        raise SkyfixError(
            f"The {side} labels have shape {labels.shape}, but there are {images} {side} "
            f"descriptors. Give one label per image."
        )
    if labels.dtype.kind not in "iu":
        raise SkyfixError(f"The {side} labels are {labels.dtype}. Give whole numbers.")
    return labels.astype(np.int64)
