"""Whatever a client sends wrong is refused in one line, or does no harm."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest
from conftest import FIELDS
from PIL import Image
from PIL.ExifTags import GPS, Base
from service_process import Running
from tagged import BERN, tag

VRT = b"""<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand>
</VRTDataset>"""
SCRIPT = "<script>alert(1)</script>"


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (320, 240)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], bands), np.uint8)
    return Image.merge(mode, [Image.fromarray(pixels[..., band]) for band in range(bands)])


def png_bomb(side: int) -> bytes:
    """A PNG that declares ``side`` squared pixels in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff_bomb(side: int) -> bytes:
    """A TIFF of one strip that declares ``side`` squared pixels."""
    values = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: 64}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + bytes(4)


def zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", bytes(20_000_000))
    return stream.getvalue()


def text_bomb() -> bytes:
    """A PNG whose compressed text unfolds to 200 MB."""
    whole = encoded(noise(), "PNG")
    data = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return whole[:33] + chunk + whole[33:]


def deep() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 65536, (240, 320), np.uint16)
    return encoded(Image.fromarray(pixels), "PNG")


def sparse_tiff() -> bytes:
    """112 GiB declared in a few bytes."""
    return tiff_bomb(346_700)


NOT_PHOTOS: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "empty": (lambda: b"", "photo.jpg", 422),
    "text": (lambda: b"just text\n" * 50, "photo.jpg", 415),
    "vrt": (lambda: VRT, "photo.tif", 415),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo.png", 415),
    "bmp": (lambda: encoded(noise(), "BMP"), "photo.jpg", 415),
    "gif": (lambda: encoded(noise().convert("P"), "GIF"), "photo.png", 415),
    "zip bomb": (zip_bomb, "photo.jpg", 415),
    "truncated": (lambda: encoded(noise(), "JPEG")[:6000], "photo.jpg", 422),
    "head alone": (lambda: b"\xff\xd8\xff\xe0", "photo.jpg", 422),
    "torn png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "photo.png", 422),
    "png bomb": (lambda: png_bomb(60_000), "photo.png", 413),
    "png above the limit": (lambda: png_bomb(3_300), "photo.png", 413),
    "tiff bomb": (lambda: tiff_bomb(60_000), "photo.tif", 413),
    "sparse tiff": (sparse_tiff, "photo.tif", 413),
    "text bomb": (text_bomb, "photo.png", 422),
}
ODD_PHOTOS: dict[str, Callable[[], bytes]] = {
    "cmyk": lambda: encoded(noise("CMYK"), "JPEG"),
    "16 bits": deep,
    "alpha": lambda: encoded(noise("RGBA"), "PNG"),
    "grey": lambda: encoded(noise("L"), "JPEG"),
    "webp": lambda: encoded(noise(), "WEBP"),
    "tiff": lambda: encoded(noise(), "TIFF"),
    "one colour": lambda: encoded(Image.new("RGB", (64, 64)), "PNG"),
    "thin": lambda: encoded(noise(size=(400, 2)), "PNG"),
}


def send(client: httpx2.Client, content: bytes, name: str = "photo.jpg") -> httpx2.Response:
    files = {"photo": (name, content)}
    return client.post("/v1/fixes", files=files, data={**FIELDS, "register": "false"})


def refused(answer: httpx2.Response, status: int) -> str:
    """The one line of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["type"]
    assert problem["detail"] and "\n" not in problem["detail"]
    assert "/tmp" not in problem["detail"] and "upload-" not in problem["detail"]
    return problem["detail"]


@pytest.mark.parametrize("kind", NOT_PHOTOS)
def test_what_is_no_photo_is_refused(client: httpx2.Client, kind: str) -> None:
    make, name, status = NOT_PHOTOS[kind]
    refused(send(client, make(), name), status)


@pytest.mark.parametrize("kind", ODD_PHOTOS)
def test_odd_photos_are_answered(client: httpx2.Client, kind: str) -> None:
    answer = send(client, ODD_PHOTOS[kind]())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(client: httpx2.Client, tmp_path: Path, orientation: int) -> None:
    path = tag(tmp_path / "turned.jpg", noise(), orientation=orientation)
    assert send(client, path.read_bytes()).status_code == 200


def test_position_off_the_earth_is_no_position(client: httpx2.Client, tmp_path: Path) -> None:
    gps = {**BERN, GPS.GPSLatitude: (99.0, 0.0, 0.0)}
    path = tag(tmp_path / "lost.jpg", noise(), gps=gps)
    answer = send(client, path.read_bytes()).json()
    assert answer["photo_lat"] is None and answer["photo_lon"] is None


def test_script_in_tags_and_names_stays_text(client: httpx2.Client) -> None:
    tags = Image.Exif()
    tags[Base.Make] = tags[Base.ImageDescription] = SCRIPT
    content = encoded(noise(), "JPEG", exif=tags)
    answer = send(client, content, f"{SCRIPT}.jpg")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["photo"] == "script>.jpg"
    export = client.post("/v1/exports?format=kml", json={"fixes": [answer.json()]})
    assert export.status_code == 200 and b"<script" not in export.content


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("..", "photo"),
        ("a" * 300 + ".jpg", "a" * 120),
        ("photo\x00.jpg", "photo?.jpg"),
        ("photo‮gpj.exe", "photo?gpj.exe"),
        ("/vsicurl/http:evil.jpg", "http:evil.jpg"),
    ],
)
def test_names_are_never_paths(
    client: httpx2.Client, service: Running, name: str, shown: str
) -> None:
    plain = b'--line\r\nContent-Disposition: form-data; name="register"\r\n\r\nfalse\r\n'
    head = f'Content-Disposition: form-data; name="photo"; filename="{name}"'.encode()
    body = (
        plain + b"--line\r\n" + head + b"\r\n\r\n" + encoded(noise(), "JPEG") + b"\r\n--line--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=line"}
    answer = client.post("/v1/fixes", content=body, headers=kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["photo"] == shown
    assert service.left_over() == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/galleries/nowhere",
        "/v1/galleries/..%2f..%2fetc",
        "/v1/galleries/our-scene/tiles/..%2f..%2fgallery.json",
        "/v1/galleries/our-scene/tiles/nothing",
        "/v1/galleries/%2fetc%2fpasswd/tiles/x",
        "/v1/tracks/..%2f..%2fetc",
        "/v1/tracks/%2e",
        "/v1/tracks/none/events",
        "/static/..%2fapp.py",
        "/static/../app.py",
        "/nothing",
    ],
)
def test_what_is_not_there_is_not_found(client: httpx2.Client, path: str) -> None:
    refused(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/v1/fixes", 405),
        ("PUT", "/v1/galleries", 405),
        ("GET", "/v1/galleries/our-scene/map/x/1/1.png", 422),
        ("GET", "/v1/galleries/our-scene/map/99/1/1.png", 422),
        ("GET", "/v1/galleries/our-scene/map/3/-1/1.png", 422),
        ("GET", "/v1/galleries/" + "a" * 300, 422),
        ("DELETE", "/v1/tracks/none", 404),
    ],
)
def test_wrong_methods_and_numbers(
    client: httpx2.Client, method: str, path: str, status: int
) -> None:
    refused(client.request(method, path), status)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"heading_deg": "north"}, 422),
        ({"heading_deg": "nan"}, 422),
        ({"pitch_deg": "10"}, 422),
        ({"pitch_deg": "-91"}, 422),
        ({"altitude_m": "-1"}, 422),
        ({"field_of_view_deg": "180"}, 422),
        ({"k": "0"}, 422),
        ({"k": "1000000"}, 422),
        ({"near": "1,2"}, 422),
        ({"near": "1,2,nan"}, 422),
        ({"near": "200,2,5"}, 422),
        ({"gallery": "../x"}, 404),
        ({"gallery": "/vsicurl/http://127.0.0.1/"}, 404),
        ({"register": "perhaps"}, 422),
    ],
)
def test_wrong_fields(
    client: httpx2.Client, photo: Path, fields: dict[str, str], status: int
) -> None:
    files = {"photo": photo.read_bytes()}
    refused(client.post("/v1/fixes", files=files, data={**FIELDS, **fields}), status)


def test_content_types_are_strict(client: httpx2.Client) -> None:
    refused(client.post("/v1/fixes", json={"photo": "x"}), 415)
    refused(client.post("/v1/fixes", content=b"x"), 415)
    refused(client.post("/v1/exports", content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    refused(client.post("/v1/exports", content=b"{", headers={"Content-Type": "application/json"}),
            422)  # fmt: skip
    kind = {"Content-Type": "multipart/form-data; boundary=line"}
    refused(client.post("/v1/fixes", content=b"nothing of a form", headers=kind), 400)
    refused(client.post("/v1/fixes", files={"other": b"x"}), 422)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"fixes": []},
        {"fixes": [{}]},
        {"fixes": [{"photo": "x", "located": True, "lon": 1e9, "lat": 0}]},
        {"fixes": [{"photo": "x", "located": True, "time": "0001-01-01T00:00:00+14:00"}]},
        {"fixes": [{"photo": "x", "located": "maybe"}]},
    ],
)
def test_exports_of_what_is_no_fix(client: httpx2.Client, content: dict) -> None:
    refused(client.post("/v1/exports?format=gpx", json=content), 422)
    refused(client.post("/v1/exports?format=exe", json={"fixes": []}), 422)
