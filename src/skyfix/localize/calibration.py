"""How sure a fix is: evidence to probability, and raw radii to radii that hold.

The probability that a position is right is a logistic function of a few figures of evidence
(Platt, Probabilistic Outputs for Support Vector Machines, 1999); a radius is the raw one times
a factor. A gallery may hold its own calibration, fitted to labelled photos; the defaults serve
all others.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from skyfix.errors import SkyfixError
from skyfix.gallery.storage import read_json, storage_of, write_json

CALIBRATION_FILE = "calibration.json"
FORMAT = 1

FEATURES = {
    "tiles": ("log_odds", "score"),
    "registration": ("z", "lead", "tile_score"),
}
"""Evidence by method. Tiles: log odds of the posterior, and the best tile's score in standard
deviations. Registration: ``z``, its lead over the runner-up, and the score of the tile it was
found at, up to 3: how far scores reach differs between systems."""

LEAST_PHOTOS = 20
"""Below this many photos a 95 % radius cannot be told."""

_STIFFNESS = 1.0
_MOST_LOG_ODDS = 8.0


@dataclass(frozen=True)
class Evidence:
    """What speaks for a position.

    Attributes:
        method: ``tiles`` or ``registration``.
        values: of ``FEATURES[method]``, in order.
        radii_m: raw 68 and 95 % radii, metres.
    """

    method: str
    values: tuple[float, ...]
    radii_m: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Calibration of one method.

    Attributes:
        bias, weights: of the logistic function; weights in the order of ``FEATURES``.
        factors: of the 68 and 95 % radii.
    """

    bias: float
    weights: tuple[float, ...]
    factors: tuple[float, float]

    def confidence(self, values: Sequence[float]) -> float:
        """Probability that the position is right."""
        return float(expit(self.bias + np.dot(self.weights, values)))


DEFAULTS = {
    "tiles": Curve(-6.21, (0.80, 1.29), (1.30, 1.58)),
    "registration": Curve(-10.95, (0.26, 1.78, 2.94), (1.65, 0.99)),
}
"""Fitted to the first halves of a nadir and an oblique flight, each over its own map (right) and
over the other's (wrong), with ImageNet features; the radii of tiles with skyfix_s. Fitted with
skyfix_s, confidence would refuse 97 instead of 89 % of the oblique flight over the other map, but
place 83 instead of 91 % of it over its own; see docs/fixes.md."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of a gallery.

    Attributes:
        curves: by method.
        identity: of the system it was fitted with; empty for the defaults.
        photos: number of photos it was fitted to.
    """

    curves: dict[str, Curve] = field(default_factory=lambda: dict(DEFAULTS))
    identity: str = ""
    photos: int = 0

    def judge(self, evidence: Evidence) -> tuple[float, float, float]:
        """Confidence, and the 68 and 95 % radii in metres."""
        curve = self.curves[evidence.method]
        near, far = (
            radius * factor for radius, factor in zip(evidence.radii_m, curve.factors, strict=True)
        )
        return curve.confidence(evidence.values), near, max(near, far)

    def fitted(
        self,
        evidence: Sequence[Evidence],
        errors_m: np.ndarray,
        reach_m: np.ndarray,
        identity: str,
        photos: int,
    ) -> "Calibration":
        """A calibration that fits labelled photos, starting from this one.

        The logistic weights are held near the present ones by a normal prior of deviation 1, so
        a few photos, or photos that are all found, move them little. A radius factor is the
        quantile of error over raw radius among right positions, taken one rank up, so that the
        next photo lies within it at least as often as it says (split conformal prediction).

        Args:
            evidence: of both methods in any mixture.
            errors_m: (N,) metres from the truth.
            reach_m: (N,) errors up to this count as right.
            identity: the system's.
            photos: number of photos the evidence is from.
        """
        curves = dict(self.curves)
        for method, curve in self.curves.items():
            chosen = [number for number, one in enumerate(evidence) if one.method == method]
            if chosen:
                curves[method] = _fitted_curve(
                    curve,
                    [evidence[number] for number in chosen],
                    errors_m[chosen],
                    reach_m[chosen],
                )
        return Calibration(curves, identity, photos)

    def write(self, gallery: Path | str) -> None:
        """Write calibration.json into a gallery's folder, in one step."""
        write_json(storage_of(gallery), CALIBRATION_FILE, {"format": FORMAT, **asdict(self)})


def read_calibration(gallery: Path | str, identity: str) -> Calibration:
    """The calibration in a gallery's folder; the defaults if there is none.

    Raises:
        SkyfixError: damaged, or fitted with another system.
    """
    storage = storage_of(gallery)
    if CALIBRATION_FILE not in storage.entries():
        return Calibration()
    path = f"{storage.uri}/{CALIBRATION_FILE}"
    content = read_json(storage, CALIBRATION_FILE, "calibration")
    try:
        found = _from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise SkyfixError(
            f"Damaged calibration {path}: {error!r}. Remove it or calibrate anew."
        ) from error
    if found.identity != identity:
        raise SkyfixError(
            f"{path} was fitted with system {found.identity}, the gallery is of {identity}. "
            "Remove it or calibrate anew."
        )
    return found


def log_odds(probability: float) -> float:
    """Of a probability, within +-8."""
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-min(probability, 1.0 - 1e-16))
    return float(np.clip(odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS))


def _fitted_curve(
    curve: Curve, evidence: Sequence[Evidence], errors_m: np.ndarray, reach_m: np.ndarray
) -> Curve:
    values = np.array([[1.0, *one.values] for one in evidence])
    right = errors_m <= reach_m
    start = np.array([curve.bias, *curve.weights])

    def loss(weights: np.ndarray) -> float:
        margins = np.where(right, 1, -1) * (values @ weights)
        change = (weights - start) / _STIFFNESS
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * change @ change)

    weights = minimize(loss, start, method="L-BFGS-B").x
    raw_m = np.array([one.radii_m for one in evidence])[right]
    factors = tuple(
        _quantile(errors_m[right] / raw_m[:, which], level, curve.factors[which])
        for which, level in enumerate((0.68, 0.95))
    )
    bias, *slopes = (float(weight) for weight in weights)
    return Curve(bias, tuple(slopes), (factors[0], factors[1]))


def _quantile(ratios: np.ndarray, level: float, otherwise: float) -> float:
    rank = int(np.ceil(level * (len(ratios) + 1)))
    return otherwise if rank > len(ratios) else float(max(np.sort(ratios)[rank - 1], 1e-3))


def _from_json(content: dict[str, Any]) -> Calibration:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}")
    curves = {}
    for method, names in FEATURES.items():
        stored = content["curves"][method]
        curve = Curve(
            float(stored["bias"]),
            tuple(float(weight) for weight in stored["weights"]),
            (float(stored["factors"][0]), float(stored["factors"][1])),
        )
        if len(curve.weights) != len(names):
            raise ValueError(f"{len(curve.weights)} weights for {method}")
        curves[method] = curve
    return Calibration(curves, str(content["identity"]), int(content["photos"]))
