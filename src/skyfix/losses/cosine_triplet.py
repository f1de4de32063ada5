"""Triplet loss on cosine similarities."""

from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.reduction import Reduction, reduced


def cosine_triplet(
    positive: Tensor, negative: Tensor, margin: float = 0.3, reduction: Reduction = "sum"
) -> Tensor:
    """max(s_n + margin - s_p, 0) over mined similarities (University-1652 baselines).

    Args:
        positive: ``(N,)`` cosine similarity of each anchor with its positive.
        negative: ``(N,)`` the same with its negative.
        reduction: the authors sum.
    """
    return reduced(F.relu(negative + margin - positive), reduction)
