"""From embeddings to unit-length descriptors."""

from torch import Tensor
from torch.nn import functional as F


def unit_parts(embeddings: Tensor) -> Tensor:
    """Part embeddings ``(N, K, D)`` to unit descriptors ``(N, D * K)``.

    Each part is scaled to unit length and divided by sqrt(K). The part index runs fastest
    (channel-major), as in the saved features of the University-1652 family.
    """
    parts = F.normalize(embeddings, dim=2) / embeddings.shape[1] ** 0.5
    return parts.transpose(1, 2).flatten(1)


def part_cosines(first: Tensor, second: Tensor, parts: int) -> Tensor:
    """Cosines ``(N, K)`` of the parts of descriptors ``(N, D * K)`` that ``unit_parts`` made."""
    return parts * (first * second).unflatten(1, (-1, parts)).sum(dim=1)
