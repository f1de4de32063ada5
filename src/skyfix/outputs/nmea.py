"""Fixes as NMEA 0183 sentences, as a satellite receiver would say them."""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from skyfix.localize.fix import Fix
from skyfix.outputs.positions import receiver, sigma_m
from skyfix.outputs.text_stream import TextStream

_TALKER = "GN"
_ESTIMATED, _INVALID = "6", "0"


def sentences(fix: Fix) -> list[str]:
    """GGA, RMC and GST of a fix, each with its checksum and line end.

    The position is the camera's where it is known, else the ground at the photo's centre. It is
    called estimated (GGA quality 6, RMC mode E), as dead reckoning is, with no satellites; GST
    holds standard deviations in metres. Height, speed and course are empty. Of a photo that was
    not located there are GGA with quality 0 and RMC with status V, without a position.
    """
    moment = fix.time.astimezone(UTC) if fix.time else None
    clock = f"{moment:%H%M%S}.{moment.microsecond // 10000:02d}" if moment else ""
    date = f"{moment:%d%m%y}" if moment else ""
    position = receiver(fix)
    if position is None:
        return [
            _sentence("GGA", clock, "", "", "", "", _INVALID, "00", "", "", "M", "", "M", "", ""),
            _sentence("RMC", clock, "V", "", "", "", "", "", "", date, "", "", "N"),
        ]
    where = (*_angle(position[1], 2, "NS"), *_angle(position[0], 3, "EW"))
    sigma = f"{sigma_m(fix):.2f}"
    return [
        _sentence("GGA", clock, *where, _ESTIMATED, "00", "", "", "M", "", "M", "", ""),
        _sentence("RMC", clock, "A", *where, "", "", date, "", "", "E"),
        _sentence("GST", clock, "", sigma, sigma, "", sigma, sigma, ""),
    ]


def write_nmea(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write the sentences of all fixes."""
    with NmeaStream(path) as stream:
        for fix in fixes:
            stream.write(fix)


class NmeaStream(TextStream):
    """NMEA 0183 sentences to a file, a named pipe or a serial device, see ``sentences``."""

    def text(self, fix: Fix) -> str:
        """All sentences of a fix."""
        return "".join(sentences(fix))


def _sentence(kind: str, *fields: str) -> str:
    body = ",".join((f"{_TALKER}{kind}", *fields))
    checksum = 0
    for byte in body.encode("ascii"):
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n"


def _angle(value_deg: float, digits: int, signs: str) -> tuple[str, str]:
    """Degrees and minutes to a hundred thousandth (2 cm), and the hemisphere."""
    hundred_thousandths = round(abs(value_deg) * 60 * 100_000)
    degrees, rest = divmod(hundred_thousandths, 60 * 100_000)
    minutes, fraction = divmod(rest, 100_000)
    sign = signs[0] if value_deg >= 0 else signs[1]
    return f"{degrees:0{digits}d}{minutes:02d}.{fraction:05d}", sign
