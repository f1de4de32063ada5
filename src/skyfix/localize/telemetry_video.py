"""Telemetry in the subtitles inside a video file, as some drones store it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from skyfix.errors import SkyfixError
from skyfix.localize.container import open_container
from skyfix.localize.telemetry import Telemetry
from skyfix.localize.telemetry_srt import from_texts

if TYPE_CHECKING:
    import av


def read_subtitles(path: Path) -> Telemetry:
    """Read the first subtitle stream of a video; the texts are those of SRT files.

    Raises:
        SkyfixError: not a video, no subtitles, or none with telemetry.
    """
    import av

    try:
        with open_container(path) as container:
            if not container.streams.subtitles:
                raise SkyfixError(
                    f"{path} has no subtitles to read telemetry from. "
                    "Give the drone's SRT file or a CSV."
                )
            texts = list(_texts(container))
    except av.FFmpegError as error:
        raise SkyfixError(
            f"Cannot read telemetry from {path}: {error.strerror}. "
            "Give an SRT file, a CSV, or a video with subtitles."
        ) from error
    return from_texts(path, texts)


def _texts(container: "av.container.InputContainer") -> Iterator[tuple[float, str]]:
    stream = container.streams.subtitles[0]
    for packet in container.demux(stream):
        if packet.pts is None or packet.size == 0:
            continue
        for subtitle in stream.decode(packet):
            text = getattr(subtitle, "dialogue", b"").decode("utf-8", errors="replace")
            yield float(packet.pts * packet.time_base), text
