"""Which rows of a batch show the same place."""

import torch
from torch import Tensor


def pair_masks(places: Tensor) -> tuple[Tensor, Tensor]:
    """Masks ``(N, N)`` of the positive and of the negative pairs of a batch.

    Rows of one place are a positive pair, unless they are the same row; all others are negative.

    Args:
        places: ``(N,)`` class indices.
    """
    same_place = places[:, None] == places
    own = torch.eye(len(places), dtype=torch.bool, device=places.device)
    return same_place & ~own, ~same_place
