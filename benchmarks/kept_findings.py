"""What was found for photos, kept as JSON, so that a benchmark goes on where it stopped."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skyfix.files import read_json, write_json
from skyfix.geo.camera import Pose
from skyfix.localize.calibration import Evidence
from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.prepare import Prepared
from skyfix.localize.verdict import Finding

Pair = tuple[Prepared, Finding | Fix]
"""A prepared photo and what was found for it; a Fix where it gives no evidence at all."""


def write_findings(pairs: Sequence[Pair], path: Path) -> None:
    """Write the photos' names, poses and sizes, not their patches, and what was found."""
    write_json(
        path,
        [
            {
                "photo": photo.photo,
                "pose": asdict(photo.pose),
                "size_px": list(photo.size_px),
                "finding" if isinstance(found, Finding) else "fix": asdict(found)
                if isinstance(found, Finding)
                else found.to_json(),
            }
            for photo, found in pairs
        ],
    )


def read_findings(path: Path) -> list[Pair]:
    """What ``write_findings`` wrote."""
    return [_pair(value) for value in read_json(path, "findings")]


def _pair(value: dict[str, Any]) -> Pair:
    width_px, height_px = value["size_px"]
    photo = Prepared(value["photo"], Pose(**value["pose"]), (width_px, height_px))
    return photo, _finding(value["finding"]) if "finding" in value else Fix.from_json(value["fix"])


def _finding(value: dict[str, Any]) -> Finding:
    evidence = value["evidence"]
    near_m, far_m = evidence["radii_m"]
    return Finding(
        **value
        | {
            "evidence": Evidence(evidence["method"], tuple(evidence["values"]), (near_m, far_m)),
            "candidates": tuple(Candidate(**one) for one in value["candidates"]),
            "pose": Pose(**value["pose"]) if value["pose"] else None,
            "tiles": _finding(value["tiles"]) if value["tiles"] else None,
        }
    )
