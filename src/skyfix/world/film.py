"""A flight's video (H.264 in MP4) and the subtitles that DJI drones write beside theirs."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from skyfix.errors import SkyfixError
from skyfix.files import write_text
from skyfix.geo.crs import wrap_deg
from skyfix.world.waypoints import Waypoint

_FILM_MM = 36.0
_BITEXACT = 0x400
"""libavformat's flag for files without clock time and version."""


def write_video(
    path: Path, frames: Iterable[np.ndarray], size_px: tuple[int, int], fps: int, crf: int = 23
) -> None:
    """Encode frames.

    Args:
        path: the file to make, ``.mp4``.
        frames: (H, W, 3) uint8 each.
        size_px: (width, height) of the frames, even numbers.
        fps: frames a second.
        crf: the codec's constant rate factor, larger is smaller and coarser.

    Raises:
        SkyfixError: odd numbers, or the file cannot be written.
    """
    import av

    if size_px[0] % 2 or size_px[1] % 2:
        raise SkyfixError(f"A video of {size_px[0]} x {size_px[1]} px: give even numbers.")
    try:
        # Without these settings x264's files differ from run to run.
        with av.open(str(path), "w") as container:
            container.flags |= _BITEXACT
            stream = container.add_stream("libx264", rate=Fraction(fps))
            stream.width, stream.height = size_px
            stream.pix_fmt = "yuv420p"
            stream.options = {
                "crf": str(crf),
                "preset": "medium",
                "flags": "+bitexact",
                "x264-params": "cpu-independent=1:lookahead-threads=1:sync-lookahead=0",
            }
            stream.codec_context.thread_count = 1
            for picture in frames:
                planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
                frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise SkyfixError(f"Cannot write the video {path}: {error.strerror}.") from error


def write_srt(path: Path, flight: Sequence[Waypoint], fps: int, start: datetime) -> None:
    """Write one subtitle a frame, in the dialect of DJI's newer drones.

    ``focal_len`` is equivalent to 36 mm across the picture's width.

    Args:
        path: the file to make.
        flight: one waypoint a frame.
        fps: frames a second.
        start: wall clock of the first frame.

    Raises:
        SkyfixError: the file cannot be written.
    """
    cues = []
    for number, at in enumerate(flight, 1):
        begin, end = (_clock(step / fps) for step in (number - 1, number))
        now = start + timedelta(seconds=at.time_s)
        stamp = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d}"
        cues.append(f"{number}\n{begin} --> {end}\n{stamp}\n{_fields(at)}\n")
    write_text(path, "\n".join(cues))


def _fields(at: Waypoint) -> str:
    pose = at.pose
    heading_deg = float(wrap_deg(np.array(pose.heading_deg)))
    focal_mm = _FILM_MM / 2 / np.tan(np.radians(float(pose.hfov_deg or 0.0)) / 2)
    return (
        f"[focal_len: {focal_mm:.3f}] [latitude: {at.lat:.8f}] [longitude: {at.lon:.8f}] "
        f"[rel_alt: {pose.altitude_m:.3f} abs_alt: {at.above_sea_m:.3f}] "
        f"[gb_yaw: {heading_deg:.2f} gb_pitch: {pose.pitch_deg:.2f} "
        f"gb_roll: {pose.roll_deg or 0.0:.2f}]"
    )


def _clock(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{milliseconds:03d}"
