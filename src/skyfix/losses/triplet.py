"""Triplet losses on the hardest pairs of a batch.

Distances are Euclidean between rows divided by (length + 1e-6), and at least 1e-3. An anchor
without a positive or without a negative adds nothing, and is not counted. Features may have
leading dimensions, such as one for parts: the result is the mean over them.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.everywhere import everywhere

_LENGTH_EPS = 1e-6
_SQUARED_FLOOR = 1e-6


def cross_view_triplet(
    first: Tensor,
    second: Tensor,
    first_places: Tensor,
    second_places: Tensor,
    margin: float = 0.3,
    hard_factor: float = 0.0,
) -> Tensor:
    """Mean of max(d_ap - d_an + margin, 0), both from the other view (FSRA, MCCG).

    Each image of both views is an anchor; its hardest positive is the farthest image of its place
    in the other view, its hardest negative the nearest image of another place there.

    Args:
        first, second: features of one view each, ``(..., N, D)`` and ``(..., M, D)``.
        first_places, second_places: ``(N,)`` and ``(M,)`` class indices.
        hard_factor: makes pairs harder still: d_ap (1 + f), d_an (1 - f).
    """
    first, first_places = everywhere(first, first_places)
    second, second_places = everywhere(second, second_places)
    distance = _distances(first, second)
    same_place = first_places[:, None] == second_places
    gaps, counted = _hardest_gaps(distance, same_place, hard_factor)
    back_gaps, back_counted = _hardest_gaps(distance.mT, same_place.T, hard_factor)
    terms = F.relu(torch.cat([gaps, back_gaps], dim=-1) + margin)
    return _mean(terms, torch.cat([counted, back_counted]))


def batch_hard_triplet(features: Tensor, places: Tensor, margin: float = 0.3) -> Tensor:
    """Mean of max(d_ap - d_an + margin, 0) over a batch of mixed views (Hermans et al. 2017).

    Args:
        features: ``(..., N, D)``; both pairs may be of the anchor's own view.
        places: ``(N,)`` class indices.
    """
    features, places = everywhere(features, places)
    gaps, counted = _hardest_gaps(_distances(features, features), places[:, None] == places)
    return _mean(F.relu(gaps + margin), counted)


def weighted_soft_triplet(features: Tensor, places: Tensor, alpha: float = 3.0) -> Tensor:
    """Mean of log(1 + exp(alpha (d_ap - d_an))) over a batch of mixed views (DenseUAV).

    Args:
        features: ``(..., N, D)``; pairs as in ``batch_hard_triplet``.
        places: ``(N,)`` class indices.
        alpha: weight; 1 is the plain soft margin.
    """
    features, places = everywhere(features, places)
    gaps, counted = _hardest_gaps(_distances(features, features), places[:, None] == places)
    return _mean(F.softplus(alpha * gaps), counted)


def mean_negative_triplet(features: Tensor, places: Tensor, margin: float = 0.3) -> Tensor:
    """Like ``batch_hard_triplet`` with the mean distance of all negatives (DenseUAV's option)."""
    features, places = everywhere(features, places)
    distance = _distances(features, features)
    same_place = places[:, None] == places
    farthest = distance.masked_fill(~same_place, -torch.inf).max(dim=-1).values
    negatives = (~same_place).sum(dim=-1)
    mean_negative = distance.masked_fill(same_place, 0).sum(dim=-1) / negatives.clamp_min(1)
    return _mean(F.relu(farthest - mean_negative + margin), negatives > 0)


def _distances(first: Tensor, second: Tensor) -> Tensor:
    first, second = (x / (x.norm(dim=-1, keepdim=True) + _LENGTH_EPS) for x in (first, second))
    squares = first.square().sum(-1)[..., :, None] + second.square().sum(-1)[..., None, :]
    return (squares - 2 * first @ second.mT).clamp_min(_SQUARED_FLOOR).sqrt()


def _hardest_gaps(
    distance: Tensor, same_place: Tensor, hard_factor: float = 0.0
) -> tuple[Tensor, Tensor]:
    """d_ap - d_an of each anchor ``(..., N)``, and which anchors have both ``(N,)``.

    An anchor that lacks one has a gap of minus infinity, which both losses turn into 0.
    """
    # max and min send the gradient to one entry; amax and amin would divide it among equals.
    positive = distance.masked_fill(~same_place, -torch.inf).max(dim=-1).values
    negative = distance.masked_fill(same_place, torch.inf).min(dim=-1).values
    counted = same_place.any(dim=-1) & ~same_place.all(dim=-1)
    return positive * (1 + hard_factor) - negative * (1 - hard_factor), counted


def _mean(terms: Tensor, counted: Tensor) -> Tensor:
    terms = terms * counted
    leading = terms.numel() // terms.shape[-1]
    return terms.sum() / (leading * counted.sum().clamp_min(1))
