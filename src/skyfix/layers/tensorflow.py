"""Two layers of TensorFlow 1 that PyTorch computes otherwise."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """Convolution with padding "SAME": an odd surplus of zeros goes to the bottom and right.

    A stride-2 kernel of 3 pads an even size by 0 before and 1 after, an odd size by 1 and 1.
    """

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', ceil(H / stride), ceil(W / stride))``."""
        sides = zip(features.shape[-2:], self.kernel_size, self.stride, strict=True)
        rows, columns = (_surplus(*side) for side in sides)
        return super().forward(F.pad(features, (*columns, *rows)))


def legacy_bilinear(feature_map: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resizing with corners on corners: source = target * old size / new size.

    ``(N, C, H, W)`` to ``(N, C, height, width)``. It looks half a cell up and left of what
    ``torch.nn.functional.interpolate`` gives.
    """
    rows, columns = (
        torch.from_numpy(_interpolation(old, new)).to(feature_map.device, feature_map.dtype)
        for old, new in zip(feature_map.shape[-2:], (height, width), strict=True)
    )
    return rows @ feature_map @ columns.T


def _surplus(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@lru_cache(maxsize=32)
def _interpolation(old: int, new: int) -> np.ndarray:
    """Matrix ``(new, old)``."""
    position = np.arange(new) * old / new
    first = np.floor(position).astype(np.int64)
    second = np.minimum(first + 1, old - 1)
    share = position - first
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new), first), 1 - share)
    np.add.at(matrix, (np.arange(new), second), share)
    return matrix
