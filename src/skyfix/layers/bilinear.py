"""Bilinear pooling of several maps, pair by pair."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ROOT_EPS = 1e-5


class HierarchicalBilinearPooling(nn.Module):
    """Products of projected maps, summed over their cells (Yu et al. 2018; MBF).

    All maps share one projection. Each product sum x becomes sqrt(x + 1e-5), scaled to unit
    length.

    Args:
        channels: length C of the maps' vectors.
        width: length of the projected ones.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """M maps ``(N, C, h, w)`` to ``(N, M (M - 1) / 2 * width)``, pairs in their own order."""
        projected = [self.project(feature_map).flatten(2) for feature_map in maps]
        products = [(a * b).sum(dim=2) for a, b in combinations(projected, 2)]
        return torch.cat([F.normalize((x + _ROOT_EPS).sqrt()) for x in products], dim=1)
