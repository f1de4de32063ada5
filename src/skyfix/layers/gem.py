"""Generalized-mean pooling with learned exponents."""

import torch
from torch import Tensor, nn

EPS = 1e-6


class GeM(nn.Module):
    """mean(max(x, 1e-6) ** p) ** (1 / p) with one exponent p a channel (Radenovic et al. 2019).

    Args:
        channels: number of channels C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.full((channels,), 3.0))

    def forward(self, feature_map: Tensor) -> Tensor:
        """A map ``(N, C, H, W)`` to vectors ``(N, C)``, in single precision at least."""
        with torch.autocast(feature_map.device.type, enabled=False):
            cells = feature_map.to(self.exponent.dtype).clamp_min(EPS).flatten(2)
            powers = cells.pow(self.exponent[:, None]).mean(dim=2)
            return powers.pow(1 / self.exponent)
