"""The rows of all processes: losses that compare rows with each other see the whole batch."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def everywhere(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The rows of all processes, in the order of their ranks; in a single process as they are.

    Every process then computes the loss of the whole batch. The gradients of one process's rows
    are the sums over all processes, which averaging parameters' gradients over processes, as
    ``DistributedDataParallel`` does, turns into the gradients of a single process.

    Args:
        tensors: ``(N,)``, or ``(..., N, D)`` with the rows in the last dimension but one. N may
            differ between processes, but not between tensors.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return tensors
    counts = _counts(tensors[0])
    return tuple(_gathered(tensor, counts) for tensor in tensors)


def _axis(tensor: Tensor) -> int:
    return max(0, tensor.ndim - 2)


def _counts(tensor: Tensor) -> list[int]:
    own = torch.tensor(tensor.shape[_axis(tensor)], device=tensor.device)
    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    return [int(count) for count in found]


def _gathered(tensor: Tensor, counts: list[int]) -> Tensor:
    rows = tensor.movedim(_axis(tensor), 0)
    return _Gather.apply(rows, counts).movedim(0, _axis(tensor))


class _Gather(torch.autograd.Function):
    """Rows ``(N, ...)`` of this process to those of all."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(found, padded)
        return torch.cat([part[:count] for part, count in zip(found, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous()
        dist.all_reduce(total)
        return total.split(ctx.counts)[dist.get_rank()], None
