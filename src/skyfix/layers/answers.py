"""How strongly the cells of a map answer, for people to look at."""

from collections.abc import Iterable

import torch
from torch import Tensor

from skyfix.layers.partition import Partition


def answers(feature_map: Tensor) -> Tensor:
    """Lengths ``(N, h, w)`` of the vectors of a map ``(N, C, h, w)``."""
    return torch.linalg.vector_norm(feature_map, dim=1)


def part_answers(
    feature_map: Tensor, partition: Partition, names: Iterable[str]
) -> dict[str, Tensor]:
    """Answers ``(N, h, w)`` of each part's cells by the parts' names, zero elsewhere.

    A cell that counts less than others of its part answers as much less.

    Args:
        feature_map: ``(N, C, h, w)``.
        partition: of that map.
        names: one a part.
    """
    shares = torch.from_numpy(partition.shares(*feature_map.shape[-2:]))
    weighted = answers(feature_map)[:, None] * shares.to(feature_map.device)
    return dict(zip(names, weighted.unbind(dim=1), strict=True))


def numbered(what: str, count: int) -> list[str]:
    """Names of parts that are counted: "ring 1", "ring 2" ..."""
    return [f"{what} {number}" for number in range(1, count + 1)]
