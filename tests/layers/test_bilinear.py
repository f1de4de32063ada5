"""Hierarchical bilinear pooling against its formula."""

import torch
from torch.nn import functional as F

from skyfix.layers.bilinear import HierarchicalBilinearPooling


def test_pairs_are_products_summed_over_cells() -> None:
    torch.manual_seed(0)
    pooling = HierarchicalBilinearPooling(5, 7).eval()
    maps = [torch.randn(2, 5, 3, 4) for _ in range(3)]
    with torch.inference_mode():
        pooled = pooling(maps)
        projected = [pooling.project(feature_map) for feature_map in maps]
    assert pooled.shape == (2, 21)
    for pair, (first, second) in enumerate(((0, 1), (0, 2), (1, 2))):
        product = torch.einsum("nchw,nchw->nc", projected[first], projected[second])
        expected = F.normalize((product + 1e-5).sqrt())
        torch.testing.assert_close(pooled[:, 7 * pair : 7 * pair + 7], expected)
