"""Whether fixes are as often right as they are confident, and as near as they say: pictures."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

_BINS, _RADIUS_BINS = 5, 3
_LEVELS = {"68 %": (0.68, "#0072b2", "o"), "95 %": (0.95, "#d55e00", "s")}


def reliability(confidence: np.ndarray, right: np.ndarray) -> Figure:
    """Share of right positions over confidence, in bins of equally many photos.

    On the diagonal confidence holds (DeGroot and Fienberg, The Comparison and Evaluation of
    Forecasters, 1983). Bars span one standard error of the share.

    Args:
        confidence: (N,) 0 to 1, at least one.
        right: (N,) bool.
    """
    order = np.argsort(confidence, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    said = np.array([confidence[part].mean() for part in bins])
    share = np.array([right[part].mean() for part in bins])
    error = [_standard_error(right[part]) for part in bins]
    figure = Figure(figsize=(4.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color="0.6", label="ideal")
    axes.errorbar(said, share, error, fmt="o-", color="#0072b2", capsize=3, label="fixes")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.05))
    axes.legend(frameon=False, loc="upper left")
    return figure


def held_by_radius(found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Measured share of fixes inside their stated radii, over the radius stated.

    A dashed line is what a radius promises: points on it are honest, above it cautious, below it
    boastful. Bins hold equally many fixes; bars span one standard error of the share.

    Args:
        found: for each panel's title, errors (N,) in m of located fixes, at least one, and the
            68 and 95 % radii (N, 2) in m that they stated.
    """
    figure = Figure(figsize=(4.0 * len(found), 3.6), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (title, (errors_m, radii_m)) in zip(panels, found.items(), strict=True):
        for column, (name, (level, color, marker)) in enumerate(_LEVELS.items()):
            stated_m, inside = radii_m[:, column], errors_m <= radii_m[:, column]
            order = np.argsort(stated_m, kind="stable")
            bins = [part for part in np.array_split(order, _RADIUS_BINS) if len(part)]
            axes.axhline(level, linestyle="--", color=color, alpha=0.5)
            axes.errorbar(
                [stated_m[part].mean() for part in bins],
                [inside[part].mean() for part in bins],
                [_standard_error(inside[part]) for part in bins],
                fmt=f"{marker}-", color=color, capsize=3, label=f"{name} radius",
            )  # fmt: skip
        axes.set(title=f"{title}, {len(errors_m)} fixes", xlabel="stated radius, m", ylim=(0, 1.08))
        axes.set_xlim(left=0)
    panels[0].set_ylabel("share of fixes inside")
    panels[0].legend(frameon=False, loc="lower right")
    return figure


def _standard_error(right: np.ndarray) -> float:
    """Of the share of right ones (N,) bool."""
    # Agresti and Coull's share keeps a bin of all right ones from claiming no error at all.
    share = (right.sum() + 2) / (len(right) + 4)
    return float(np.sqrt(share * (1 - share) / (len(right) + 4)))
