"""From photos to position fixes."""

from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.locate import Locator, locate, locate_many
from skyfix.localize.poses import PoseTable, read_poses
from skyfix.localize.prepare import Picture

__all__ = [
    "Candidate",
    "Fix",
    "Locator",
    "Picture",
    "PoseTable",
    "locate",
    "locate_many",
    "read_poses",
]
