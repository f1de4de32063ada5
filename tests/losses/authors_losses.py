"""The inputs of the fixtures in double precision, and the comparison with their numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

RELATIVE = 1e-9
LOG_SCALE = 2.659260036932778
ROWS = (16, 64)


def check(loss: Tensor, case: dict, inputs: dict[str, Tensor]) -> None:
    """Value, norms of the gradients and their first entries."""
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], rel=RELATIVE)
    norms = case["grad_norms"]
    if isinstance(norms, list):
        norms = dict(zip(inputs, norms, strict=True))
    for name, norm in norms.items():
        gradient = inputs[name].grad
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(norm, rel=RELATIVE, abs=1e-13), name
        if "grad_first4" in case and gradient.ndim:
            first = torch.tensor(case["grad_first4"][name], dtype=torch.float64)
            torch.testing.assert_close(gradient.flatten()[:4], first, rtol=RELATIVE, atol=1e-13)


def leaves(**tensors: Tensor) -> dict[str, Tensor]:
    """Copies that collect gradients."""
    return {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}


def two_views(name: str, draw: Callable, unit: bool) -> tuple[Tensor, Tensor]:
    """The fixtures' rows: unrelated draws, or the second view made from the first."""
    first, second = draw("sat", ROWS), draw("grd", ROWS)
    if unit:
        first, second = F.normalize(first), F.normalize(second)
    if "unrelated" in name or "_raw" in name:
        return first, second
    second = 0.35 * first + second
    return first, F.normalize(second) if unit else second
