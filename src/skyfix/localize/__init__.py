"""From photos to position fixes, and from videos to tracks."""

from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.frames import Selection, open_frames
from skyfix.localize.locate import Locator, locate, locate_many
from skyfix.localize.poses import PoseTable, read_poses
from skyfix.localize.prepare import Picture
from skyfix.localize.telemetry import Telemetry, read_telemetry
from skyfix.localize.track import Track, track
from skyfix.localize.track_file import TrackStep, read_track

__all__ = [
    "Candidate",
    "Fix",
    "Locator",
    "Picture",
    "PoseTable",
    "Selection",
    "Telemetry",
    "Track",
    "TrackStep",
    "locate",
    "locate_many",
    "open_frames",
    "read_poses",
    "read_telemetry",
    "read_track",
    "track",
]
