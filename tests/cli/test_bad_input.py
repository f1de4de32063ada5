"""Whatever a user gets wrong ends in one line and exit code 2, never in a traceback."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine, from_origin

from skyfix import systems
from skyfix.cli import main
from skyfix.datasets.synthetic import generate

RECIPE = str(Path(__file__).parents[2] / "recipes" / "sdpl.toml")


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the command prints on standard error while it exits with 2."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    lines = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("skyfix: ")
    return lines[0]


def write_map(path: Path, size_px: int = 400, **changes: object) -> Path:
    """A GeoTIFF with texture, 1 m a pixel, UTM 31 north."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, size_px, size_px), dtype=np.uint8)
    profile = {
        "driver": "GTiff",
        "width": size_px,
        "height": size_px,
        "count": 3,
        "dtype": "uint8",
        "crs": "EPSG:32631",
        "transform": from_origin(500_000, 4_500_000, 1, 1),
        **changes,
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(pixels)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    systems.save(systems.create("imagenet", input_px=64), folder)
    return folder


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    source = write_map(folder / "map.tif")
    out = folder / "gallery"
    main(build_arguments(source, out, checkpoint))
    return out


def build_arguments(source: Path, out: Path, checkpoint: Path) -> list[str]:
    sizes = ["--tile-m", "200", "--stride-m", "100"]
    return ["gallery", "build", str(source), "--out", str(out), "--system", str(checkpoint), *sizes]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nothing", "--data", "university1652:x"], "No checkpoint folder at nothing"),
        (["evaluate", "sdpl", "--data", "university1652:x"], "sdpl has no built-in weights"),
        (["evaluate", "imagenet", "--data", "x"], "Give the data set as NAME:ROOT"),
        (["evaluate", "imagenet", "--data", "cvusa2:x"], "Unknown data set 'cvusa2'"),
        (["evaluate", "imagenet", "--data", "university1652:x"], "x"),
        (["evaluate", "imagenet", "--data", "u:x", "--device", "tpu"], "No device 'tpu' here"),
        (["evaluate", "imagenet", "--direction", "up", "--data", "u:x"], "direction"),
        (["train", "none.toml", "--data", "university1652:x", "--out", "y"], "No recipe file"),
        (["train", RECIPE, "--data", "university1652:x", "--out", "y"], "x"),
        (["train", RECIPE, "--data", "u:x", "--out", "y", "--set", "optim.lr=a"], "optim.lr"),
        (["gallery", "info", "nowhere"], "nowhere"),
        (["locate", "a.jpg", "--gallery", "nowhere"], "No such photo: a.jpg"),
        (["locate", "--gallery", "nowhere"], "PHOTOS requires an argument"),
        (["locate", "a.jpg"], "--gallery"),
        (["fly"], "fly"),
        (["train", "--lr"], "--lr"),
    ],
)
def test_wrong_commands(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in complaint(capsys, *arguments)


def rotated() -> Affine:
    return from_origin(500_000, 4_500_000, 1, 1) * Affine.rotation(20)


BAD_MAPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "map.tif"),
    "empty": (lambda path: path.write_bytes(b""), "map.tif"),
    "text": (lambda path: path.write_text("no map"), "map.tif"),
    "no CRS": (lambda path: write_map(path, crs=None), "map.tif"),
    "rotated": (lambda path: write_map(path, transform=rotated()), "map.tif"),
    "small": (lambda path: write_map(path, size_px=50), "map.tif"),
    "truncated": (
        lambda path: write_map(path).write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "map.tif",
    ),
    "virtual": (
        lambda path: path.write_text('<VRTDataset rasterXSize="9" rasterYSize="9"/>'),
        "map.tif",
    ),
}


@pytest.mark.parametrize("kind", BAD_MAPS)
def test_bad_maps(
    kind: str, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BAD_MAPS[kind]
    make(tmp_path / "map.tif")
    line = complaint(capsys, *build_arguments(tmp_path / "map.tif", tmp_path / "out", checkpoint))
    assert message in line


BAD_PHOTOS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Empty image file"),
    "text": (b"no photo", "Not an image"),
}


@pytest.mark.parametrize("kind", BAD_PHOTOS)
def test_a_bad_photo_alone_is_an_error(
    kind: str, tmp_path: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = BAD_PHOTOS[kind]
    (tmp_path / "photo.jpg").write_bytes(content)
    line = complaint(capsys, "locate", tmp_path / "photo.jpg", "--gallery", gallery)
    assert message in line
    assert "photo.jpg" in line


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,heading_deg\nphoto.png,3\n", "pitch_deg"),
        ("file,heading_deg,pitch_deg,altitude_m,hfov_deg\nphoto.png,north,,,\n", "north"),
        ("file,heading_deg,pitch_deg,altitude_m,hfov_deg\nphoto.png,,,-5,\n", "altitude_m"),
        ("file,heading_deg,pitch_deg,altitude_m,hfov_deg\nother.png,,,,\n", "photo.png"),
    ],
)
def test_bad_poses(
    table: str, message: str, tmp_path: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, poses = tmp_path / "photo.png", tmp_path / "poses.csv"
    Image.new("RGB", (64, 48)).save(photo)
    poses.write_text(table)
    line = complaint(capsys, "locate", photo, "--gallery", gallery, "--poses", poses)
    assert message in line


def test_damaged_or_foreign_folders(
    tmp_path: Path, gallery: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 48)).save(photo)
    assert "not a gallery" in complaint(capsys, "locate", photo, "--gallery", checkpoint).lower()
    weights = tmp_path / "run" / "model.safetensors"
    systems.save(systems.create("imagenet", input_px=64), tmp_path / "run")
    weights.write_bytes(weights.read_bytes()[:100])
    data = generate(tmp_path / "data")
    line = complaint(capsys, "evaluate", tmp_path / "run", "--data", f"university1652:{data}")
    assert "Damaged or truncated weights" in line
    line = complaint(capsys, *build_arguments(gallery.parent / "map.tif", gallery, tmp_path))
    assert "Not a checkpoint folder" in line
