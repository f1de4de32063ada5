"""Losses of a batch that lies in two processes: those of one process that has all of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from skyfix.losses.circle import circle
from skyfix.losses.contrastive import contrastive
from skyfix.losses.group_info_nce import group_info_nce
from skyfix.losses.hardest import hardest_similarities
from skyfix.losses.info_nce import info_nce, weighted_info_nce
from skyfix.losses.lifted import lifted_structure
from skyfix.losses.mined_triplet import mined_soft_margin, mined_triplet
from skyfix.losses.semihard_triplet import semihard_triplet
from skyfix.losses.soft_margin import weighted_soft_margin
from skyfix.losses.triplet import (
    batch_hard_triplet,
    cross_view_triplet,
    mean_negative_triplet,
    weighted_soft_triplet,
)

PLACES = torch.tensor([0, 0, 1, 1, 2, 2])
OVERLAPS = torch.linspace(0.2, 0.9, 6)
SPLIT = (4, 2)
SCALE = 7.0


def _hardest(first: Tensor, second: Tensor, places: Tensor, _: Tensor) -> Tensor:
    positive, negative = hardest_similarities(first, second, places)
    return (positive.square() - negative).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "info_nce": lambda a, b, _, __: info_nce(a, b, SCALE),
    "weighted_info_nce": lambda a, b, _, overlaps: weighted_info_nce(a, b, SCALE, overlaps),
    "group_info_nce": lambda a, b, _, __: group_info_nce(
        a, b, SCALE, 2, pooled=True, by_group=False
    ),
    "cross_view_triplet": lambda a, b, places, _: cross_view_triplet(a, b, places, places),
    "batch_hard_triplet of parts": lambda a, b, places, _: batch_hard_triplet(
        torch.stack([a, b]), places
    ),
    "weighted_soft_triplet": lambda a, _, places, __: weighted_soft_triplet(a, places),
    "mean_negative_triplet": lambda a, _, places, __: mean_negative_triplet(a, places),
    "mined_triplet": lambda a, _, places, __: mined_triplet(a, places),
    "mined_soft_margin": lambda a, _, places, __: mined_soft_margin(a, places),
    "semihard_triplet": lambda a, _, places, __: semihard_triplet(a, places, margin=2.0),
    "weighted_soft_margin": lambda a, b, _, __: weighted_soft_margin(a, b),
    "contrastive": lambda a, _, places, __: contrastive(a, places),
    "lifted_structure": lambda a, _, places, __: lifted_structure(a, places),
    "circle": lambda a, _, places, __: circle(a, places),
    "hardest_similarities": _hardest,
}
Found = dict[str, tuple[float, Tensor]]


def _gradients(rows: slice) -> Found:
    """Each loss and its gradient by a layer, from these rows of the batch."""
    generator = torch.Generator().manual_seed(0)
    draw = (torch.randn(size, generator=generator, dtype=torch.float64)
            for size in ((6, 5), (6, 5), (4, 5)))  # fmt: skip
    first, second, start = draw
    found = {}
    for name, loss in LOSSES.items():
        layer = start.clone().requires_grad_()
        sides = (torch.nn.functional.normalize(side[rows] @ layer.T) for side in (first, second))
        value = loss(*sides, PLACES[rows], OVERLAPS[rows].double())
        value.backward()
        found[name] = float(value.detach()), layer.grad
    return found


def _in_process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=len(SPLIT))
    start = sum(SPLIT[:rank])
    found = _gradients(slice(start, start + SPLIT[rank]))
    for _, gradient in found.values():
        # What DistributedDataParallel does.
        dist.all_reduce(gradient)
        gradient /= len(SPLIT)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """What two processes with 4 and 2 rows find."""
    folder = tmp_path_factory.mktemp("processes")
    spawn(_in_process, (str(folder),), nprocs=len(SPLIT))
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(len(SPLIT))]


@pytest.fixture(scope="module")
def one() -> Found:
    """What one process with all rows finds."""
    return _gradients(slice(None))


@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_find_loss_and_gradient_of_one(
    name: str, one: Found, two: list[Found]
) -> None:
    loss, gradient = one[name]
    assert gradient.abs().max() > 1e-3
    for found in two:
        assert found[name][0] == pytest.approx(loss, abs=1e-9)
        torch.testing.assert_close(found[name][1], gradient, atol=1e-9, rtol=0)
