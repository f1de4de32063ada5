"""Reading photos of any kind, and refusing what is none."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skyfix.images import MAX_PIXELS, ImageError, list_images, read_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112
# How a viewer has to turn or mirror stored pixels for each EXIF orientation; its inverse stores.
STORE = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def quarters(width: int = 64, height: int = 32) -> np.ndarray:
    """Red and green above blue and white: every turn and mirror image differs."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return image


def assert_close(image: Image.Image, expected: np.ndarray, tolerance: int = 12) -> None:
    """Same size, and same colours but for JPEG's ringing along the borders of the quarters."""
    assert image.mode == "RGB"
    assert image.size == (expected.shape[1], expected.shape[0])
    difference = np.abs(np.asarray(image).astype(int) - expected)
    assert np.median(difference) <= tolerance
    assert np.mean(difference > 40) < 0.15


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_formats(tmp_path: Path, suffix: str):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(quarters()).save(path)
    assert_close(read_image(path), quarters())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_come_out_upright(tmp_path: Path, orientation: int):
    stored = Image.fromarray(np.ascontiguousarray(STORE[orientation](quarters())))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0)
    assert_close(read_image(tmp_path / "photo.jpg"), quarters())


def test_orientation_holds_for_reduced_decoding(tmp_path: Path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(quarters(640, 320), 1)))
    stored.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    assert_close(read_image(tmp_path / "photo.jpg", shortest_px=80), quarters(160, 80))


def test_reduced_decoding_keeps_the_shortest_side(tmp_path: Path):
    Image.fromarray(quarters(1000, 600)).save(tmp_path / "photo.jpg")
    assert min(read_image(tmp_path / "photo.jpg", shortest_px=200).size) in range(200, 400)
    assert read_image(tmp_path / "photo.jpg", shortest_px=601).size == (1000, 600)


def test_cmyk(tmp_path: Path):
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "photo.jpg", quality=95)
    assert_close(read_image(tmp_path / "photo.jpg"), quarters())


def test_grey(tmp_path: Path):
    Image.fromarray(quarters()).convert("L").save(tmp_path / "photo.png")
    expected = np.asarray(Image.fromarray(quarters()).convert("L").convert("RGB"))
    assert_close(read_image(tmp_path / "photo.png"), expected)


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "photo.png")
    found = np.asarray(read_image(tmp_path / "photo.png"))[..., 0]
    np.testing.assert_allclose(found, ramp / 65535 * 255, atol=1)


def test_alpha_lies_over_black(tmp_path: Path):
    image = np.dstack([quarters(), np.full((32, 64), 255, np.uint8)])
    image[:16, :, 3] = 0
    Image.fromarray(image).save(tmp_path / "photo.png")
    expected = quarters()
    expected[:16] = 0
    assert_close(read_image(tmp_path / "photo.png"), expected)


def test_palette_with_transparency(tmp_path: Path):
    image = Image.fromarray(quarters()).quantize(4)
    image.save(tmp_path / "photo.png", transparency=image.getpixel((0, 0)))
    expected = quarters()
    expected[:16, :32] = 0
    assert_close(read_image(tmp_path / "photo.png"), expected)


def sparse_png(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that claims to be huge."""
    chunks = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"")
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def damaged(kind: str, folder: Path) -> Path:
    whole = folder / "whole.jpg"
    Image.fromarray(quarters(640, 320)).save(whole)
    path = folder / "photo.jpg"
    if kind == "missing":
        return path
    if kind == "folder":
        path.mkdir()
        return path
    path.write_bytes(
        {
            "empty": b"",
            "text": b"This is not a photo. " * 40,
            "truncated": whole.read_bytes()[:3000],
            "headless": whole.read_bytes()[40:],
            "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        }[kind]
    )
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "No such image"),
        ("empty", "0 bytes"),
        ("text", "Not an image"),
        ("svg", "Not an image"),
        ("truncated", "truncated"),
        ("headless", "Not an image"),
        ("folder", "is a folder"),
    ],
)
def test_bad_files_get_one_clear_line(tmp_path: Path, kind: str, says: str):
    path = damaged(kind, tmp_path)
    with pytest.raises(ImageError, match=says) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path):
    side = int(MAX_PIXELS**0.5) + 1
    with pytest.raises(ImageError, match="too large"):
        read_image(sparse_png(tmp_path / "bomb.png", side, side))


def test_list_images(tmp_path: Path):
    for name in ("b.JPG", "a.png", ".hidden.jpg", "notes.txt", "c.tiff"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG", "c.tiff"]
