"""Layers and losses against the same arithmetic as the authors write it, forward and backward.

    python benchmarks/layers.py [--runs 9] [--write docs/speed.md]

Both sides start from the same tensors and are checked to give the same value and gradient. SDPL's
pooling and heads have a benchmark of their own, part_pooling.py.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from timing import alternate, machine, publish, table
from torch import Tensor
from torch.nn import functional as F

from skyfix.layers.heat_groups import heat_groups
from skyfix.layers.netvlad import NetVLAD
from skyfix.layers.transport import ITERATIONS, sinkhorn
from skyfix.losses.triplet import cross_view_triplet

PREFACE = """Made by `python benchmarks/layers.py --runs {runs} --write docs/speed.md` ({machine}).
Forward and backward, median of alternating runs. The literal side computes what the authors' code
computes, in the steps in which it does so; values and gradients of both sides agree.
"""


@dataclass(frozen=True)
class Duel:
    """One computation in two ways, as functions of the tensors that need a gradient."""

    name: str
    size: str
    literal: Callable[..., Tensor]
    ours: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


def literal_heat_groups(cells: Tensor, groups: int) -> Tensor:
    """Sort each image's cells by heat, then average slices of the sorted cells (FSRA)."""
    order = torch.argsort(cells.mean(dim=-1), dim=1, descending=True)
    each_image = [cells[image, order[image], :] for image in range(len(cells))]
    ordered = torch.stack(each_image, dim=0)
    size = cells.shape[1] // groups
    bounds = [(i * size, (i + 1) * size) for i in range(groups - 1)]
    bounds.append(((groups - 1) * size, cells.shape[1]))
    return torch.stack([ordered[:, a:b].mean(dim=1) for a, b in bounds], dim=1)


def literal_triplet(first: Tensor, second: Tensor, places: Tensor, margin: float) -> Tensor:
    """Both views in one batch; each anchor's row is searched on its own (FSRA, MCCG)."""
    features = torch.cat([first, second])
    features = features / (torch.norm(features, 2, -1, keepdim=True).expand_as(features) + 1e-6)
    count = len(features)
    squares = features.pow(2).sum(1, keepdim=True).expand(count, count)
    distance = squares + squares.t() - 2 * features @ features.t()
    distance = distance.clamp(min=1e-6).sqrt()
    labels = torch.cat([places, places])
    view = torch.arange(count) >= len(first)
    positives, negatives = [], []
    for anchor in range(count):
        other_view = view != view[anchor]
        same = labels == labels[anchor]
        positives.append(distance[anchor][other_view & same].max())
        negatives.append(distance[anchor][other_view & ~same].min())
    positive, negative = torch.stack(positives), torch.stack(negatives)
    return F.margin_ranking_loss(negative, positive, torch.ones_like(positive), margin=margin)


def literal_sinkhorn(log_kernel: Tensor) -> Tensor:
    """Subtract the logarithm of the sums over rows, then over columns, again and again (CVFT)."""
    for _ in range(ITERATIONS):
        log_kernel = log_kernel - torch.logsumexp(log_kernel, dim=2, keepdim=True)
        log_kernel = log_kernel - torch.logsumexp(log_kernel, dim=1, keepdim=True)
    return torch.exp(log_kernel)


def literal_netvlad(layer: NetVLAD) -> Callable[[Tensor], Tensor]:
    """The steps of the TensorFlow layer, which keeps images as (N, P, C) (CVM-Net)."""

    def forward(feature_map: Tensor) -> Tensor:
        count, channels = feature_map.shape[:2]
        pixels = feature_map.permute(0, 2, 3, 1).reshape(count, -1, channels)
        pixels = pixels / pixels.square().sum(2, keepdim=True).clamp_min(1e-12).sqrt()
        rows = pixels.reshape(-1, channels)
        activation = torch.softmax(rows @ layer.assignment.weight.t() + layer.assignment.bias, 1)
        activation = activation.reshape(count, pixels.shape[1], -1)
        centres = activation.sum(dim=1, keepdim=True) * layer.centres
        residuals = (activation.transpose(1, 2) @ pixels).transpose(1, 2) - centres
        residuals = residuals / residuals.square().sum(1, keepdim=True).clamp_min(1e-12).sqrt()
        flat = residuals.reshape(count, -1)
        return flat / flat.square().sum(1, keepdim=True).clamp_min(1e-12).sqrt()

    return forward


def duels() -> list[Duel]:
    """The computations at the sizes of the papers."""
    torch.manual_seed(0)
    found = []
    for side, groups in ((16, 3), (24, 3)):
        found.append(
            Duel(
                "FSRA region pooling",
                f"8 x {side * side} cells x 768, {groups} regions",
                lambda cells, groups=groups: literal_heat_groups(cells, groups),
                lambda cells, groups=groups: heat_groups(cells, groups),
                (torch.randn(8, side * side, 768),),
            )
        )
    for batch in (8, 256):
        places = torch.arange(batch)
        found.append(
            Duel(
                "Hardest cross-view triplet",
                f"{batch} places x 2 views x 512",
                lambda a, b, places=places: literal_triplet(a, b, places, 0.3),
                lambda a, b, places=places: cross_view_triplet(a, b, places, places, 0.3),
                (torch.randn(batch, 512), torch.randn(batch, 512)),
            )
        )
    cost = torch.eye(64) + 0.05 * torch.randn(32, 64, 64)
    found.append(
        Duel(
            "Sinkhorn transport (CVFT)",
            f"32 plans of 64 x 64, {ITERATIONS} iterations",
            literal_sinkhorn,
            sinkhorn,
            (-100 * cost,),
        )
    )
    layer = NetVLAD(512, 64)
    for height, width, view in ((32, 32, "satellite"), (14, 77, "ground")):
        found.append(
            Duel(
                f"NetVLAD ({view})",
                f"12 x 512 x {height} x {width}, 64 clusters",
                literal_netvlad(layer),
                layer,
                (torch.relu(torch.randn(12, 512, height, width)),),
            )
        )
    return found


def step(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Value and gradients of a sum that weighs each entry differently."""
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]
    value = function(*leaves)
    weights = torch.linspace(-1, 1, value.numel()).view_as(value) if value.ndim else 1.0
    (value * weights).sum().backward()
    return value.detach(), *(leaf.grad for leaf in leaves)


def row(duel: Duel, runs: int) -> list[str]:
    """One line of the table, after checking that both sides agree."""
    pairs = zip(step(duel.literal, duel.inputs), step(duel.ours, duel.inputs), strict=True)
    for literal, ours in pairs:
        assert (literal - ours).norm() <= 1e-4 * literal.norm(), duel.name
    seconds = alternate(
        {
            "literal": lambda: step(duel.literal, duel.inputs),
            "ours": lambda: step(duel.ours, duel.inputs),
        },
        runs,
    )
    literal_ms, ours_ms = (1e3 * seconds[name] for name in ("literal", "ours"))
    return [
        duel.name,
        duel.size,
        f"{literal_ms:.2f}",
        f"{ours_ms:.2f}",
        f"{literal_ms / ours_ms:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rows = [row(duel, arguments.runs) for duel in duels()]
    header = ["computation", "size", "literal ms", "skyfix ms", "times as fast"]
    text = PREFACE.format(runs=arguments.runs, machine=machine()) + "\n" + table(header, rows, 2)
    publish("Layers and losses", text, arguments.write)


if __name__ == "__main__":
    main()
