"""Cross-view feature transport of CVFT (Shi et al. 2020, section 3.3)."""

import torch
from torch import Tensor, nn

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
    columns = torch.ones_like(start[:, 0]).unsqueeze(2)
    rows = torch.ones_like(start[:, :, :1])
    for _ in range(iterations - 1):
        rows = 1 / (start @ columns)
        columns = 1 / (start.mT @ rows)
    return (rows * start * columns.mT).to(log_kernel.dtype)


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
