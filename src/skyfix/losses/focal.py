"""Focal loss: images that are classified well count less."""

import torch
from torch import Tensor
from torch.nn import functional as F


def focal(logits: Tensor, places: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Mean over images and parts of -w (1 - q)^gamma log q (Lin et al. 2017, as in DenseUAV).

    q is the softmax share of the right place. The weight w is alpha for place 0 and 1 - alpha for
    all others: the loss comes from detection, where class 0 is the background.

    Args:
        logits: ``(N, K, places)``.
        places: ``(N,)`` class index of each image.
    """
    classes = places.repeat_interleave(logits.shape[1])
    surprise = F.cross_entropy(logits.flatten(0, 1), classes, reduction="none")
    weight = torch.where(classes == 0, alpha, 1 - alpha)
    return (weight * (1 - (-surprise).exp()) ** gamma * surprise).mean()
