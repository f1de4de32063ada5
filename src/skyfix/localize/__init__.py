"""From photos to position fixes."""

from skyfix.localize.calibrate import Calibrated, calibrate
from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.known import Known, known_of
from skyfix.localize.labelled import Labelled, read_labelled
from skyfix.localize.locate import locate, locate_many
from skyfix.localize.photo_metadata import PhotoMetadata, read_metadata
from skyfix.localize.poses import PoseTable, read_poses

__all__ = [
    "Calibrated",
    "Candidate",
    "Fix",
    "Known",
    "Labelled",
    "PhotoMetadata",
    "PoseTable",
    "calibrate",
    "known_of",
    "locate",
    "locate_many",
    "read_labelled",
    "read_metadata",
    "read_poses",
]
