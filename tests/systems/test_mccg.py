"""MCCG: parity with the authors' code, its gates."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from parity import Authors
from torch import nn

from skyfix.layers.triplet_attention import TripletAttention

TERMS = {"cls": ("classification_satellite", "classification_drone"), "triplet": ("triplet",)}
GATES = {"cw": "channel_width", "hc": "height_channel"}


@pytest.mark.parametrize("size", [256, pytest.param(384, marks=pytest.mark.slow)])
def test_descriptors_equal_the_authors(size: int, authors: Authors) -> None:
    authors.check_descriptors("mccg", "mccg", (size,))


@pytest.mark.slow
def test_training_step_equals_the_authors(authors: Authors) -> None:
    authors.check_training_step("mccg", "mccg", TERMS)


def test_gates_equal_the_authors(load_golden: Callable, fill: ModuleType) -> None:
    description, arrays = load_golden("geometry/mccg")
    for case in description["cases"]:
        attention = filled(description, fill).train(case["mode"] == "train")
        feature_map = fill.make_input(case["input"]["name"], case["input"]["shape"])
        for gate, gated in zip(GATES, attention(feature_map), strict=True):
            expected = torch.from_numpy(arrays[case[gate]])
            torch.testing.assert_close(gated, expected, rtol=0, atol=1e-5)
            norm = attention.get_submodule(f"{GATES[gate]}.norm")
            assert isinstance(norm, nn.BatchNorm2d)
            for statistic in ("running_mean", "running_var"):
                after = case[f"{statistic}_after"][gate]
                assert getattr(norm, statistic).item() == pytest.approx(after, abs=1e-6)


def filled(description: dict, fill: ModuleType) -> TripletAttention:
    state = fill.make_state_dict(description["keys"], salt=description["fill"]["salt"])
    attention = TripletAttention()
    attention.load_state_dict(
        {
            f"{GATES[key[:2]]}.{key[len('cw.conv.') :].replace('bn.', 'norm.')}": tensor
            for key, tensor in state.items()
        }
    )
    return attention
