"""Distances within a batch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def unit_distances(features: Tensor) -> Tensor:
    """Euclidean distances ``(N, N)`` of rows ``(N, D)`` scaled to unit length."""
    unit = F.normalize(features)
    # Differences, not the product form: near-equal rows would lose half their digits there.
    return torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")


def triplet_gaps(features: Tensor) -> Tensor:
    """d_ap - d_an ``(N, N, N)`` for all (a, p, n) of rows ``(N, D)``, see ``unit_distances``."""
    distance = unit_distances(features)
    return distance[:, :, None] - distance[:, None, :]
