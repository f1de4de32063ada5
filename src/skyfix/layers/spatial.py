"""Spatial-aware position embedding of SAFA (Shi et al. 2019, section 3.2)."""

from typing import Literal

import torch
from torch import Tensor, nn

Squeeze = Literal["max", "mean"]


class PositionEmbedding(nn.Module):
    """Weighs the positions of a map, one weighting a head: ``(N, C, P)`` to ``(N, heads * C)``.

    The strongest (or mean) channel of each position passes two linear layers, P to P // 2 to P,
    without an activation; the result weighs the positions. The head runs slowest.

    Args:
        positions: number of positions P.
        heads: number of weightings.
        squeeze: what of a position's channels enters: ``max`` (paper, first code) or ``mean``
            (the authors' later code).
    """

    def __init__(self, positions: int, heads: int, squeeze: Squeeze) -> None:
        super().__init__()
        hidden = positions // 2
        self.squeeze = squeeze
        self.weight1 = nn.Parameter(torch.empty(positions, hidden, heads))
        self.bias1 = nn.Parameter(torch.full((1, hidden, heads), 0.1))
        self.weight2 = nn.Parameter(torch.empty(hidden, positions, heads))
        self.bias2 = nn.Parameter(torch.full((1, positions, heads), 0.1))
        for weight in (self.weight1, self.weight2):
            nn.init.trunc_normal_(weight, std=0.005, a=-0.01, b=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Weighted sums over the positions, ``(N, C, P)`` to ``(N, heads * C)``."""
        squeezed = features.amax(dim=1) if self.squeeze == "max" else features.mean(dim=1)
        hidden = torch.einsum("np,pqh->nqh", squeezed, self.weight1) + self.bias1
        weights = torch.einsum("nqh,qph->nph", hidden, self.weight2) + self.bias2
        return (features @ weights).transpose(1, 2).flatten(1)
