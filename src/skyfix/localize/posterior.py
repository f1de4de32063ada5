"""From scores of tiles to a position, its accuracy and how sure it is."""

from dataclasses import dataclass

import numpy as np

from skyfix.geo.ground import east_north, offset

TEMPERATURE = 0.4
"""Standard deviations of score that make a tile e times more likely.

If scores of wrong tiles spread with deviation 1 and those of right ones lie d above, also with
deviation 1, the likelihood ratio grows by d per deviation: the temperature is 1 / d. The value is
the smallest with which, on every other photo of two real flights, ImageNet features and a trained
system are at least as often right as they are confident; the remaining photos confirmed it.
"""

HELD = (0.68, 0.95)
"""Parts of the posterior within the two accuracy radii."""

_MODES = 64


@dataclass(frozen=True)
class Estimate:
    """A position out of a posterior over tiles.

    Attributes:
        lon, lat: degrees.
        accuracy_m, accuracy_95_m: radii around the position that hold ``HELD`` of the posterior,
            joined with half a stride, the part of the grid's coarseness that scores cannot tell.
        confidence: posterior within the reach of the position, 0 to 1.
    """

    lon: float
    lat: float
    accuracy_m: float
    accuracy_95_m: float
    confidence: float


def combined(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Joint score (T,) of several patches: Stouffer's weighted sum of standard scores.

    Args:
        scores: (P, T) standard deviations above the background of each patch; 0 where a patch
            has no tile.
        weights: (P,) above 0.
    """
    return weights @ scores / np.linalg.norm(weights)


def posterior(scores: np.ndarray) -> np.ndarray:
    """Probability (T,) of each tile, given that one of them is right: softmax over temperature."""
    likelihood = np.exp((scores - scores.max()) / TEMPERATURE)
    return likelihood / likelihood.sum()


def estimate(
    lon: np.ndarray, lat: np.ndarray, probability: np.ndarray, reach_m: float, stride_m: float
) -> Estimate:
    """The mean of the tiles within ``reach_m`` of the best mode, weighted by probability.

    The best mode is the tile with the most probability around it, which a lone high score
    among bad neighbours is not.

    Args:
        lon, lat: (T,) tile centres, degrees.
        probability: (T,), sums to 1.
        reach_m: metres around the mode, and around the position, that count as "there".
        stride_m: distance between neighbouring tiles.
    """
    likely = np.argsort(-probability, kind="stable")[:_MODES]
    origin = float(lon[likely[0]]), float(lat[likely[0]])
    places = np.stack(east_north(*origin, lon, lat), axis=-1)
    away_m = _lengths(places[likely, None] - places)
    around = np.where(away_m <= reach_m, probability, 0.0)
    mode = around[np.argmax(around.sum(axis=1))]
    mean = mode @ places / mode.sum()
    from_mean_m = _lengths(places - mean)
    outward = np.argsort(from_mean_m, kind="stable")
    held = np.searchsorted(np.cumsum(probability[outward]), HELD)
    radii_m = from_mean_m[outward[np.minimum(held, len(outward) - 1)]]
    accuracy_m, accuracy_95_m = np.hypot(radii_m, stride_m / 2)
    fix_lon, fix_lat = offset(*origin, *mean)
    return Estimate(
        float(fix_lon),
        float(fix_lat),
        float(accuracy_m),
        float(accuracy_95_m),
        float(min(1.0, probability[from_mean_m <= reach_m].sum())),
    )


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Of vectors (..., 2); what np.linalg.norm gives, in a fraction of its time."""
    east, north = vectors[..., 0], vectors[..., 1]
    return np.sqrt(east * east + north * north)
