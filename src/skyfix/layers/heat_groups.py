"""Grouping the cells of a map by how strongly they respond."""

from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers, numbered


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
    members = group_members(cells, groups)
    sizes = members.sum(dim=1)
    return members.transpose(1, 2) @ cells / sizes.unsqueeze(2)


def grouped_answers(feature_map: Tensor, groups: int) -> dict[str, Tensor]:
    """Answers ``(N, h, w)`` of each group's cells, see ``layers.answers``; none for no group.

    Args:
        feature_map: ``(N, C, h, w)``.
        groups: number of groups K.

    Raises:
        SkyfixError: fewer cells than groups.
    """
    if not groups:
        return {}
    members = group_members(feature_map.flatten(2).transpose(1, 2), groups)
    size = feature_map.shape[-2:]
    maps = members.transpose(1, 2).unflatten(2, size) * answers(feature_map)[:, None]
    return dict(zip(numbered("group", groups), maps.unbind(dim=1), strict=True))


def group_members(cells: Tensor, groups: int) -> Tensor:
    """Which group each cell is in, ``(N, P, K)`` of ones and zeros; see ``heat_groups``.

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
    return F.one_hot(group, groups).to(cells.dtype)
