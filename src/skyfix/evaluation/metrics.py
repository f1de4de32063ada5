"""Recall@K and AP of retrieval by descriptor, as the official University-1652 evaluator counts.

The rules (Zheng et al., ACM MM 2020, and the evaluators of LPN, SDPL, FSRA, MCCG and DenseUAV):

- The score is the dot product; gallery images with the query's label are the true matches.
- Gallery images labelled -1 are junk: they are removed from the ranking.
- A query without a true match scores no hit and AP 0, and stays in every denominator.
- AP is the area under the precision-recall curve by the trapezoid rule, not its step form.
- R@1% reads the hit curve at index ``round(0.01 * gallery size)``, junk counted in the size, so it
  accepts one rank more than its name says.

Of equal scores the true matches rank last, so a tie never helps. The authors leave that order to
an unstable sort.
"""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike

from skyfix.errors import SkyfixError
from skyfix.evaluation.choices import Distractors
from skyfix.evaluation.ranks import (
    LabelMatches,
    checked_descriptors,
    checked_labels,
    match_ranks,
)

JUNK = -1
RECALL_AT = (1, 5, 10)


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

    def other_1_percents(self) -> dict[str, float]:
        """R@1% by two other rules for K of a gallery of N: SAFA's and CVM-Net's."""
        return {
            "N//100": percent_within(self.first_rank, max(1, self.gallery // 100)),
            "N//100+1": percent_within(self.first_rank, int(0.01 * self.gallery) + 1),
        }

    def to_json(self) -> dict[str, Any]:
        """The percentages under their usual names, and the counts they rest on."""
        return {
            **{f"R@{k}": percent for k, percent in self.recall.items()},
            "R@1%": self.recall_1_percent,
            **{f"R@1% ({rule})": value for rule, value in self.other_1_percents().items()},
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
    queries = checked_descriptors(query_descriptors, "query")
    gallery = checked_descriptors(gallery_descriptors, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise SkyfixError(
            f"Query descriptors have {queries.shape[1]} dimensions, gallery descriptors "
            f"{gallery.shape[1]}. Embed both with the same system."
        )
    q_labels = checked_labels(query_labels, len(queries), "query")
    g_labels = checked_labels(gallery_labels, len(gallery), "gallery")

    size = len(gallery)
    ranked = g_labels != JUNK
    if distractors == "drop":
        ranked &= np.isin(g_labels, q_labels)
    if not ranked.all():
        gallery, g_labels = gallery[torch.from_numpy(ranked)], g_labels[ranked]
    first_rank, ap = _score_queries(queries, gallery, LabelMatches(q_labels, g_labels))
    return RetrievalResult(
        recall={k: percent_within(first_rank, k) for k in RECALL_AT},
        recall_1_percent=percent_within(first_rank, round(0.01 * size) + 1),
        ap=100.0 * float(ap.mean()),
        ap_per_query=ap,
        first_rank=first_rank,
        gallery=size,
        distractors=distractors,
    )


def percent_within(first_rank: np.ndarray, k: int) -> float:
    """Percent of queries whose first true match (rank from 0, -1 for none) is among the first K."""
    hits = int(np.count_nonzero((first_rank >= 0) & (first_rank < k)))
    return 100.0 * hits / len(first_rank)


def _score_queries(
    queries: torch.Tensor, gallery: torch.Tensor, matches: LabelMatches
) -> tuple[np.ndarray, np.ndarray]:
    """First rank and AP of every query."""
    first_rank = torch.full((len(queries),), -1, dtype=torch.int64)
    ap = torch.zeros(len(queries), dtype=torch.float64)
    for slab, unordered, valid, _ in match_ranks(queries, gallery, matches):
        ranks = unordered.masked_fill(~valid, len(gallery)).sort(dim=1).values
        first_rank[slab] = torch.where(valid.any(dim=1), ranks[:, 0], -1)
        ap[slab] = _average_precision(ranks, valid)
    return first_rank.numpy(), ap.numpy()


def _average_precision(ranks: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Trapezoid AP (n,) in 0..1 from ascending ranks (n, W), padding last."""
    found = torch.arange(ranks.shape[1], dtype=torch.float64)
    precision = (found + 1) / (ranks + 1)
    before = torch.where(ranks > 0, found / ranks, 1.0)
    area = ((precision + before) / 2 * valid).sum(dim=1)
    return area / valid.sum(dim=1).clamp(min=1)
