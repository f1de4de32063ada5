"""Whether fixes are as often right as they are confident, as a picture."""

import numpy as np
from matplotlib.figure import Figure

_BINS = 5


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
    # Agresti and Coull's share keeps a bin of all right ones from claiming no error at all.
    error = [
        np.sqrt((hits := (right[part].sum() + 2) / (len(part) + 4)) * (1 - hits) / (len(part) + 4))
        for part in bins
    ]
    figure = Figure(figsize=(4.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color="0.6", label="ideal")
    axes.errorbar(said, share, error, fmt="o-", color="#0072b2", capsize=3, label="fixes")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.05))
    axes.legend(frameon=False, loc="upper left")
    return figure
