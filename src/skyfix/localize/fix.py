"""The answer to "where was this photo taken": a position and how sure it is, or a plain no."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from skyfix.errors import SkyfixError

Method = Literal["tiles", "registration", "filter", "smoother"]
"""What a position rests on: the tiles alike, the photo registered to the map, or a sequence's
filter or smoother."""


@dataclass(frozen=True)
class Candidate:
    """One tile that looks like the photo.

    Attributes:
        lon, lat: the ground point at the photo's centre if this tile is the right one, degrees.
        score: agreement with the photo, in standard deviations above the gallery's mean.
        tile: id of the tile in the gallery.
    """

    lon: float
    lat: float
    score: float
    tile: str


@dataclass(frozen=True)
class Fix:
    """Where the ground point at the photo's centre lies.

    Attributes:
        photo: path or name of the photo.
        located: False when the photo gives no position worth using; then ``lon``, ``lat`` and
            both accuracies are None and ``reason`` says why.
        lon, lat: ground point at the image centre, WGS84 degrees.
        accuracy_m, accuracy_95_m: radii around the position that hold the truth in 68 and 95 %
            of cases.
        confidence: posterior probability that the truth is near the position, 0 to 1.
        reason: why not located, or what could not be done for a position that is given; else empty.
        candidates: most likely tiles, best first, also when not located.
        camera_lon, camera_lat: the point below the camera; None unless the pose is known or the
            photo was registered.
        footprint: (lon, lat) corners of the ground in the photo, in image order from the upper
            left; empty unless the pose is known or the photo was registered.
        heading_deg: direction that the photo's top points to, clockwise from true north; None
            where it is neither known nor found.
        method: what the position rests on.
        time: when the photo was taken, with a time zone; None if unknown.
        time_s: seconds since the start of its video or flight; None for single photos.
    """

    photo: str
    located: bool
    lon: float | None = None
    lat: float | None = None
    accuracy_m: float | None = None
    accuracy_95_m: float | None = None
    confidence: float = 0.0
    reason: str = ""
    candidates: tuple[Candidate, ...] = ()
    camera_lon: float | None = None
    camera_lat: float | None = None
    footprint: tuple[tuple[float, float], ...] = ()
    heading_deg: float | None = None
    method: Method = "tiles"
    time: datetime | None = None
    time_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fix as plain JSON values; position and accuracies are null if not located.

        Camera, footprint, heading and times appear where they are known.
        """
        value: dict[str, Any] = {
            "photo": self.photo,
            "located": self.located,
            "lon": self.lon,
            "lat": self.lat,
            "accuracy_m": self.accuracy_m,
            "accuracy_95_m": self.accuracy_95_m,
            "confidence": self.confidence,
            "reason": self.reason,
            "method": self.method,
            "candidates": [
                {"lon": one.lon, "lat": one.lat, "score": one.score, "tile": one.tile}
                for one in self.candidates
            ],
        }
        if self.camera_lon is not None and self.camera_lat is not None:
            value |= {"camera_lon": self.camera_lon, "camera_lat": self.camera_lat}
        if self.footprint:
            value["footprint"] = [list(corner) for corner in self.footprint]
        if self.heading_deg is not None:
            value["heading_deg"] = self.heading_deg
        if self.time is not None:
            value["time"] = self.time.astimezone(UTC).isoformat(timespec="milliseconds")
        if self.time_s is not None:
            value["time_s"] = self.time_s
        return value

    @classmethod
    def from_json(cls, value: Any) -> "Fix":
        """The fix that ``to_json`` made ``value`` of; times to the millisecond.

        Raises:
            SkyfixError: not such a value.
        """
        try:
            read = dict(value)
            read["candidates"] = tuple(Candidate(**one) for one in read.get("candidates", ()))
            read["footprint"] = tuple((lon, lat) for lon, lat in read.get("footprint", ()))
            if "time" in read:
                read["time"] = datetime.fromisoformat(read["time"])
            if read.get("method", "tiles") not in get_args(Method):
                raise ValueError(f"no method {read['method']!r}")
            return cls(**read)
        except (TypeError, ValueError) as error:
            raise SkyfixError(f"Not a fix: {error}. Write it anew with skyfix.") from error


def not_located(
    photo: str, reason: str, candidates: tuple[Candidate, ...] = (), confidence: float = 0.0
) -> Fix:
    """A fix that says no, and why."""
    return Fix(photo, located=False, reason=reason, confidence=confidence, candidates=candidates)
