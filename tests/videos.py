"""Small videos for tests, made with PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.stream
import numpy as np

TICKS = 1000


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_s: Sequence[float],
    codec: str = "libx264",
    rate: int = 10,
    subtitles: Sequence[tuple[float, str]] = (),
) -> Path:
    """Encode (H, W, 3) uint8 RGB pictures with their own timestamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        if codec == "libx264":
            stream.options = {"crf": "12", "preset": "ultrafast", "g": "10"}
        texts = _text_stream(container) if subtitles else None
        for picture, time_s in zip(pictures, times_s, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time_s * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for time_s, text in subtitles:
            data = text.encode()
            packet = av.Packet(len(data).to_bytes(2, "big") + data)
            packet.stream, packet.time_base = texts, Fraction(1, TICKS)
            packet.pts = packet.dts = round(time_s * TICKS)
            packet.duration = TICKS // 2
            container.mux(packet)
    return path


def numbered(count: int, size_px: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Pictures whose brightness tells their number: grey 10, 20, ... with a bright upper left."""
    pictures = []
    for number in range(count):
        picture = np.full((size_px[1], size_px[0], 3), 10 * (number % 20) + 10, np.uint8)
        picture[: size_px[1] // 4, : size_px[0] // 4] = 250
        pictures.append(picture)
    return pictures


def _text_stream(container: av.container.OutputContainer) -> av.stream.Stream:
    stream = container.add_stream("mov_text")
    stream.codec_context.subtitle_header = b"[Script Info]\nScriptType: v4.00+\n"
    return stream
