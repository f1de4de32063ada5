"""What a photo says of its own camera: EXIF tags and the XMP packet of DJI's drones."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from PIL.ExifTags import IFD, Base

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.images import FORMATS
from skyfix.localize import exif
from skyfix.localize.xmp import DJI, read_xmp

_Value = TypeVar("_Value")

_GIMBAL = ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree")
_FLIGHT = ("FlightYawDegree", "FlightPitchDegree", "FlightRollDegree")
_PITCH_NOISE_DEG = 1.0
_VERTICAL_DEG = -89.8
_ON_ITS_SIDE = (5, 6, 7, 8)
_ROLL_OF_ORIENTATION = {3: 180.0, 4: 180.0, 5: 90.0, 6: -90.0, 7: -90.0, 8: 90.0}
"""Degrees that the upright image is rolled against the stored one, of which the gimbal speaks.
Where the stored image is mirrored as well, the mirror (left to right) is undone first."""
_NAMES = (Base.Make, Base.Model)
_HIGHEST_M = 100_000.0


@dataclass(frozen=True)
class PhotoMetadata:
    """What is written in a photo; None is unknown.

    Attributes:
        pose: of the upright photo. The altitude is above the take-off point, all that a drone
            knows of its height above the ground.
        lon, lat: the camera by GPS, WGS84 degrees.
        altitude_above_sea_m: the camera by GPS; some cameras mean the ellipsoid.
        time: when it was taken, with a time zone.
        camera: maker and model.
        size_px: (width, height) of the upright photo; (0, 0) if it cannot be read.
        warnings: what was there but could not be used, one line each.
    """

    pose: Pose = field(default_factory=Pose)
    lon: float | None = None
    lat: float | None = None
    altitude_above_sea_m: float | None = None
    time: datetime | None = None
    camera: str = ""
    size_px: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()


NO_ANGLES = "The gimbal's angles are all 0, so they were not recorded: the pitch is unknown."
"""A warning that does not matter where the pitch is known from elsewhere."""


def read_metadata(path: Path | str) -> PhotoMetadata:
    """Read a photo's metadata; whatever is missing or broken is None and named in ``warnings``.

    Never raises for what a file holds.
    """
    notes: list[str] = []
    try:
        # Pillow warns of broken tags and raises almost anything on corrupt bytes.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                size_px = image.size
                tags = image.getexif()
                general, details = dict(tags), dict(tags.get_ifd(IFD.Exif))
                gps = dict(tags.get_ifd(IFD.GPSInfo))
                packet = image.info.get("xmp") or tags.get(Base.XMLPacket)
    except Exception as error:
        return PhotoMetadata(warnings=(f"The metadata cannot be read: {error}",))
    orientation = general.get(Base.Orientation)
    orientation = orientation if isinstance(orientation, int) else 1
    if orientation in _ON_ITS_SIDE:
        size_px = size_px[1], size_px[0]

    def use(read: Callable[..., _Value | None], *arguments: Any) -> _Value | None:
        try:
            return read(*arguments)
        except SkyfixError as error:
            notes.append(str(error))
            return None

    drone = use(read_xmp, packet, DJI) if isinstance(packet, bytes) else None
    position = use(exif.position, gps)
    heading_deg, pitch_deg, roll_deg = use(_attitude, drone or {}, notes) or (None, None, None)
    if roll_deg is not None:
        roll_deg = _wrapped(roll_deg + _ROLL_OF_ORIENTATION.get(orientation, 0.0))
        if heading_deg is not None and pitch_deg is not None and pitch_deg <= _VERTICAL_DEG:
            # Straight down, roll turns the image as the heading does; cameras hung upside down
            # write 180.
            heading_deg, roll_deg = _wrapped(heading_deg + roll_deg), 0.0
    pose = Pose(
        heading_deg,
        pitch_deg,
        use(_above_take_off_m, drone or {}),
        use(exif.hfov_deg, details, size_px),
        roll_deg,
    )
    return PhotoMetadata(
        pose=pose,
        lon=position[0] if position else None,
        lat=position[1] if position else None,
        altitude_above_sea_m=use(exif.altitude_above_sea_m, gps),
        time=use(exif.time_taken, details, gps),
        camera=" ".join(filter(None, (exif.text(general.get(tag)) for tag in _NAMES))),
        size_px=size_px,
        warnings=tuple(notes),
    )


def _attitude(
    drone: Mapping[str, str], notes: list[str]
) -> tuple[float | None, float | None, float | None]:
    """Heading, pitch and roll of the camera in degrees.

    Some cameras write zero for all three angles of the gimbal whatever it does: those count as
    not recorded. The airframe's yaw stands in for the heading, nothing for the pitch.
    """
    gimbal = [_number(drone, name) for name in _GIMBAL]
    if any(gimbal):
        yaw_deg, pitch_deg, roll_deg = gimbal
        return yaw_deg, _pitch_deg(pitch_deg), roll_deg
    if None not in gimbal:
        notes.append(NO_ANGLES)
    flight = [_number(drone, name) for name in _FLIGHT]
    return (flight[0] if any(flight) else None), None, None


def _pitch_deg(pitch_deg: float | None) -> float | None:
    if pitch_deg is None or abs(pitch_deg) <= 90.0:
        return pitch_deg
    if abs(pitch_deg) > 90.0 + _PITCH_NOISE_DEG:
        raise SkyfixError(f"GimbalPitchDegree is {pitch_deg:g}, out of range.")
    return 90.0 if pitch_deg > 0 else -90.0


def _above_take_off_m(drone: Mapping[str, str]) -> float | None:
    altitude_m = _number(drone, "RelativeAltitude")
    if altitude_m is not None and not 0.0 < altitude_m < _HIGHEST_M:
        raise SkyfixError(f"RelativeAltitude is {altitude_m:g} m: no height above the ground.")
    return altitude_m


def _number(drone: Mapping[str, str], name: str) -> float | None:
    return exif.number(drone[name], name) if name in drone else None


def _wrapped(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0
