"""The hardest positive and negative of each anchor in a batch of sampled images."""

import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.losses.everywhere import everywhere

# The lowest cosine: an anchor without any negative acts as if its negative were opposite to it.
_NO_NEGATIVE = -1.0


def hardest_similarities(
    anchors: Tensor, candidates: Tensor, places: Tensor, pool: int = 0
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of each anchor with its hardest positive and negative.

    The positive is the least similar of the anchor's own candidates; the negative is the most
    similar candidate of another place (University-1652 baselines).

    Args:
        anchors: unit rows ``(N, D)``.
        candidates: unit rows ``(N * K, D)``; rows K i to K i + K - 1 belong to anchor i.
        places: ``(N,)`` class index of each anchor.
        pool: look for negatives among this many candidates, drawn at random; 0 means all.

    Returns:
        Similarities ``(N,)`` with the positives and with the negatives.

    Raises:
        SkyfixError: candidates that do not divide among the anchors.
    """
    anchors, places = everywhere(anchors, places)
    (candidates,) = everywhere(candidates)
    count = anchors.shape[0]
    if candidates.shape[0] % count:
        raise SkyfixError(
            f"{candidates.shape[0]} candidates do not divide among {count} anchors. Sample the "
            "batch by places."
        )
    similarity = anchors @ candidates.T
    own = similarity.unflatten(1, (count, -1)).diagonal().T
    same_place = places[:, None] == places.repeat_interleave(own.shape[1])
    negatives = similarity.masked_fill(same_place, _NO_NEGATIVE)
    if 0 < pool < candidates.shape[0]:
        negatives = negatives[:, torch.randperm(candidates.shape[0])[:pool].to(negatives.device)]
    # min and max send the gradient to one entry; amin and amax would divide it among equals.
    return own.min(dim=1).values, negatives.max(dim=1).values
