"""Triplet attention: gates across a map's channel and spatial axes (Misra et al. 2021)."""

import torch
from torch import Tensor, nn

KERNEL = 7


class TripletAttention(nn.Module):
    """Two of the three gates, those that mix the channels with one spatial axis (MCCG, DAC)."""

    def __init__(self) -> None:
        super().__init__()
        self.channel_width = AxisGate()
        self.height_channel = AxisGate()

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        """A map ``(N, C, H, W)`` weighted by each gate: over (C, W), then over (H, C)."""
        over_height = self.channel_width(feature_map.transpose(1, 2))
        over_width = self.height_channel(feature_map.transpose(1, 3))
        return over_height.transpose(1, 2), over_width.transpose(1, 3)


class AxisGate(nn.Module):
    """Weights a tensor ``(N, A, B, C)`` by a sigmoid over (B, C) that is learned from axis A."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, tensor: Tensor) -> Tensor:
        """The weighted tensor, of the same shape."""
        pooled = torch.cat([tensor.amax(1, keepdim=True), tensor.mean(1, keepdim=True)], dim=1)
        return tensor * torch.sigmoid(self.norm(self.conv(pooled)))
