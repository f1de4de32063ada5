"""Decorrelation of channels against the authors' numbers and a literal twin."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from skyfix.losses.decorrelation import decorrelation


def test_decorrelation_equals_the_authors(load_golden: Callable, fill: ModuleType) -> None:
    description, arrays = load_golden("losses/losses")
    case = next(case for case in description["losses"] if case["name"] == "dwdr_decouple")
    inputs = {
        key: fill.make_input(source["name"], source["shape"]).requires_grad_()
        for key, source in case["inputs"].items()
    }
    loss = decorrelation(*inputs.values(), off_diagonal=case["lambd"], scale=case["scale"])
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], rel=1e-6)
    for key, tensor in inputs.items():
        authors = torch.from_numpy(arrays[f"dwdr_decouple__grad__{key}"])
        torch.testing.assert_close(tensor.grad, authors, rtol=1e-5, atol=1e-7)


def test_decorrelation_equals_a_loop_over_channels() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 9, 5)
    expected = 0.0
    for i in range(5):
        for j in range(5):
            c = (first[:, i] * second[:, j]).mean().item()
            expected += (1 - c) / 2 * (1 - c) ** 2 if i == j else 0.3 * abs(c) * c**2
    loss = decorrelation(first, second, off_diagonal=0.3, scale=0.5)
    assert loss.item() == pytest.approx(0.5 * expected, rel=1e-5)


def test_equal_views_of_independent_channels_cost_nothing() -> None:
    rows = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert decorrelation(rows, rows).item() == 0
    assert decorrelation(rows, rows.flip(1)).item() > 0
