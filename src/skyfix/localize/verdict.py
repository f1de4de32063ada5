"""From evidence to a fix that says how sure it is, or says no."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from skyfix.geo.camera import Pose
from skyfix.localize.calibration import Calibration, Evidence, log_odds
from skyfix.localize.fix import Candidate, Fix, not_located
from skyfix.localize.place import camera_and_footprint
from skyfix.localize.prepare import Prepared
from skyfix.localize.register import Registration
from skyfix.localize.scales import Scores

MIN_CONFIDENCE = 0.5
"""Below this a photo counts as not located: the position is more likely wrong than right."""

CONVINCING = 0.9
"""Confidence from which a photo of unknown geometry is taken for the picture from straight above
that its registration supposes; below it the tiles decide."""

_RELIEF = 0.15
_EXACT, _ASSUMED_EXACT = 0.01, 0.03
_ENOUGH_SCORE = 3.0


@dataclass(frozen=True)
class Finding:
    """A position and what speaks for it.

    Attributes:
        lon, lat: ground point at the photo's centre, degrees.
        evidence: for the position.
        candidates: most likely tiles.
        tile_m: side of the tiles searched, metres.
        pose: of the camera, as corrected by registration.
        heading_deg: direction of the photo's top, known or found.
        remark: what could not be done.
        tiles: what the tiles alone say, where the photo was registered.
    """

    lon: float
    lat: float
    evidence: Evidence
    candidates: tuple[Candidate, ...]
    tile_m: float
    pose: Pose | None = None
    heading_deg: float | None = None
    remark: str = ""
    tiles: "Finding | None" = None

    @property
    def method(self) -> Literal["tiles", "registration"]:
        """What the position rests on."""
        return "tiles" if self.evidence.method == "tiles" else "registration"


def of_tiles(scores: Scores, candidates: tuple[Candidate, ...], heading_deg: float) -> Finding:
    """What the tiles say; ``heading_deg`` is the best view's."""
    found = scores.found
    values = log_odds(found.confidence), float(scores.scores.max())
    radii_m = found.accuracy_m, found.accuracy_95_m
    evidence = Evidence("tiles", values, radii_m)
    return Finding(
        found.lon, found.lat, evidence, candidates, scores.tile_m, heading_deg=heading_deg
    )


def of_registration(
    photo: Prepared, found: Registration, place_scores: Sequence[float], tiles: Finding
) -> Finding:
    """What the registration says.

    Its raw radius is a hundredth of the distance to the ground, and what relief of 15 % of the
    camera's height would shift the ground point of an oblique line of sight. Where the geometry
    is unknown it is three hundredths of the tile.
    """
    pose = photo.pose
    heading_deg = ((pose.heading_deg or 0.0) + found.turn_deg) % 360.0
    corrected, raw_m = None, _ASSUMED_EXACT * tiles.tile_m
    if pose.has_geometry:
        height_m = float(pose.altitude_m or 0.0)
        depression = math.radians(-float(pose.pitch_deg or 0.0))
        relief_m = _RELIEF * height_m / max(math.tan(depression), 1e-3)
        raw_m = math.hypot(_EXACT * height_m / math.sin(depression), relief_m)
        corrected = replace(pose, heading_deg=heading_deg, altitude_m=height_m * found.scale)
    values = (
        found.z,
        found.z - found.runner_up_z,
        min(float(place_scores[found.place]), _ENOUGH_SCORE),
    )
    return Finding(
        found.lon,
        found.lat,
        Evidence("registration", values, (raw_m, 2 * raw_m)),
        tiles.candidates,
        tiles.tile_m,
        corrected,
        heading_deg,
        tiles=tiles,
    )


def fix_of(photo: Prepared, finding: Finding, calibration: Calibration) -> Fix:
    """The fix a finding amounts to."""
    confidence, near_m, far_m = calibration.judge(finding.evidence)
    if finding.tiles is not None and not photo.pose.has_geometry and confidence < CONVINCING:
        finding = finding.tiles
        confidence, near_m, far_m = calibration.judge(finding.evidence)
    if confidence < MIN_CONFIDENCE:
        # Tiles that look alike are no evidence against a map that does not fit.
        hint = "Check the pose." if finding.tiles is not None else finding.remark
        reason = f"No place stands out: confidence {confidence:.2f}. {hint}".strip()
        return not_located(photo.photo, reason, finding.candidates, confidence)
    pose = finding.pose or photo.pose
    camera, outline = camera_and_footprint(finding.lon, finding.lat, pose, photo.size_px)
    return Fix(
        photo=photo.photo,
        located=True,
        lon=finding.lon,
        lat=finding.lat,
        accuracy_m=near_m,
        accuracy_95_m=far_m,
        confidence=confidence,
        reason=finding.remark,
        candidates=finding.candidates,
        camera_lon=camera[0],
        camera_lat=camera[1],
        footprint=outline,
        heading_deg=finding.heading_deg,
        method=finding.method,
    )
