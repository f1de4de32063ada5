"""Whatever a user gets wrong ends in one line and exit code 2, never in a traceback."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
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
        (["track", "a.mp4"], "--gallery"),
        (["track", "a.mp4", "--gallery", "nowhere", "--resume"], "--out"),
        (["track", "a.mp4", "--gallery", "g", "--telemetry", "a.srt"], "No telemetry file a.srt"),
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


class Code:
    """Unpickled by whoever trusts it, this makes a folder."""

    def __init__(self, trace: Path) -> None:
        self._trace = str(trace)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self._trace,)


WEIGHTS = {
    "add_block.0.weight": (512, 1280),
    "add_block.0.bias": (512,),
    "add_block.1.weight": (512,),
    "add_block.1.bias": (512,),
    "add_block.1.running_mean": (512,),
    "add_block.1.running_var": (512,),
    "classifier.0.weight": (3, 512),
    "classifier.0.bias": (3,),
}
"""A head for three places, as the authors of ``instance`` name it."""
TRACE = "the code has run"


def write_weights(path: Path, start: str = "classifier.") -> None:
    torch.save({start + key: torch.zeros(shape) for key, shape in WEIGHTS.items()}, path)


def cut(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


BAD_WEIGHTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("a.pth", lambda path: None, "No weight file at"),
    "empty": ("a.pth", lambda path: path.write_bytes(b""), "it is empty"),
    "text": ("a.pth", lambda path: path.write_text("no weights"), "of another kind"),
    "truncated": ("a.pth", lambda path: cut(path, write_weights), "cut short"),
    "code": (
        "a.pth",
        lambda path: torch.save({"w": Code(path.with_name(TRACE))}, path),
        f"it asks for {os.mkdir.__module__}.mkdir, and code in a weight file is never run",
    ),
    "code in a bare pickle": (
        "a.pth",
        lambda path: path.write_bytes(pickle.dumps(Code(path.with_name(TRACE)), protocol=2)),
        f"it asks for {os.mkdir.__module__}.mkdir, and code in a weight file is never run",
    ),
    "whole model": (
        "a.pth",
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        "it asks for torch.nn.modules.linear.Linear",
    ),
    "no tensors": ("a.pth", lambda path: torch.save({"epoch": 3}, path), "holds no state dict"),
    "another system": (
        "a.pth",
        lambda path: write_weights(path, "encoder."),
        "not a checkpoint of instance: 253 of 253 tensors are missing or incomplete "
        "(backbone.net.conv_stem.weight, backbone.net.bn1.weight, backbone.net.bn1.bias and 250 "
        "more); the file holds encoder.add_block.0.weight, encoder.add_block.0.bias, "
        "encoder.add_block.1.weight and 5 more. Check the system's name and options.",
    ),
    "other places": (
        "a.pth",
        write_weights,
        "classifier.classifier.0.weight has shape (3, 512), expected (4, 512). "
        "Check the system's name and options, such as places.",
    ),
    "empty arrays": ("a.npz", lambda path: path.write_bytes(b""), "it is empty"),
    "text of arrays": ("a.npz", lambda path: path.write_text("no weights"), "of another kind"),
    "truncated arrays": (
        "a.npz",
        lambda path: cut(path, lambda path: np.savez(path, w=np.zeros(1000))),
        "cut short",
    ),
    "code in arrays": (
        "a.npz",
        lambda path: np.savez(path, w=np.array([Code(path.with_name(TRACE))], dtype=object)),
        "it holds Python objects, and code in a weight file is never run",
    ),
    "words in arrays": ("a.npz", lambda path: np.savez(path, w=np.array(["a"])), "another kind"),
    "arrays of another system": (
        "a.npz",
        lambda path: np.savez(path, w=np.zeros((2, 2))),
        "not a checkpoint of instance",
    ),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_bad_weights(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, write, message = BAD_WEIGHTS[kind]
    write(tmp_path / name)
    options = ("backbone=tf_efficientnet_lite0", "input_px=64", "places=4")
    chosen = [part for option in options for part in ("--option", option)]
    command = ["systems", "import", "instance", tmp_path / name, "--out", tmp_path / "out"]
    line = complaint(capsys, *command, *chosen)
    assert message in line
    assert name in line
    assert not (tmp_path / TRACE).exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["code", "code in a bare pickle"])
def test_the_code_would_run_if_it_were_trusted(kind: str, tmp_path: Path) -> None:
    _, write, _ = BAD_WEIGHTS[kind]
    write(tmp_path / "a.pth")
    if kind == "code":
        torch.load(tmp_path / "a.pth", weights_only=False)
    else:
        pickle.loads((tmp_path / "a.pth").read_bytes())
    assert (tmp_path / TRACE).is_dir()


def test_imports_that_cannot_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_weights(tmp_path / "a.pth")
    for name, message in (("imagenet", "no authors' checkpoints"), ("sdlp", "Unknown system")):
        line = complaint(capsys, "systems", "import", name, tmp_path / "a.pth", "--out", "out")
        assert message in line
