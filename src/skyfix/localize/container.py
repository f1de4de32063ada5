"""Opening video files of which nothing is trusted."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

_FORMATS = (
    *("mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg"),
    *("h264", "hevc", "mpegvideo", "m4v", "mjpeg", "ivf"),
)


def open_container(path: Path) -> "av.container.InputContainer":
    """A video file, opened by FFmpeg.

    Lists of other files and of addresses (ffconcat, HLS, DASH) are refused whatever their name,
    for they would have other files read.

    Raises:
        av.FFmpegError: not a video in one of the usual containers.
    """
    import av

    allowed = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
    return av.open(str(path.absolute()), options=allowed)
