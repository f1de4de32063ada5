"""Contrastive losses: pull positive pairs together, push negative pairs apart."""

from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.distances import unit_distances
from skyfix.losses.everywhere import everywhere
from skyfix.losses.pairs import pair_masks
from skyfix.losses.reduction import Reduction, mean_of_positive, reduced


def cosine_contrastive(positive: Tensor, negative: Tensor, reduction: Reduction = "sum") -> Tensor:
    """(1 - s_p)^2 + (1 + s_n)^2 over mined similarities (University-1652 baselines).

    Negatives are pushed until they are opposite to the anchor, not only apart from it.

    Args:
        positive: ``(N,)`` cosine similarity of each anchor with its positive.
        negative: ``(N,)`` the same with its negative.
        reduction: the authors sum.
    """
    return reduced((1 - positive).square() + (1 + negative).square(), reduction)


def contrastive(
    features: Tensor, places: Tensor, positive_margin: float = 0.0, negative_margin: float = 1.0
) -> Tensor:
    """Contrastive loss over all pairs of a batch (Hadsell et al. 2006, without the squares).

    The mean of max(d - positive_margin, 0) over positive pairs plus that of
    max(negative_margin - d, 0) over negative ones; pairs that are satisfied do not count.

    Args:
        features: ``(N, D)``; d is the distance of the rows scaled to unit length.
        places: ``(N,)`` class indices.
    """
    features, places = everywhere(features, places)
    distance = unit_distances(features)
    positives, negatives = pair_masks(places)
    pull = F.relu(distance - positive_margin)[positives]
    push = F.relu(negative_margin - distance)[negatives]
    return mean_of_positive(pull) + mean_of_positive(push)
