"""Pooling the parts of a feature map with one matrix product."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from skyfix.layers.partition import Partition, ring_size, square_rings

GEM_EPS = 1e-6


def average_parts(feature_map: Tensor, partition: Partition) -> Tensor:
    """Weighted averages of a map ``(N, C, H, W)`` as ``(N, parts, C)``."""
    return (partition.cells(feature_map) @ partition.matrix(feature_map).T).transpose(1, 2)


def max_rings(feature_map: Tensor, rings: int) -> Tensor:
    """Maxima of LPN's square rings of a map ``(N, C, H, W)`` as ``(N, rings, C)``.

    A ring's hole takes part with zeros, as in the authors' code. That code lays the hole of the
    outermost ring one cell off the centre where a side is odd; here it stays in the centre.
    """
    feature_map = enlarged(feature_map, rings)
    cells, partition = feature_map.flatten(2), square_rings(*feature_map.shape[-2:], rings)
    inside = [torch.from_numpy(ring).to(cells.device) for ring in partition.members()]
    maxima = [cells.index_select(2, ring).amax(dim=2) for ring in inside]
    return torch.stack([maxima[0], *(ring.clamp_min(0) for ring in maxima[1:])], dim=1)


def enlarged(feature_map: Tensor, rings: int) -> Tensor:
    """A map ``(N, C, H, W)`` that is large enough for its rings, see ``partition.ring_size``."""
    height, width = feature_map.shape[-2:]
    size = ring_size(height, width, rings)
    if size == (height, width):
        return feature_map
    return F.interpolate(feature_map, size=size, mode="bilinear", align_corners=True)


def gem_parts(feature_map: Tensor, partition: Partition) -> Tensor:
    """Generalized means with exponent 3 of a map ``(N, C, H, W)`` as ``(N, parts, C)``.

    mean(max(x, 1e-6) ** 3) ** (1 / 3), the mean by the partition's weights. Computed in at least
    single precision: cubes leave the range of half precision.
    """
    with torch.autocast(feature_map.device.type, enabled=False):
        feature_map = feature_map if feature_map.dtype == torch.float64 else feature_map.float()
        means = _cubed_product(partition.cells(feature_map), partition.matrix(feature_map).T)
        return means.clamp_min(GEM_EPS**3).pow(1 / 3).transpose(1, 2)


def _cubed_product(cells: Tensor, weights: Tensor) -> Tensor:
    if torch.is_grad_enabled() and cells.requires_grad:
        return _CubedProduct.apply(cells, weights)
    return cells.clamp_min(GEM_EPS).pow(3) @ weights


class _CubedProduct(torch.autograd.Function):
    """max(x, eps) ** 3 @ W that keeps x alone for the backward pass.

    The plain expression stores three tensors of the map's size; at 32 x 32 x 2048 cells memory
    traffic is the whole cost.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(cells, weights)
        clamped = cells.clamp_min(GEM_EPS)
        return (clamped * clamped).mul_(clamped) @ weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        cells, weights = ctx.saved_tensors
        scaled = gradient @ (3 * weights.T)
        slope = cells.clamp_min(GEM_EPS).square_()
        return scaled.mul_(slope).mul_(cells >= GEM_EPS), None
