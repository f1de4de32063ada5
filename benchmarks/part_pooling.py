"""Pooling, fusion and heads of SDPL and LPN against slicing and padding, forward and backward.

    python benchmarks/part_pooling.py [--runs 5] [--batch 8] [--side 32] [--write docs/speed.md]

Both sides start from the same feature map and end at the same sum of cross-entropies. The 1x1
convolution of SDPL's shift-weight estimator, which both would run alike, is measured apart.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from timing import alternate, machine, publish, table
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.layers.heads import PartHeads
from skyfix.layers.partition import dense_parts, shifted_dense_parts, square_rings
from skyfix.layers.pooling import average_parts, gem_parts
from skyfix.layers.released_partition import released_dense_parts
from skyfix.losses.classification import part_cross_entropy

CHANNELS, PLACES, RINGS = 2048, 701, 4


def literal_gem(part: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(part.clamp(min=1e-6).pow(3), 1).flatten(1).pow(1 / 3)


def cut(feature_map: Tensor, half: int, shift: int) -> Tensor:
    middle = feature_map.shape[-1] // 2 + shift
    return feature_map[:, :, middle - half : middle + half, middle - half : middle + half]


def padded(square: Tensor, side: int, shift: int = 0) -> Tensor:
    before = (side - square.shape[-1]) // 2 + shift
    after = side - square.shape[-1] - before
    return F.pad(square, (before, after, before, after))


def literal_paper_parts(feature_map: Tensor) -> Tensor:
    """Each part of each shift: cut the outer square, subtract the padded inner one, pool."""
    side = feature_map.shape[-1]
    step, shift_cells = side // (2 * RINGS), max(1, side // 16)
    shifts = []
    for shift in (-shift_cells, 0, shift_cells):
        parts = []
        for outer, inner in dense_parts(RINGS):
            whole = outer == RINGS
            part = feature_map if whole else cut(feature_map, outer * step, shift)
            if inner:
                hole = cut(feature_map, inner * step, shift)
                part = part - padded(hole, part.shape[-1], shift if whole else 0)
            parts.append(literal_gem(part))
        shifts.append(torch.stack(parts, dim=2))
    return torch.stack(shifts)


def literal_released_parts(feature_map: Tensor) -> Tensor:
    """The same with four rings cut once a shift, added up, and a map that loses its squares."""
    side = feature_map.shape[-1]
    step = side // 8
    shifts = []
    for shift in (-2, 0, 2):
        squares = [cut(feature_map, k * step, shift) for k in (1, 2, 3)]
        ring0 = squares[0]
        ring1 = squares[1] - padded(squares[0], 4 * step)
        ring2 = squares[2] - padded(squares[1], 6 * step)
        feature_map = ring3 = feature_map - padded(squares[2], side, shift)
        two = padded(ring0, 4 * step) + ring1
        three = padded(ring1, 6 * step) + ring2
        parts = [ring0, ring1, ring2, ring3, two, three]
        parts.append(padded(ring2, side) + ring3)
        parts.append(padded(two, 6 * step) + ring2)
        parts.append(padded(three, side) + ring3)
        parts.append(feature_map)
        shifts.append(torch.stack([literal_gem(part) for part in parts], dim=2))
    return torch.stack(shifts)


class LiteralHeads(nn.Module):
    """Ten separate heads, as the University-1652 family writes them."""

    def __init__(self, heads: PartHeads) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for part in range(heads.parts):
            linear = nn.Linear(CHANNELS, heads.width)
            classifier = nn.Linear(heads.width, PLACES)
            linear.weight.data.copy_(heads.bottleneck_weight[part])
            linear.bias.data.copy_(heads.bottleneck_bias[part])
            classifier.weight.data.copy_(heads.classifier_weight[part])
            classifier.bias.data.copy_(heads.classifier_bias[part])
            norm = nn.BatchNorm1d(heads.width)
            norm.weight.data.copy_(heads.norm.weight.view(heads.parts, -1)[part])
            self.blocks.append(nn.Sequential(linear, norm, classifier))

    def forward(self, parts: Tensor) -> list[Tensor]:
        return [block(parts[:, :, index]) for index, block in enumerate(self.blocks)]


def fused_literally(parts: Tensor, weights: Tensor) -> Tensor:
    return sum(weights[:, s].view(-1, 1, 1) * parts[s] for s in range(3))


def literal_lpn_parts(feature_map: Tensor) -> Tensor:
    """Each ring: cut the outer square, subtract the padded inner one, average the square."""
    side = feature_map.shape[-1]
    step = side // (2 * RINGS)
    squares = [cut(feature_map, ring * step, 0) for ring in range(1, RINGS)] + [feature_map]
    rings = squares[:1] + [
        outer - padded(inner, outer.shape[-1]) for inner, outer in pairwise(squares)
    ]
    return torch.stack([F.adaptive_avg_pool2d(ring, 1).flatten(1) for ring in rings], dim=2)


PREFACE = """Made by `python benchmarks/part_pooling.py --runs {runs}` ({machine}).
Part pooling, fusion and heads, one for each part, on a map of 2048 channels, batch {batch}, forward
and backward, median of alternating runs. The literal side slices and pads each part of each shift
and runs each head on its own; loss and gradient of both sides agree. The 1x1 convolution of SDPL's
shift-weight estimator, which both sides share, stands apart.
"""
Pool = Callable[[Tensor], Tensor]


def sdpl_pooling(variant: str, batch: int, side: int) -> tuple[Pool, Pool]:
    """SDPL's fused parts, (N, C, K) in the literal steps and (N, K, C) as skyfix pools them."""
    weights = torch.softmax(torch.randn(batch, 3), dim=1)
    literal = literal_paper_parts if variant == "paper" else literal_released_parts
    partition = (
        shifted_dense_parts(side, side, RINGS)
        if variant == "paper"
        else released_dense_parts(side, side)
    )

    def fused(feature_map: Tensor) -> Tensor:
        parts = gem_parts(feature_map, partition).unflatten(1, (3, -1))
        return (weights[:, :, None, None] * parts).sum(dim=1)

    return lambda feature_map: fused_literally(literal(feature_map), weights), fused


def run(parts: int, batch: int, side: int, runs: int, pools: tuple[Pool, Pool]) -> list[str]:
    """Numbers of one row of the table, after checking that both sides agree."""
    literal_pool, pool = pools
    image = torch.relu(torch.randn(batch, CHANNELS, side, side))
    labels = torch.randint(PLACES, (batch,))
    heads = PartHeads(parts, CHANNELS, 512, PLACES, dropout=0.0).train()
    separate = LiteralHeads(heads).train()

    def literal() -> tuple[Tensor, Tensor]:
        leaf = image.detach().requires_grad_()
        loss = sum(F.cross_entropy(part, labels) for part in separate(literal_pool(leaf)))
        separate.zero_grad()
        loss.backward()
        return loss.detach(), leaf.grad

    def matrix() -> tuple[Tensor, Tensor]:
        leaf = image.detach().requires_grad_()
        loss = part_cross_entropy(heads.classify(heads.embed(pool(leaf))), labels)
        heads.zero_grad()
        loss.backward()
        return loss.detach(), leaf.grad

    (one_loss, one_grad), (other_loss, other_grad) = literal(), matrix()
    torch.testing.assert_close(one_loss, other_loss, rtol=1e-4, atol=1e-4)
    assert (one_grad - other_grad).norm() <= 1e-4 * one_grad.norm()
    seconds = alternate({"literal": literal, "matrix": matrix}, runs)
    slow, fast = seconds["literal"], seconds["matrix"]
    return [f"{side} x {side}", str(parts), f"{1e3 * slow:.0f}", f"{1e3 * fast:.0f}",
            f"{slow / fast:.1f}"]  # fmt: skip


def convolution_ms(batch: int, side: int, runs: int) -> str:
    """Milliseconds of the 1x1 convolution of SDPL's estimator."""
    image = torch.relu(torch.randn(batch, CHANNELS, side, side))
    convolution = nn.Conv2d(CHANNELS, 1024, kernel_size=1)

    def estimate() -> None:
        leaf = image.detach().requires_grad_()
        convolution(leaf).relu().mean(dim=(2, 3)).sum().backward()

    return f"{1e3 * alternate({'convolution': estimate}, runs)['convolution']:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    batch, side, runs = arguments.batch, arguments.side, arguments.runs
    torch.manual_seed(0)
    shared_ms, dense = convolution_ms(batch, side, runs), len(dense_parts(RINGS))
    rows = [
        [f"SDPL, {variant}", *run(dense, batch, side, runs, sdpl_pooling(variant, batch, side)),
         shared_ms]
        for variant in ("paper", "released")
    ]  # fmt: skip
    rings = square_rings(side // 2, side // 2, RINGS)
    lpn = literal_lpn_parts, lambda feature_map: average_parts(feature_map, rings)
    rows.append(["LPN", *run(RINGS, batch, side // 2, runs, lpn), "-"])
    preface = PREFACE.format(runs=runs, machine=machine(), batch=batch)
    header = ["system", "map", "parts", "literal ms", "skyfix ms", "times as fast",
              "1x1 convolution ms"]  # fmt: skip
    publish("Parts and heads", preface + "\n" + table(header, rows), arguments.write)


if __name__ == "__main__":
    main()
