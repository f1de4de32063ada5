"""From one value per row or pair to a scalar."""

from typing import Literal

from torch import Tensor

Reduction = Literal["mean", "sum"]
REDUCTIONS = ("mean", "sum")


def reduced(values: Tensor, reduction: Reduction) -> Tensor:
    """Mean or sum of ``(N,)`` values. A learning rate tuned for one does not suit the other."""
    return values.mean() if reduction == "mean" else values.sum()


def mean_of_positive(values: Tensor) -> Tensor:
    """Mean of the values above 0, which is 0 if there are none."""
    return values.clamp_min(0).sum() / (values > 0).sum().clamp_min(1)
