"""Grouping the cells of a map by how strongly they respond."""

from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError


def heat_groups(cells: Tensor, groups: int) -> Tensor:
    """Mean of each group of cells after sorting them by their mean over channels.

    The strongest cells come first; the last group takes the remainder (Dai et al. 2022, FSRA;
    Wu et al. 2024, CAMP).

    Args:
        cells: ``(N, P, C)``.
        groups: number of groups K.

    Returns:
        ``(N, K, C)``.

    Raises:
        SkyfixError: fewer cells than groups.
    """
    count = cells.shape[1]
    if not 1 <= groups <= count:
        raise SkyfixError(
            f"{count} cells cannot be split into {groups} groups. Use a larger input or fewer "
            "groups."
        )
    order = cells.mean(dim=2).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    group = (rank // (count // groups)).clamp_max(groups - 1)
    members = F.one_hot(group, groups).to(cells.dtype)
    sizes = members.sum(dim=1)
    return members.transpose(1, 2) @ cells / sizes.unsqueeze(2)
