"""Place classification of parts (instance loss)."""

from torch import Tensor
from torch.nn import functional as F


def part_cross_entropy(logits: Tensor, places: Tensor) -> Tensor:
    """Sum over parts of the mean cross-entropy (Zheng et al. 2020; Wang et al. 2021, eq. 6).

    Args:
        logits: ``(N, K, places)``.
        places: ``(N,)`` class index of each image.
    """
    return logits.shape[1] * mean_cross_entropy(logits, places)


def mean_cross_entropy(logits: Tensor, places: Tensor) -> Tensor:
    """Mean cross-entropy over images and parts (Dai et al. 2022, FSRA).

    Args:
        logits: ``(N, K, places)``.
        places: ``(N,)`` class index of each image.
    """
    return F.cross_entropy(logits.flatten(0, 1), places.repeat_interleave(logits.shape[1]))
