"""Circle loss: pairs count the more, the farther they are from where they should be."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.everywhere import everywhere
from skyfix.losses.pairs import pair_masks


def circle(features: Tensor, places: Tensor, margin: float = 0.25, scale: float = 32.0) -> Tensor:
    """Circle loss over all pairs of a batch at once (Sun et al. 2020), divided by its rows.

    log(1 + sum_n exp(scale a_n (s_n - margin)) sum_p exp(scale a_p (1 - margin - s_p))) / N over
    the cosines s_p, s_n of positive and negative pairs, with the weights
    a_p = max(1 + margin - s_p, 0) and a_n = max(s_n + margin, 0), which get no gradient. 0 without
    a positive or without a negative pair.

    Division and values as in University-1652. Where its code merges views, it divides by the
    images of one view; here it is always by all rows.

    Args:
        features: ``(N, D)``, compared by cosine.
        places: ``(N,)`` class indices.
    """
    features, places = everywhere(features, places)
    unit = F.normalize(features)
    similarity = unit @ unit.T
    positives, negatives = (similarity[mask.triu(1)] for mask in pair_masks(places))
    pull = F.relu(1 + margin - positives.detach()) * (1 - margin - positives)
    push = F.relu(negatives.detach() + margin) * (negatives - margin)
    exponents = ((scale * terms).logsumexp(dim=0) for terms in (pull, push))
    return F.softplus(torch.stack(list(exponents)).sum()) / len(places)
