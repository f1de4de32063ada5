"""Triplet loss on semi-hard triplets."""

from torch import Tensor

from skyfix.losses.distances import triplet_gaps
from skyfix.losses.everywhere import everywhere
from skyfix.losses.pairs import pair_masks
from skyfix.losses.reduction import mean_of_positive


def semihard_triplet(features: Tensor, places: Tensor, margin: float = 0.2) -> Tensor:
    """Mean of d_ap - d_an + margin over all triplets with d_ap < d_an < d_ap + margin.

    The negative is farther than the positive, but by less than the margin (Schroff et al. 2015,
    FaceNet). 0 without such a triplet.

    Args:
        features: ``(N, D)``; d is the distance of the rows scaled to unit length.
        places: ``(N,)`` class indices.
    """
    features, places = everywhere(features, places)
    gaps = triplet_gaps(features)
    positives, negatives = pair_masks(places)
    semihard = positives[:, :, None] & negatives[:, None, :] & (gaps < 0)
    return mean_of_positive((gaps + margin)[semihard])
