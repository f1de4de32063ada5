"""Scores of pairs that overlap in part: VIGOR (Zhu et al. 2021), GTA-UAV (Ji et al. 2025).

A hit at K is a positive among the first K gallery images; semi-positives are no hits, but they
take ranks. The hit rate takes them out of the ranking first. AP is the step form (scikit-learn's),
not the trapezoid of University-1652: the two do not compare.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from skyfix.datasets.contract import Matches
from skyfix.errors import SkyfixError
from skyfix.evaluation.metrics import RECALL_AT, percent_within
from skyfix.evaluation.ranks import LinkMatches, checked_descriptors, match_ranks


@dataclass(frozen=True, eq=False)
class LinkedResult:
    """How well queries found their positives; percentages unless said otherwise."""

    recall: dict[int, float]
    recall_1_percent: float
    """R@K with K = gallery size // 100 (Sample4Geo), at least 1."""
    hit_rate: float
    """Queries whose positive is first once semi-positives are taken out."""
    ap_step: float
    first_rank: np.ndarray
    """(Q,) int64, rank of the best positive, 0 = first; -1 for a query without one."""
    gallery: int

    def to_json(self) -> dict[str, Any]:
        """The percentages under their usual names, and the counts they rest on."""
        return {
            **{f"R@{k}": percent for k, percent in self.recall.items()},
            "R@1%": self.recall_1_percent,
            "hit rate": self.hit_rate,
            "AP(step)": self.ap_step,
            "queries": len(self.first_rank),
            "gallery": self.gallery,
            "without_match": int((self.first_rank < 0).sum()),
        }


def evaluate_matches(
    query_descriptors: ArrayLike | torch.Tensor,
    gallery_descriptors: ArrayLike | torch.Tensor,
    matches: Matches,
) -> LinkedResult:
    """Rank the gallery for every query and score the ranking.

    Args:
        query_descriptors: (Q, D).
        gallery_descriptors: (G, D).
        matches: of the Q queries among the G gallery images.

    Raises:
        SkyfixError: sides that do not fit each other or the matches, or are not finite.
    """
    queries = checked_descriptors(query_descriptors, "query")
    gallery = checked_descriptors(gallery_descriptors, "gallery")
    if queries.shape[1] != gallery.shape[1] or len(matches.start) != len(queries) + 1:
        raise SkyfixError(
            f"Queries {tuple(queries.shape)}, gallery {tuple(gallery.shape)} and matches of "
            f"{len(matches.start) - 1} queries do not fit. Embed both sides with one system."
        )
    size = len(gallery)
    first_rank = torch.full((len(queries),), -1, dtype=torch.int64)
    ap = torch.zeros(len(queries), dtype=torch.float64)
    first_hit = torch.zeros(len(queries), dtype=torch.bool)
    for slab, ranks, valid, semi in match_ranks(queries, gallery, LinkMatches(matches)):
        positive = valid & ~semi
        ordered = ranks.masked_fill(~positive, size).sort(dim=1).values
        first = ordered[:, :1]
        found = positive.any(dim=1)
        first_rank[slab] = torch.where(found, first[:, 0], -1)
        before = ((ranks < first) & semi).sum(dim=1)
        first_hit[slab] = found & (first[:, 0] == before)
        ap[slab] = _step_average_precision(ordered, positive.sum(dim=1))
    ranked = first_rank.numpy()
    return LinkedResult(
        recall={k: percent_within(ranked, k) for k in RECALL_AT},
        recall_1_percent=percent_within(ranked, max(1, size // 100)),
        hit_rate=100.0 * float(first_hit.double().mean()),
        ap_step=100.0 * float(ap.mean()),
        first_rank=ranked,
        gallery=size,
    )


def _step_average_precision(ordered: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Mean precision (n,) at the positives' ranks ``ordered`` (n, W), ascending, padding last."""
    found = torch.arange(ordered.shape[1])
    precision = (found + 1).double() / (ordered + 1)
    return (precision * (found < count[:, None])).sum(dim=1) / count.clamp(min=1)
