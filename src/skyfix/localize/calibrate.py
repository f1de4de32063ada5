"""Fitting a gallery's calibration to photos of which the place is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize.calibration import LEAST_PHOTOS, Calibration, read_calibration
from skyfix.localize.labelled import Labelled
from skyfix.localize.locate import Locator
from skyfix.localize.prepare import prepare_many
from skyfix.localize.verdict import Finding
from skyfix.progress import counting


@dataclass(frozen=True)
class Calibrated:
    """A fitted calibration and what it was fitted to, one value a photo (N,).

    Attributes:
        calibration: the gallery's new one.
        errors_m: of the position each photo's evidence speaks for.
        confidence: by the new calibration.
        radii_95_m: by the new calibration.
        reach_m: half a tile; errors up to this count as right.
        passed_over: photos that give no evidence, such as featureless ones.
    """

    calibration: Calibration
    errors_m: np.ndarray
    confidence: np.ndarray
    radii_95_m: np.ndarray
    reach_m: np.ndarray
    passed_over: int


def calibrate(
    gallery: Gallery, photos: Sequence[Labelled], embedder: Embedder | None = None
) -> Calibrated:
    """Fit confidence and radii to labelled photos, and keep them in the gallery's folder.

    A position counts as right within half a tile of the truth. Every photo gives evidence of
    tiles, and one whose pose is known also evidence of registration.

    Raises:
        SkyfixError: fewer than ``LEAST_PHOTOS`` photos that give evidence, or the embedder is
            not the gallery's.
    """
    if len(photos) < LEAST_PHOTOS:
        raise _too_few(len(photos))
    present = read_calibration(gallery.path, gallery.identity)
    locator = Locator(gallery, embedder, k=1, calibration=present)
    found: list[tuple[Finding, Labelled]] = []
    jobs = [(photo.path, photo.pose) for photo in photos]
    with counting("Calibrating", len(photos), "photos") as counter:
        for photo, prepared in zip(photos, prepare_many(jobs, locator.scales), strict=True):
            finding = locator.find(prepared, locator.scores(prepared, *locator.embed([prepared])))
            if isinstance(finding, Finding):
                found.append((finding, photo))
            counter.advance(1)
    if len(found) < LEAST_PHOTOS:
        raise _too_few(len(found))
    pairs = found + [(one.tiles, photo) for one, photo in found if one.tiles is not None]
    fitted = Calibration().fitted(
        [finding.evidence for finding, _ in pairs],
        np.array([_error_m(*pair) for pair in pairs]),
        np.array([finding.tile_m / 2 for finding, _ in pairs]),
        gallery.identity,
        len(found),
    )
    fitted.write(gallery.path)
    judged = np.array([fitted.judge(finding.evidence) for finding, _ in found])
    errors_m = np.array([_error_m(*pair) for pair in found])
    reach_m = np.array([finding.tile_m / 2 for finding, _ in found])
    passed_over = len(photos) - len(found)
    return Calibrated(fitted, errors_m, judged[:, 0], judged[:, 2], reach_m, passed_over)


def _error_m(finding: Finding, photo: Labelled) -> float:
    return float(distance_m(finding.lon, finding.lat, photo.lon, photo.lat))


def _too_few(photos: int) -> SkyfixError:
    return SkyfixError(
        f"{photos} labelled photos give evidence, calibration needs at least {LEAST_PHOTOS}. "
        "Give more."
    )
