"""Lifted structure loss: every row against all its positives and negatives at once."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.distances import unit_distances
from skyfix.losses.everywhere import everywhere
from skyfix.losses.pairs import pair_masks


def lifted_structure(
    features: Tensor, places: Tensor, positive_margin: float = 0.0, negative_margin: float = 1.0
) -> Tensor:
    """Generalized lifted structure loss (Hermans et al. 2017, after Oh Song et al. 2016).

    Mean over rows of max(log sum_p exp(d_p - positive_margin) + log sum_n exp(negative_margin -
    d_n), 0). A logarithm counts as 0 for a row without such a pair.

    Args:
        features: ``(N, D)``; d is the distance of the rows scaled to unit length.
        places: ``(N,)`` class indices.
    """
    features, places = everywhere(features, places)
    distance = unit_distances(features)
    positives, negatives = pair_masks(places)
    pull = _log_sum_exp(distance - positive_margin, positives)
    push = _log_sum_exp(negative_margin - distance, negatives)
    return F.relu(pull + push).mean()


def _log_sum_exp(values: Tensor, mask: Tensor) -> Tensor:
    """Over the masked values of each row ``(N, N)``."""
    # Minus infinity would leave gradients of rows without any value undefined.
    left_out = torch.finfo(values.dtype).min
    sums = values.masked_fill(~mask, left_out).logsumexp(dim=1)
    return sums.masked_fill(~mask.any(dim=1), 0)
