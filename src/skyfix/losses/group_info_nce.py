"""InfoNCE between groups of images, all of which overlap with all of their group."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.losses.everywhere import everywhere


def group_info_nce(
    first: Tensor,
    second: Tensor,
    scale: Tensor | float,
    group: int,
    *,
    pooled: bool,
    by_group: bool,
    smoothing: float = 0.1,
) -> Tensor:
    """Symmetric InfoNCE with several positives (Ji et al. 2025, optional in Game4Loc's code).

    The logits are scaled cosines. An anchor is an image, or a group with the logits of all its
    images; its positives are the logits with its own group in the other view. The loss is the
    mean over anchors and directions, with label smoothing over groups.

    Args:
        first, second: ``(G * group, D)``, group by group in the same order. Scaled to unit length
            here.
        scale: 1 / temperature.
        group: images of a group in each view.
        pooled: sum the exponentials of a group, so that one near positive is enough (the
            authors' ``whole``); False draws near all of them (``part``), which are added for an
            image and averaged for a group.
        by_group: anchors are groups (``block``) instead of images (``slice``).

    Raises:
        SkyfixError: rows that do not divide into groups.
    """
    first, second = everywhere(first, second)
    count = first.shape[0]
    if group < 1 or count % group:
        raise SkyfixError(f"{count} images do not divide into groups of {group}.")
    logits = scale * F.normalize(first) @ F.normalize(second).T
    terms = []
    for table in (logits, logits.T):
        shares = _log_shares(table, group, pooled, by_group)
        own = shares.unflatten(0, (count // group, -1)).diagonal(dim1=0, dim2=2)
        terms.append(-((1 - smoothing) * own.mean() + smoothing * shares.mean()))
    factor = 1 if pooled or by_group else group
    return factor * torch.stack(terms).mean()


def _log_shares(logits: Tensor, group: int, pooled: bool, by_group: bool) -> Tensor:
    """Of each anchor's probability, the logarithm for each group ``(anchors, G)``."""
    cells = logits.unflatten(1, (-1, group)).unflatten(0, (-1, group))
    # Anchor, group of the other view, logits between the two.
    scores = cells.transpose(1, 2).flatten(2) if by_group else cells.flatten(0, 1)
    if pooled:
        return scores.logsumexp(dim=2).log_softmax(dim=1)
    return scores.flatten(1).log_softmax(dim=1).view_as(scores).mean(dim=2)
