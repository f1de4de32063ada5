"""Soft-margin triplet losses: log(1 + exp(...)) in place of a hinge."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.losses.everywhere import everywhere
from skyfix.losses.reduction import Reduction, reduced


def soft_margin(
    positive: Tensor, negative: Tensor, alpha: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """log(1 + exp(alpha (s_n - s_p))) over mined similarities (University-1652 baselines).

    The authors' script has alpha 1 and leaves the vector as it is, which cannot be trained.

    Args:
        positive: ``(N,)`` cosine similarity of each anchor with its positive.
        negative: ``(N,)`` the same with its negative.
    """
    return reduced(F.softplus(alpha * (negative - positive)), reduction)


def weighted_soft_margin(
    satellite: Tensor,
    ground: Tensor,
    alpha: float = 10.0,
    near: Tensor | None = None,
    constant_terms: bool = True,
    hardest: int = 0,
) -> Tensor:
    """Weighted soft margin over all pairs of a batch in both directions (Hu et al. 2018, CVM-Net).

    With d_ij = 2 - 2 <satellite_i, ground_j> it is the mean over the negatives (i, j) of
    log(1 + exp(alpha (d_p - d_ij))), d_p being d_ii in one direction and d_jj in the other.

    Args:
        satellite, ground: ``(B, D)``; row i of both shows the same place. Unit rows make d the
            squared distance; they are used as they are.
        alpha: weight; 10 in CVM-Net, SAFA and CVFT. On unit rows 10 equals TransGeo's 20 on
            cosines.
        near: ``(B, B)`` bool, pairs that are no negatives, such as those within 25 m in CVACT
            (Shi et al. 2019). The diagonal always counts as near.
        constant_terms: keep a term of ln 2 for each near pair without counting it, as the code
            of CVM-Net, SAFA and CVFT does; False leaves near pairs out (TransGeo).
        hardest: if above 0, average this many of the largest terms of each query instead of all
            negatives (CVM-Net's second stage); the query's own pair takes part.

    Raises:
        SkyfixError: rows that do not pair up, a single row, or ``hardest`` beyond the batch.
    """
    satellite, ground = everywhere(satellite, ground)
    count = satellite.shape[0]
    if satellite.shape != ground.shape or count < 2:
        raise SkyfixError(
            f"The weighted soft margin needs two rows or more in pairs, not {count} and "
            f"{ground.shape[0]}. Use a larger batch."
        )
    if hardest > count:
        raise SkyfixError(f"hardest must be at most the batch of {count}, not {hardest}.")
    distance = 2 - 2 * satellite @ ground.T
    own = distance.diagonal()
    negatives = ~torch.eye(count, dtype=torch.bool, device=distance.device)
    if near is not None:
        negatives = negatives & ~near
    # Row q holds query q's terms: ground queries against all satellites, then the reverse.
    margins = torch.stack([own[:, None] - distance.T, own[:, None] - distance])
    counted = torch.stack([negatives.T, negatives])
    terms = F.softplus(alpha * margins * counted)
    if hardest:
        return terms.topk(hardest, dim=2).values.mean()
    if not constant_terms:
        terms = terms * counted
    return terms.sum() / counted.sum().clamp_min(1)
