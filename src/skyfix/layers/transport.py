"""Cross-view feature transport of CVFT (Shi et al. 2020, section 3.3)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ITERATIONS = 20
SHARPNESS = 100.0


def sinkhorn(log_kernel: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Scale exp(log_kernel) ``(N, I, O)`` until its rows and columns sum to 1.

    The last step scales the columns, so that only they sum to 1 exactly (Cuturi 2013). The first
    iteration works on logarithms; from then on no row or column sum can vanish, and the others
    scale rows and columns by vectors, in double precision: one step changes an entry by at most a
    factor of I * O, so entries that double precision cannot hold never come back to matter.
    """
    kernel = log_kernel.double()
    kernel = kernel - kernel.logsumexp(dim=2, keepdim=True)
    start = (kernel - kernel.logsumexp(dim=1, keepdim=True)).exp()
    scaled: Tensor = _Scaling.apply(start, iterations - 1)
    return scaled.to(log_kernel.dtype)


class _Scaling(torch.autograd.Function):
    """Rows and columns of ``(N, I, O)`` scaled by turns.

    Every step's share of the gradient is an outer product of two vectors; written out, all of
    them are summed by one matrix product.
    """

    @staticmethod
    def forward(ctx: Any, start: Tensor, steps: int) -> Tensor:
        columns = [torch.ones_like(start[:, :1]).mT]
        rows = [torch.ones_like(start[:, :, :1])]
        for _ in range(steps):
            rows.append(1 / (start @ columns[-1]))
            columns.append(1 / (start.mT @ rows[-1]))
        ctx.save_for_backward(start, torch.cat(rows, dim=2), torch.cat(columns, dim=2))
        return rows[-1] * start * columns[-1].mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        start, rows, columns = ctx.saved_tensors
        row, column = rows[:, :, -1:], columns[:, :, -1:]
        by_row, by_column = (gradient * start) @ column, (gradient * start).mT @ row
        left: list[Tensor] = []
        right: list[Tensor] = []
        for step in range(rows.shape[2] - 1, 0, -1):
            row, column = rows[:, :, step, None], columns[:, :, step, None]
            by_column = -by_column * column.square()
            by_row = -(by_row + start @ by_column) * row.square()
            left += [row, by_row]
            right += [by_column, columns[:, :, step - 1, None]]
            by_row, by_column = torch.zeros_like(by_row), start.mT @ by_row
        direct = rows[:, :, -1:] * gradient * columns[:, :, -1:].mT
        if not left:
            return direct, None
        return torch.baddbmm(direct, torch.cat(left, dim=2), torch.cat(right, dim=2).mT), None


class FeatureTransport(nn.Module):
    """Moves the cells of a map by a plan that is regressed from the map itself.

    The cost starts as the identity, so that the first plans avoid leaving a cell where it is, as
    in the authors' code.

    Args:
        channels: length C of the map's vectors.
        cells: number of cells P.
    """

    def __init__(self, channels: int, cells: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, 1, kernel_size=1)
        self.cost = nn.Linear(cells, cells * cells)
        nn.init.trunc_normal_(self.cost.weight, std=0.005, a=-0.01, b=0.01)
        with torch.no_grad():
            self.cost.bias.copy_(torch.eye(cells).flatten())

    def plan(self, feature_map: Tensor) -> Tensor:
        """Share of each cell that goes to each cell, ``(N, C, h, w)`` to ``(N, P, P)``."""
        cells = self.squeeze(feature_map).relu().flatten(1)
        cost = self.cost(cells).unflatten(1, (cells.shape[1], cells.shape[1]))
        return sinkhorn(-SHARPNESS * cost)

    def forward(self, feature_map: Tensor) -> Tensor:
        """The moved map, ``(N, C, h, w)`` to the same shape."""
        moved = feature_map.flatten(2) @ self.plan(feature_map)
        return moved.view_as(feature_map)
