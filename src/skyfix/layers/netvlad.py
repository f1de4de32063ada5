"""NetVLAD: a map as sums of residuals to learned centres (Arandjelovic et al. 2016)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# TensorFlow bounds the squared length by 1e-12.
_EPS = 1e-6


class NetVLAD(nn.Module):
    """Map ``(N, C, h, w)`` to unit rows ``(N, C * clusters)``.

    As in CVM-Net (Hu et al. 2018): the map's vectors have unit length, the centres are free of
    the assignment weights, residual sums are scaled to unit length per cluster, then the whole
    row. The cluster runs fastest.

    Args:
        channels: length C of the map's vectors.
        clusters: number of centres.
    """

    def __init__(self, channels: int, clusters: int) -> None:
        super().__init__()
        self.assignment = nn.Linear(channels, clusters)
        self.centres = nn.Parameter(torch.empty(1, channels, clusters))
        for parameter in (*self.assignment.parameters(), self.centres):
            nn.init.normal_(parameter, std=channels**-0.5)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Unit rows; the rule of each step is in the class."""
        cells = feature_map.flatten(2)
        # Lengths divide the narrow (N, K, P) tensors; the map itself is never copied.
        length = torch.linalg.vector_norm(cells, dim=1, keepdim=True).clamp_min(_EPS)
        logits = self.assignment.weight @ cells / length + self.assignment.bias[:, None]
        shares = logits.softmax(dim=1)
        residuals = cells @ (shares / length).mT - shares.sum(dim=2).unsqueeze(1) * self.centres
        return F.normalize(F.normalize(residuals, dim=1, eps=_EPS).flatten(1), eps=_EPS)
