"""From photos to position fixes."""

from skyfix.localize.calibrate import Calibrated, calibrate
from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.labelled import Labelled, read_labelled
from skyfix.localize.locate import locate, locate_many
from skyfix.localize.poses import PoseTable, read_poses

__all__ = [
    "Calibrated",
    "Candidate",
    "Fix",
    "Labelled",
    "PoseTable",
    "calibrate",
    "locate",
    "locate_many",
    "read_labelled",
    "read_poses",
]
