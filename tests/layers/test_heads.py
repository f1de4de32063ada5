"""Heads of all parts in one product against a linear layer and a classifier for each."""

import pytest
import torch
from torch import nn

from skyfix.layers.heads import PartHeads

PARTS, CHANNELS, WIDTH, PLACES = 3, 7, 5, 4


def gradients(heads: PartHeads, pooled: torch.Tensor) -> list[torch.Tensor]:
    heads.zero_grad()
    inputs = pooled.clone().requires_grad_()
    heads.classify(heads.embed(inputs)).square().sum().backward()
    return [inputs.grad, *(one.grad for one in heads.parameters())]


@pytest.fixture
def heads() -> PartHeads:
    torch.manual_seed(0)
    return PartHeads(PARTS, CHANNELS, WIDTH, PLACES, dropout=0.0, norm=False).double()


def test_values_and_gradients_are_those_of_separate_layers(heads: PartHeads) -> None:
    pooled = torch.randn(6, PARTS, CHANNELS, dtype=torch.float64)
    inputs = pooled.clone().requires_grad_()
    logits, layers = [], []
    for part in range(PARTS):
        for name in ("bottleneck", "classifier"):
            weight, bias = (getattr(heads, f"{name}_{kind}")[part] for kind in ("weight", "bias"))
            layer = nn.Linear(*weight.shape[::-1]).double()
            layer.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
            layers.append(layer)
        logits.append(layers[-1](layers[-2](inputs[:, part])))
    expected = torch.stack(logits, dim=1)
    torch.testing.assert_close(heads.classify(heads.embed(pooled)), expected)
    with torch.inference_mode():
        torch.testing.assert_close(heads.classify(heads.embed(pooled)), expected.detach())
    expected.square().sum().backward()
    first, *of_heads = gradients(heads, pooled)
    torch.testing.assert_close(first, inputs.grad)
    bottlenecks, classifiers = layers[::2], layers[1::2]
    wanted = [
        torch.stack([getattr(layer, kind).grad for layer in some])
        for some in (bottlenecks, classifiers)
        for kind in ("weight", "bias")
    ]
    for found, right in zip(of_heads, wanted, strict=True):
        torch.testing.assert_close(found, right)
        assert found.is_contiguous()


def test_mixed_precision_gives_gradients_as_precise_as_the_weights(heads: PartHeads) -> None:
    heads.float()
    pooled = torch.randn(6, PARTS, CHANNELS)
    exact = gradients(heads, pooled)
    with torch.autocast("cpu", torch.bfloat16):
        assert heads.embed(pooled).dtype == torch.bfloat16
        lower = gradients(heads, pooled)
    for one, other in zip(lower, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 0.05 * other.norm()
