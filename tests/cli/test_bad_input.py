"""Whatever a user gets wrong ends in one line and exit code 2, never in a traceback.

Longer than other files, as it is one list of what users get wrong.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from PIL.ExifTags import GPS
from PIL.TiffImagePlugin import IFDRational
from rasterio.transform import Affine, from_origin
from tagged import BERN, tag

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
    shape = (profile["count"], size_px, size_px)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(pixels.astype(profile["dtype"]))
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
        (["track", "a.mp4", "--gallery", "nowhere", "--resume"], "--record"),
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
    "elevation": (lambda path: write_map(path, count=1, dtype="float32"), "elevation model"),
    "two bands": (lambda path: write_map(path, count=2), "2 bands"),
    "complex": (lambda path: write_map(path, dtype="complex64"), "complex64"),
    "polar": (
        lambda path: write_map(path, crs="EPSG:4326", transform=from_origin(10, 89, 0.01, 0.01)),
        "latitude 89",
    ),
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


def write_photo(path: Path, change: dict | None = None, xmp: bytes | None = None) -> Path:
    """A photo with a GPS position, or a broken one."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    gps = None if change is None else BERN | change
    return tag(path, Image.fromarray(pixels), gps=gps, xmp=xmp)


BAD_POSITIONS: dict[str, tuple[dict | None, str]] = {
    "none": (None, "no usable GPS position. Search around a position with --near."),
    "zero": (
        {GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)},
        "GPS position is 0, 0: the receiver had no fix",
    ),
    "off the Earth": ({GPS.GPSLatitude: (97.0, 0.0, 0.0)}, "GPSLatitude is 97 degrees"),
    "no number": ({GPS.GPSLongitude: (IFDRational(1, 0), 0.0, 0.0)}, "GPSLongitude is not a num"),
    "no hemisphere": ({GPS.GPSLongitudeRef: "?"}, "GPSLongitudeRef is '?'"),
}


@pytest.mark.parametrize("kind", BAD_POSITIONS)
def test_a_position_in_the_photo_that_cannot_be_used(
    kind: str, tmp_path: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = BAD_POSITIONS[kind]
    photo = write_photo(tmp_path / "photo.jpg", change)
    line = complaint(capsys, "locate", photo, "--gallery", gallery, "--near-exif", 100)
    assert message in line
    assert "photo.jpg" in line


@pytest.mark.parametrize(
    "xmp",
    [
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///dev/zero">]><a>&b;</a>',
        b"<a",
    ],
)
def test_a_hostile_packet_is_noted_and_passed_over(
    xmp: bytes, tmp_path: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["locate", str(write_photo(tmp_path / "a.jpg", {}, xmp)), "--gallery", str(gallery)])
    assert "1 photo: The XMP packet" in capsys.readouterr().out


BAD_KNOWLEDGE: dict[str, tuple[list[object], str]] = {
    "both priors": (["--near", 1, 2, 3, "--near-exif", 9], "--near or --near-exif, not both"),
    "radius": (["--near-exif", -9], "radius in metres above 0"),
    "pitch": (["--pitch-deg", -100], "pitch_deg is -100, out of range"),
    "sky": (["--pitch-deg", 5, "--altitude-m", 50, "--hfov-deg", 70], "does not look at the"),
    "altitude": (["--altitude-m", 0], "altitude_m is 0"),
    "field of view": (["--hfov-deg", 180], "hfov_deg is 180"),
    "roll": (["--roll-deg", "nan"], "roll_deg is nan"),
    "headings": (["--headings", 0], "0 headings. Try 1 to 360"),
    "half a pair": (["--right", "pair.png"], "needs --right, --baseline-m and --focal-px"),
    "no lone length": (["--focal-px", 500], "needs --right, --baseline-m and --focal-px"),
    "missing right": (["--right", "none.png", "--baseline-m", 1, "--focal-px", 500], "none.png"),
    "baseline": (["--right", "pair.png", "--baseline-m", -1, "--focal-px", 50], "is -1. Give a"),
    "focal": (["--right", "pair.png", "--baseline-m", 1, "--focal-px", 0], "is 0. Give a"),
    "size": (["--right", "wide.png", "--baseline-m", 1, "--focal-px", 50], "one 80 x 48. Give"),
    "dem alone": (["--dem", "dem.tif"], "--dem needs a rough position"),
    "dem without CRS": (["--dem", "dem.tif", "--near", 1, 2, 3], "No coordinate reference system"),
    "missing dem": (["--dem", "none.tif", "--near", 1, 2, 3], "No such raster: none.tif"),
    "coloured dem": (["--dem", "map.tif", "--near", 1, 2, 3], "3 bands of uint8"),
}


@pytest.mark.parametrize("kind", BAD_KNOWLEDGE)
def test_what_is_known_is_checked(
    kind: str,
    tmp_path: Path,
    gallery: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photo(Path("photo.jpg"), {})
    Image.new("RGB", (64, 48)).save("pair.png")
    Image.new("RGB", (80, 48)).save("wide.png")
    write_map(Path("map.tif"), size_px=50)
    write_map(Path("dem.tif"), size_px=50, crs=None)
    options, message = BAD_KNOWLEDGE[kind]
    assert message in complaint(capsys, "locate", "photo.jpg", "--gallery", gallery, *options)


def test_a_stereo_pair_is_of_one_photo(
    tmp_path: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [write_photo(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    pair = ["--right", photos[0], "--baseline-m", 1, "--focal-px", 50]
    line = complaint(capsys, "locate", *photos, "--gallery", gallery, *pair)
    assert "--right is for one photo, but there are 2" in line


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
