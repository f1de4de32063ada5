"""Divergence between the predictions of two views."""

from torch import Tensor
from torch.nn import functional as F


def prediction_divergence(logits: Tensor, target: Tensor) -> Tensor:
    """KL divergence of softmax(logits) from softmax(target), mean over rows (Dai et al. 2023).

    The target gets no gradient: the first view learns to predict what the second one does.

    Args:
        logits, target: ``(..., places)``; equal indices show the same place. Leading dimensions,
            such as those for images and parts, are averaged.
    """
    log_shares = logits.flatten(0, -2).log_softmax(dim=1)
    return F.kl_div(
        log_shares,
        target.detach().flatten(0, -2).log_softmax(dim=1),
        reduction="batchmean",
        log_target=True,
    )
