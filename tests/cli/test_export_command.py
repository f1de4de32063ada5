"""`skyfix export`, and galleries built with one form of a system and asked with another."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scene import Scene, make_scene, save
from tiny_systems import CONVNEXT

from skyfix import systems
from skyfix.cli import main
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.localize import locate

pytestmark = pytest.mark.full

TILES = ("--tile-m", "100", "--stride-m", "50")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    systems.save(systems.create("dac", **CONVNEXT), folder, {"steps": 7})
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


def test_a_gallery_of_the_checkpoint_is_asked_with_its_export(
    run: Path, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported, gallery = tmp_path / "exported", tmp_path / "gallery"
    main(["export", str(run), "--out", str(exported)])
    assert "Galleries of the system take it for the same." in " ".join(
        capsys.readouterr().out.split()
    )
    main(["gallery", "build", str(scene.path), "--out", str(gallery), "--system", str(run), *TILES])
    photo = save(scene.window(0, 0, 100, 200), tmp_path / "photo.jpg")
    opened, how = Gallery.open(gallery), {"pose": Pose(heading_deg=0.0), "register": False}
    own = locate(photo, opened, **how)
    other = locate(photo, opened, embedder=opened.embedder(system=exported), **how)
    assert [one.tile for one in own.candidates] == [one.tile for one in other.candidates]
    assert own.confidence == pytest.approx(other.confidence, abs=1e-3)
    known = ["--gallery", str(gallery), "--heading-deg", "0", "--no-register"]
    main(["locate", str(photo), *known, "--system", str(exported)])
    assert "photo.jpg" in capsys.readouterr().out


def test_8_bits_have_galleries_of_their_own(
    run: Path, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(8):
        pixels = scene.window(10.0 * index, 5.0 * index, 100, 96)
        Image.fromarray(pixels).save(photos / f"{index}.png")
    small, mixed, own = tmp_path / "small", tmp_path / "mixed", tmp_path / "own"
    main(
        [
            "export",
            str(run),
            "--out",
            str(small),
            "--precision",
            "int8",
            "--calibration",
            str(photos),
        ]
    )
    assert "It is a system of its own" in capsys.readouterr().out
    build = ["gallery", "build", str(scene.path), *TILES]
    main([*build, "--out", str(mixed), "--system", str(run)])
    with pytest.raises(SkyfixError, match="their descriptors do not compare"):
        Gallery.open(mixed).embedder(system=small)
    main([*build, "--out", str(own), "--system", str(small)])
    gallery = Gallery.open(own)
    assert gallery.embedder().system.name == gallery.info().system == "dac"
    np.testing.assert_allclose(np.linalg.norm(gallery.descriptors, axis=1), 1, atol=1e-5)
    capsys.readouterr()
    main(["gallery", "verify", str(own)])
    assert "is sound" in capsys.readouterr().out
    main(["locate", str(photos / "0.png"), "--gallery", str(own), "--heading-deg", "0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "torch-export", "--precision", "int8"], "torch-export has no int8"),
        (["--precision", "int8"], "Give a folder of them with --calibration"),
        (["--calibration", "nowhere"], "No folder of photos at nowhere"),
    ],
)
def test_choices_that_cannot_be(
    run: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", str(run), "--out", str(tmp_path / "out"), *arguments])
    assert caught.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert message in told
    assert not (tmp_path / "out").exists()
