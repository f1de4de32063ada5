"""SDPL's pooling, fusion and heads against slicing and padding, forward and backward.

    python benchmarks/part_pooling.py [--runs 5] [--batch 8] [--side 32] [--write docs/speed.md]

Both sides start from the same feature map and end at the same sum of cross-entropies. The 1x1
convolution of the shift-weight estimator, which both would run alike, is measured apart.
"""

import argparse
from pathlib import Path

import torch
from timing import alternate, machine, publish, table
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.layers.heads import PartHeads
from skyfix.layers.partition import dense_parts, shifted_dense_parts
from skyfix.layers.pooling import gem_parts
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


PREFACE = """Made by `python benchmarks/part_pooling.py --runs {runs}` ({machine}).
SDPL's part pooling, fusion and {parts} heads on a {size} map, batch {batch}, forward and
backward, median of alternating runs. The literal side slices and pads each part of each shift and
runs each head on its own; loss and gradient of both sides agree. The 1x1 convolution of the
shift-weight estimator, which both sides share, stands apart.
"""


def run(variant: str, batch: int, side: int, runs: int) -> list[str]:
    """One row of the table, after checking that both sides agree."""
    torch.manual_seed(0)
    image = torch.relu(torch.randn(batch, CHANNELS, side, side))
    weights = torch.softmax(torch.randn(batch, 3), dim=1)
    labels = torch.randint(PLACES, (batch,))
    heads = PartHeads(len(dense_parts(RINGS)), CHANNELS, 512, PLACES, dropout=0.0).train()
    separate = LiteralHeads(heads).train()
    literal_parts = literal_paper_parts if variant == "paper" else literal_released_parts
    partition = (
        shifted_dense_parts(side, side, RINGS)
        if variant == "paper"
        else released_dense_parts(side, side)
    )

    def literal() -> tuple[Tensor, Tensor]:
        leaf = image.detach().requires_grad_()
        logits = separate(fused_literally(literal_parts(leaf), weights))
        loss = sum(F.cross_entropy(part, labels) for part in logits)
        separate.zero_grad()
        loss.backward()
        return loss.detach(), leaf.grad

    def matrix() -> tuple[Tensor, Tensor]:
        leaf = image.detach().requires_grad_()
        parts = gem_parts(leaf, partition).unflatten(1, (3, -1))
        fused = (weights[:, :, None, None] * parts).sum(dim=1)
        loss = part_cross_entropy(heads.classify(heads.embed(fused)), labels)
        heads.zero_grad()
        loss.backward()
        return loss.detach(), leaf.grad

    convolution = nn.Conv2d(CHANNELS, 1024, kernel_size=1)

    def estimator_convolution() -> None:
        leaf = image.detach().requires_grad_()
        convolution(leaf).relu().mean(dim=(2, 3)).sum().backward()

    (one_loss, one_grad), (other_loss, other_grad) = literal(), matrix()
    torch.testing.assert_close(one_loss, other_loss, rtol=1e-4, atol=1e-4)
    assert (one_grad - other_grad).norm() <= 1e-4 * one_grad.norm(), variant
    seconds = alternate(
        {"literal": literal, "matrix": matrix, "convolution": estimator_convolution}, runs
    )
    return [
        variant,
        f"{1e3 * seconds['literal']:.0f}",
        f"{1e3 * seconds['matrix']:.0f}",
        f"{seconds['literal'] / seconds['matrix']:.1f}",
        f"{1e3 * seconds['convolution']:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = [
        run(variant, arguments.batch, arguments.side, arguments.runs)
        for variant in ("paper", "released")
    ]
    preface = PREFACE.format(
        runs=arguments.runs,
        machine=machine(),
        parts=len(dense_parts(RINGS)),
        size=f"{CHANNELS} x {arguments.side} x {arguments.side}",
        batch=arguments.batch,
    )
    header = ["variant", "literal ms", "matrix ms", "times as fast", "1x1 convolution ms"]
    publish("SDPL's parts", preface + "\n" + table(header, rows), arguments.write)


if __name__ == "__main__":
    main()
