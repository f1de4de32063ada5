"""Positions in copies of photos: the picture stays byte for byte, other EXIF too."""

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from sample_fixes import located, lost, posed

from skyfix.errors import SkyfixError
from skyfix.outputs.geotag import geotag, tagged

GPS = ExifTags.GPS
MAKER_NOTE = bytes(range(256)) * 2


def picture(exif: Image.Exif | None = None, form: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    image = Image.effect_noise((64, 48), 80).convert("RGB")
    image.save(stream, form, quality=90, **({} if exif is None else {"exif": exif}))
    return stream.getvalue()


def camera_exif(order: str = "<") -> Image.Exif:
    exif = Image.Exif()
    exif.endian = order
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "DJI", 6
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.MakerNote] = MAKER_NOTE
    inner[ExifTags.Base.DateTimeOriginal] = "2026:03:01 12:30:45"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[GPS.GPSLatitudeRef], gps[GPS.GPSLatitude] = "S", (1.0, 2.0, 3.0)
    gps[GPS.GPSAltitude], gps[GPS.GPSSatellites] = 123.5, "9"
    gps[GPS.GPSImgDirectionRef], gps[GPS.GPSImgDirection] = "M", 10.0
    return exif


def scan(jpeg: bytes) -> bytes:
    """Everything from the first quantization table on."""
    return jpeg[jpeg.index(b"\xff\xdb") :]


def gps_of(jpeg: bytes) -> dict:
    with Image.open(io.BytesIO(jpeg)) as image:
        return dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))


def decimal(gps: dict, axis: int, ref: int) -> float:
    whole, minutes, seconds = (float(value) for value in gps[axis])
    return (whole + minutes / 60 + seconds / 3600) * (-1 if gps[ref] in "SW" else 1)


@pytest.mark.parametrize("exif", [None, camera_exif("<"), camera_exif(">")])
def test_the_picture_stays_and_the_position_is_read_back(exif: Image.Exif | None) -> None:
    before = picture(exif)
    fix = posed()
    after = tagged(before, fix, (fix.camera_lon, fix.camera_lat))
    assert scan(after) == scan(before)
    gps = gps_of(after)
    assert decimal(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef) == pytest.approx(-70.4995, abs=1e-7)
    assert decimal(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef) == pytest.approx(-33.2505, abs=1e-7)
    assert gps[GPS.GPSHPositioningError] == 12.5
    assert gps[GPS.GPSProcessingMethod] == b"ASCII\0\0\0skyfix camera"
    assert gps[GPS.GPSMapDatum].rstrip("\0") == "WGS-84"
    assert gps[GPS.GPSImgDirectionRef] == "T"
    assert gps[GPS.GPSImgDirection] == 271.5


def test_other_exif_stays_where_it_was() -> None:
    before = picture(camera_exif())
    after = tagged(before, located(), (15.0, 45.0))
    # Offsets inside maker notes often count from the start of the block.
    start = before.index(b"Exif\0\0"), after.index(b"Exif\0\0")
    assert before.index(MAKER_NOTE) - start[0] == after.index(MAKER_NOTE) - start[1]
    with Image.open(io.BytesIO(after)) as image:
        exif = image.getexif()
        assert exif[ExifTags.Base.Make] == "DJI"
        assert exif[ExifTags.Base.Orientation] == 6
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.MakerNote] == MAKER_NOTE
        assert inner[ExifTags.Base.DateTimeOriginal] == "2026:03:01 12:30:45"
    gps = gps_of(after)
    assert gps[GPS.GPSAltitude] == 123.5
    # The fix knows no heading: the camera's own direction stays. Its satellites do not.
    assert gps[GPS.GPSImgDirection] == 10.0
    assert GPS.GPSSatellites not in gps


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_every_position_comes_back(lon: float, lat: float) -> None:
    gps = gps_of(tagged(PLAIN, located(), (lon, lat)))
    assert decimal(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef) == pytest.approx(lon, abs=2e-8)
    assert decimal(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef) == pytest.approx(lat, abs=2e-8)


PLAIN = picture()


def test_copies_are_made_of_located_jpegs_only(tmp_path: Path) -> None:
    names = ["a/one.jpg", "b/one.jpg", "lost.jpg", "flat.png", "text.jpg", "gone.jpg"]
    contents = [PLAIN, picture(camera_exif()), PLAIN, picture(form="PNG"), b"no photo"]
    for name, content in zip(names, contents, strict=False):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in names]
    fixes = [located(path) for path in paths]
    fixes[2] = lost(paths[2])
    done = geotag(fixes, tmp_path / "copies")
    assert [path.name for path in done.written] == ["one.jpg", "one-2.jpg"]
    assert [path.name for path in sorted((tmp_path / "copies").iterdir())] == [
        "one-2.jpg", "one.jpg",
    ]  # fmt: skip
    reasons = [line.rpartition(": ")[2] for line in done.skipped]
    assert reasons == ["not located.", "it is not a JPEG file.", "it is not a JPEG file.",
                       "No such file or directory."]  # fmt: skip
    for path, content in zip(names, contents, strict=False):
        assert (tmp_path / path).read_bytes() == content
    assert gps_of(done.written[0].read_bytes())[GPS.GPSProcessingMethod].endswith(b"photo centre")


def test_originals_are_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(PLAIN)
    with pytest.raises(SkyfixError, match="not an empty folder"):
        geotag([located(str(tmp_path / "one.jpg"))], tmp_path)
    assert (tmp_path / "one.jpg").read_bytes() == PLAIN


def with_block(block: bytes) -> bytes:
    content = b"Exif\0\0" + block
    return PLAIN[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content + PLAIN[2:]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "damaged"),
        (b"XX*\0" + bytes(8), "damaged"),
        (b"II*\0" + struct.pack("<I", 9999), "damaged"),
        (b"II*\0" + struct.pack("<IH", 8, 40), "damaged"),
        (b"II*\0" + struct.pack("<IHI", 8, 0, 0) + bytes(65_450), "no room"),
    ],
)
def test_damaged_or_full_exif_is_skipped(block: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(with_block(block))
    done = geotag([located(str(tmp_path / "one.jpg"))], tmp_path / "copies")
    assert not done.written
    assert reason in done.skipped[0]


@given(st.binary(max_size=80))
def test_no_bytes_end_in_anything_but_a_reason(block: bytes) -> None:
    for content in (block, b"\xff\xd8\xff" + block, with_block(b"II*\0" + block)):
        try:
            tagged(content, located(), (15.0, 45.0))
        except SkyfixError as error:
            assert "EXIF" in str(error) or "JPEG" in str(error)
