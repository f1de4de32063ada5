"""Distances within a batch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def unit_distances(features: Tensor) -> Tensor:
    """Euclidean distances ``(N, N)`` of rows ``(N, D)`` scaled to unit length."""
    unit = F.normalize(features)
    # Differences, not the product form: near-equal rows would lose half their digits there.
    return torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
