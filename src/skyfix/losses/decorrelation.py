"""Decorrelation of the channels of two views."""

import torch
from torch import Tensor


def decorrelation(
    first: Tensor, second: Tensor, off_diagonal: float = 0.0013, scale: float = 1 / 32
) -> Tensor:
    """Dynamic weighted decorrelation regularization (Wang et al. 2022, DWDR).

    scale (sum_i w_ii (1 - c_ii)^2 + off_diagonal sum_{i != j} w_ij c_ij^2) with the correlations
    c = first^T second / N of channels. The weights w_ii = (1 - c_ii) / 2 and w_ij = abs(c_ij),
    which get gradients too, are 1 in Barlow Twins (Zbontar et al. 2021).

    Args:
        first, second: ``(N, C)``; row i of both shows the same place. Used as they are; columns
            of mean 0 and variance 1 make c correlations.
        off_diagonal: the authors' value for ResNet-50.
    """
    correlation = first.T @ second / len(first)
    own = correlation.diagonal()
    others = correlation - torch.diag(own)
    return scale * ((1 - own).pow(3).sum() / 2 + off_diagonal * others.abs().pow(3).sum())
