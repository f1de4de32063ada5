"""Photos with EXIF tags and XMP packets."""

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.PngImagePlugin import PngInfo

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="DJI Meta Data" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
{attributes}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
OBLIQUE = {
    "GimbalYawDegree": "+30.50",
    "GimbalPitchDegree": "-55.00",
    "GimbalRollDegree": "+2.00",
    "FlightYawDegree": "+28.00",
    "RelativeAltitude": "+80.20",
}
NOT_RECORDED = {
    "GimbalYawDegree": "+0.00",
    "GimbalPitchDegree": "+0.00",
    "GimbalRollDegree": "+0.00",
    "FlightYawDegree": "+152.10",
    "FlightPitchDegree": "+3.10",
    "RelativeAltitude": "+119.70",
}
BERN = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (46.0, 57.0, 3.6),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (7.0, 26.0, 24.0),
    GPS.GPSAltitudeRef: b"\x00",
    GPS.GPSAltitude: 620.5,
}


def packet(values: dict[str, str]) -> bytes:
    """An XMP packet of DJI's values."""
    attributes = " ".join(f'drone-dji:{name}="{value}"' for name, value in values.items())
    return XMP.format(attributes=attributes).encode()


def tag(
    path: Path,
    image: Image.Image | None = None,
    gps: dict[int, Any] | None = None,
    exif: dict[int, Any] | None = None,
    xmp: bytes | dict[str, str] | None = None,
    orientation: int | None = None,
) -> Path:
    """Write an image, 160 x 120 px unless given, with the tags."""
    tags = Image.Exif()
    if orientation is not None:
        tags[Base.Orientation] = orientation
    tags[Base.Make], tags[Base.Model] = "DJI\0\0\0", "FC0000"
    tags.get_ifd(IFD.Exif).update(exif or {})
    tags.get_ifd(IFD.GPSInfo).update(gps or {})
    content = packet(xmp) if isinstance(xmp, dict) else xmp
    more: dict[str, Any] = {}
    if content is not None and path.suffix == ".png":
        more["pnginfo"] = PngInfo()
        more["pnginfo"].add_itxt("XML:com.adobe.xmp", content.decode())
    elif content is not None and path.suffix == ".tif":
        tags[Base.XMLPacket] = content
    elif content is not None:
        more["xmp"] = content
    (image or Image.new("RGB", (160, 120))).save(path, exif=tags, quality=92, **more)
    return path
