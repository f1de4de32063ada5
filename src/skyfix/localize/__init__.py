"""From photos to position fixes, and from videos to tracks."""

from skyfix.localize.calibrate import Calibrated, calibrate
from skyfix.localize.fix import Candidate, Fix
from skyfix.localize.frames import Selection, open_frames
from skyfix.localize.known import Known, known_of
from skyfix.localize.labelled import Labelled, read_labelled
from skyfix.localize.locate import Locator, locate, locate_many
from skyfix.localize.photo_metadata import PhotoMetadata, read_metadata
from skyfix.localize.poses import PoseTable, read_poses
from skyfix.localize.prepare import Picture
from skyfix.localize.telemetry import Telemetry, read_telemetry
from skyfix.localize.track import Track, track
from skyfix.localize.track_file import TrackStep, read_track

__all__ = [
    "Calibrated",
    "Candidate",
    "Fix",
    "Known",
    "Labelled",
    "Locator",
    "PhotoMetadata",
    "Picture",
    "PoseTable",
    "Selection",
    "Telemetry",
    "Track",
    "TrackStep",
    "calibrate",
    "known_of",
    "locate",
    "locate_many",
    "open_frames",
    "read_labelled",
    "read_metadata",
    "read_poses",
    "read_telemetry",
    "read_track",
    "track",
]
