"""Photos as a DJI drone writes them: position in EXIF (CIPA DC-008), attitude in XMP."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from skyfix.geo.crs import wrap_deg
from skyfix.world.waypoints import Waypoint

_ARC_SECOND_STEPS = 10_000
"""A step is 3 mm on the ground."""
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
{attributes}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def save_photo(
    path: Path, picture: np.ndarray, at: Waypoint, focal_mm: int, taken: datetime, quality: int = 90
) -> None:
    """Write a JPEG file with its pose.

    Args:
        path: the file to make.
        picture: (H, W, 3) uint8.
        at: place and complete pose of the camera; its field of view is that of ``focal_mm``.
        focal_mm: focal length equivalent to 35-mm film, a whole number as EXIF has it.
        taken: with a time zone.
        quality: of the JPEG, up to 95.
    """
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = "skyfix", "made-up camera"
    exif.get_ifd(IFD.Exif).update(
        {
            Base.DateTimeOriginal: f"{taken:%Y:%m:%d %H:%M:%S}",
            Base.SubsecTimeOriginal: f"{taken.microsecond // 1000:03d}",
            Base.OffsetTimeOriginal: taken.isoformat()[-6:],
            Base.FocalLengthIn35mmFilm: focal_mm,
        }
    )
    exif.get_ifd(IFD.GPSInfo).update(_gps(at))
    image = Image.fromarray(picture)
    image.save(path, format="JPEG", quality=quality, exif=exif, xmp=_packet(at))


def _gps(at: Waypoint) -> dict[int, Any]:
    return {
        GPS.GPSVersionID: b"\2\3\0\0",
        GPS.GPSLatitudeRef: "N" if at.lat >= 0 else "S",
        GPS.GPSLatitude: _angle(at.lat),
        GPS.GPSLongitudeRef: "E" if at.lon >= 0 else "W",
        GPS.GPSLongitude: _angle(at.lon),
        GPS.GPSAltitudeRef: b"\0" if at.above_sea_m >= 0 else b"\1",
        GPS.GPSAltitude: IFDRational(round(abs(at.above_sea_m) * 1000), 1000),
        GPS.GPSMapDatum: "WGS-84",
    }


def _angle(value_deg: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    steps = round(abs(value_deg) * 3600 * _ARC_SECOND_STEPS)
    degrees, rest = divmod(steps, 3600 * _ARC_SECOND_STEPS)
    minutes, seconds = divmod(rest, 60 * _ARC_SECOND_STEPS)
    return (
        IFDRational(degrees, 1),
        IFDRational(minutes, 1),
        IFDRational(seconds, _ARC_SECOND_STEPS),
    )


def _packet(at: Waypoint) -> bytes:
    pose = at.pose
    values = {
        "AbsoluteAltitude": f"{at.above_sea_m:+.2f}",
        "RelativeAltitude": f"{pose.altitude_m:+.2f}",
        "GpsLatitude": f"{at.lat:.8f}",
        "GpsLongitude": f"{at.lon:.8f}",
        "GimbalRollDegree": f"{pose.roll_deg or 0.0:+.2f}",
        "GimbalYawDegree": f"{float(wrap_deg(np.array(pose.heading_deg))):+.2f}",
        "GimbalPitchDegree": f"{pose.pitch_deg:+.2f}",
    }
    attributes = "\n".join(f'   drone-dji:{name}="{value}"' for name, value in values.items())
    return _XMP.format(attributes=attributes).encode()
