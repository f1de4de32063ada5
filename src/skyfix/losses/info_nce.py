"""InfoNCE between the paired rows of two views."""

from torch import Tensor
from torch.nn import functional as F

from skyfix.losses.everywhere import everywhere


def info_nce(
    first: Tensor, second: Tensor, scale: Tensor | float, smoothing: Tensor | float = 0.1
) -> Tensor:
    """Symmetric InfoNCE (Deuser et al. 2023, Sample4Geo).

    Cross-entropy of the scaled cosines with a row's own pair as its class, averaged over both
    directions.

    Args:
        first, second: ``(B, D)``; row i of both shows the same place. Scaled to unit length here.
        scale: 1 / temperature.
        smoothing: label smoothing, one value or ``(B,)`` values, one per pair.
    """
    first, second = everywhere(first, second)
    if isinstance(smoothing, Tensor) and smoothing.ndim:
        (smoothing,) = everywhere(smoothing)
    logits = scale * F.normalize(first) @ F.normalize(second).T
    return (_cross_entropy(logits, smoothing) + _cross_entropy(logits.T, smoothing)) / 2


def weighted_info_nce(
    first: Tensor, second: Tensor, scale: Tensor | float, overlaps: Tensor, sharpness: float = 5.0
) -> Tensor:
    """InfoNCE for pairs that overlap in part (Ji et al. 2025, Game4Loc).

    The label of a pair is smoothed by 1 - sigmoid(sharpness * overlap): the less two footprints
    share, the less sure the label.

    Args:
        first, second: ``(B, D)``; row i of both is a pair.
        scale: 1 / temperature.
        overlaps: ``(B,)`` intersection over union of each pair's footprints.
        sharpness: k in the paper.
    """
    return info_nce(first, second, scale, (-sharpness * overlaps).sigmoid())


def _cross_entropy(logits: Tensor, smoothing: Tensor | float) -> Tensor:
    """Mean over rows; class i belongs to row i."""
    log_shares = logits.log_softmax(dim=1)
    rows = (1 - smoothing) * log_shares.diagonal() + smoothing * log_shares.mean(dim=1)
    return -rows.mean()
