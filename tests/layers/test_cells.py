"""Pooling, grouping and gating of a map's cells."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.errors import SkyfixError
from skyfix.layers.gem import GeM
from skyfix.layers.heat_groups import heat_groups
from skyfix.layers.triplet_attention import TripletAttention


def test_gem_equals_the_authors(load_golden: Callable, fill: ModuleType, golden: Path) -> None:
    described, arrays = load_golden("geometry/u1652_gem")
    exponent = fill.make_state_dict(described["keys"])["gem2.p"]
    for case in described["cases"]:
        pooling = GeM(len(exponent))
        pooling.exponent.data.copy_(exponent)
        feature_map = fill.make_input(case["input"]["name"], case["input"]["shape"])
        pooled = pooling(feature_map)
        authors = torch.from_numpy(arrays[case["array"]])
        torch.testing.assert_close(pooled, authors.reshape(pooled.shape), rtol=0, atol=1e-5)
        pooled.sum().backward()
        authors = torch.from_numpy(arrays[case["array_grad_p_of_sum"]])
        torch.testing.assert_close(pooling.exponent.grad, authors, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 5), st.integers(5, 30), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_heat_groups_equal_a_sorted_split(groups: int, cells: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(2, cells, 3, generator=generator, dtype=torch.float64)
    expected = []
    for image in tokens:
        ranked = sorted(image, key=lambda cell: -cell.mean().item())
        size = cells // groups
        ends = [size * (group + 1) for group in range(groups - 1)] + [cells]
        starts = [0, *ends[:-1]]
        expected.append(
            torch.stack(
                [
                    torch.stack(ranked[start:end]).mean(dim=0)
                    for start, end in zip(starts, ends, strict=True)
                ]
            )
        )
    torch.testing.assert_close(heat_groups(tokens, groups), torch.stack(expected))


@pytest.mark.parametrize("groups", [0, 5])
def test_groups_without_cells_are_refused(groups: int) -> None:
    with pytest.raises(SkyfixError, match=f"4 cells cannot be split into {groups} groups"):
        heat_groups(torch.zeros(1, 4, 2), groups)


def test_triplet_attention_equals_loops_over_its_planes() -> None:
    torch.manual_seed(0)
    attention = TripletAttention().eval()
    feature_map = torch.randn(2, 5, 3, 4)
    across_height, across_width = attention(feature_map)

    def gate(module: torch.nn.Module, largest: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        stacked = torch.stack([largest, mean])[None]
        return torch.sigmoid(module.norm(module.conv(stacked)))[0, 0]

    for n in range(2):
        one = feature_map[n]
        weight = gate(attention.channel_width, one.amax(dim=1), one.mean(dim=1))
        torch.testing.assert_close(across_height[n], one * weight[:, None, :])
        weight = gate(attention.height_channel, one.amax(dim=2).T, one.mean(dim=2).T)
        torch.testing.assert_close(across_width[n], one * weight.T[:, :, None])
