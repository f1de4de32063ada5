"""Alignment of two views' feature maps."""

from torch import Tensor
from torch.nn import functional as F


def map_alignment(first: Tensor, second: Tensor) -> Tensor:
    """1 - mean cosine of paired maps, without negatives (Xia et al. 2024, DAC's DSA loss).

    Args:
        first, second: ``(B, C, P)``, compared cell by cell, so that mirrored or turned images
            must be mirrored or turned alike.
    """
    return 1 - F.cosine_similarity(first.flatten(1), second.flatten(1)).mean()
