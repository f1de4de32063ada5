"""Triplet losses on the pairs that a multi-similarity miner keeps."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.distances import triplet_gaps
from skyfix.losses.everywhere import everywhere
from skyfix.losses.pairs import pair_masks
from skyfix.losses.reduction import mean_of_positive

EPSILON = 0.1


def informative_pairs(features: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Masks ``(N, N)`` of the positive and negative pairs worth learning from.

    Row i keeps a positive that is less similar than its most similar negative plus 0.1, and a
    negative that is more similar than its least similar positive minus 0.1 (pair mining of Wang
    et al. 2019, "Multi-Similarity Loss").

    Args:
        features: ``(N, D)``, compared by cosine.
        places: ``(N,)`` class indices.
    """
    unit = F.normalize(features.detach())
    similarity = unit @ unit.T
    positives, negatives = pair_masks(places)
    nearest = similarity.masked_fill(~negatives, -torch.inf).amax(dim=1, keepdim=True)
    farthest = similarity.masked_fill(~positives, torch.inf).amin(dim=1, keepdim=True)
    hard_positives = positives & (similarity - EPSILON < nearest)
    hard_negatives = negatives & (similarity + EPSILON > farthest)
    return hard_positives, hard_negatives


def mined_triplet(features: Tensor, places: Tensor, margin: float = 0.3) -> Tensor:
    """Mean of the positive max(d_ap - d_an + margin, 0) over all triplets of mined pairs.

    Args:
        features: ``(N, D)``; d is the distance of the rows scaled to unit length.
        places: ``(N,)`` class indices.
    """
    gaps, triplets = _triplets(features, places)
    return mean_of_positive(F.relu(gaps + margin)[triplets])


def mined_soft_margin(features: Tensor, places: Tensor, alpha: float = 10.0) -> Tensor:
    """Mean of log(1 + exp(alpha (d_ap - d_an))) over all triplets of mined pairs; 0 without any.

    Args:
        features: ``(N, D)``; d is the distance of the rows scaled to unit length.
        places: ``(N,)`` class indices.
    """
    gaps, triplets = _triplets(features, places)
    return mean_of_positive(F.softplus(alpha * gaps)[triplets])


def _triplets(features: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """d_ap - d_an for all (a, p, n), and which of them are triplets of mined pairs."""
    features, places = everywhere(features, places)
    positives, negatives = informative_pairs(features, places)
    return triplet_gaps(features), positives[:, :, None] & negatives[:, None, :]
