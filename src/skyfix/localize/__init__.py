"""From photos to position fixes."""

from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.known import Known, known_of
from skyfix.localize.locate import locate, locate_many
from skyfix.localize.photo_metadata import PhotoMetadata, read_metadata
from skyfix.localize.poses import PoseTable, read_poses

__all__ = [
    "Candidate",
    "Fix",
    "Known",
    "PhotoMetadata",
    "PoseTable",
    "known_of",
    "locate",
    "locate_many",
    "read_metadata",
    "read_poses",
]
