"""Exported systems: the same descriptors, in galleries too, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_systems import CONVNEXT, LITE0, TINY

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.inference import Embedder
from skyfix.inference.artefact import Artefact
from skyfix.inference.export import export
from skyfix.inference.graphs import Described
from skyfix.systems.system import System

pytestmark = pytest.mark.full

SYSTEM_FILE = "system.json"


@pytest.fixture(scope="module")
def system() -> System:
    torch.manual_seed(0)
    return systems.create("dac", **CONVNEXT).eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of several sizes in folders of a folder, with something in them."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(1)
    for index in range(12):
        colours = generator.integers(0, 256, (4 + index % 3, 6, 3), dtype=np.uint8)
        path = folder / str(index % 2) / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(colours).resize((90 + index, 80), Image.Resampling.BICUBIC).save(path)
    return folder


@pytest.fixture(scope="module")
def onnx(system: System, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    export(system, folder, "onnx", photos=photos, provenance={"steps": 3})
    return folder


def files_of(photos: Path) -> list[Path]:
    return sorted(photos.rglob("*.png"))


def test_descriptors_are_the_system_s_for_any_batch(
    system: System, photos: Path, onnx: Path
) -> None:
    own, exported = Embedder(system, "cpu"), Embedder(onnx, batch_size=5)
    expected = own.embed(files_of(photos), "drone")
    assert np.ptp(expected, axis=0).max() > 1e-2
    np.testing.assert_allclose(exported.embed(files_of(photos), "drone"), expected, atol=1e-5)
    alone = exported.embed(files_of(photos)[:1], "satellite")
    np.testing.assert_allclose(alone, expected[:1], atol=1e-5)
    assert exported.identity == own.identity
    assert exported.dimensions == own.dimensions
    assert exported.input_px == own.input_px


def test_the_folder_describes_itself(system: System, onnx: Path) -> None:
    described = json.loads((onnx / SYSTEM_FILE).read_text())
    assert described["system"] == "dac"
    assert described["provenance"] == {"steps": 3}
    said = described["export"]
    assert (said["format"], said["precision"], said["format_version"]) == ("onnx", "fp32", 1)
    assert set(said["graphs"].values()) == set(said["files"]) == {"model.onnx"}
    assert said["parity"]["images"] == 12
    assert said["parity"]["least_cosine"] > 0.99999
    assert said["interface"]["input"]["size_px"]["drone"] == [64, 64]
    assert Artefact.read(onnx).preprocess == system.preprocess


def test_openvino_gives_the_same(system: System, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    artefact = export(system, tmp_path / "ov", "openvino", photos=photos)
    exported = Embedder(tmp_path / "ov")
    expected = Embedder(system, "cpu").embed(files_of(photos), "drone")
    np.testing.assert_allclose(exported.embed(files_of(photos), "drone"), expected, atol=1e-5)
    assert set(artefact.files) == {"model.bin", "model.xml"}


def test_torch_export_is_for_other_programs(system: System, photos: Path, tmp_path: Path) -> None:
    artefact = export(system, tmp_path / "program", "torch-export", photos=photos)
    assert artefact.parity.max_abs_difference < 1e-5
    program = torch.export.load(tmp_path / "program" / "model.pt2").module()
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(program(images), Described(system, "drone")(images))
    with pytest.raises(SkyfixError, match="exported as torch-export, which is for programs"):
        Embedder(tmp_path / "program")


def test_half_precision_halves_the_file_and_stays_the_system(
    system: System, photos: Path, onnx: Path, tmp_path: Path
) -> None:
    artefact = export(system, tmp_path / "half", "onnx", "fp16", photos)
    small, large = (folder / "model.onnx" for folder in (tmp_path / "half", onnx))
    assert small.stat().st_size < 0.65 * large.stat().st_size
    assert 0 < 1 - artefact.parity.least_cosine < 1e-4
    half = Embedder(tmp_path / "half")
    assert half.identity == Embedder(system, "cpu").identity
    lengths = np.linalg.norm(half.embed(files_of(photos), "drone"), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_8_bits_make_another_system(system: System, photos: Path, tmp_path: Path) -> None:
    artefact = export(system, tmp_path / "int8", "onnx", "int8", photos)
    exported = Embedder(tmp_path / "int8")
    assert exported.identity == artefact.identity != artefact.exported_from
    assert artefact.exported_from == Embedder(system, "cpu").identity
    expected = Embedder(system, "cpu").embed(files_of(photos), "drone")
    found = exported.embed(files_of(photos), "drone")
    cosines = (found * expected).sum(axis=1)
    assert 0.9 < cosines.min() < 1
    assert artefact.parity.images == 3


def test_views_that_differ_have_graphs_of_their_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    system = systems.create("safa", **TINY["safa"]).eval()
    artefact = export(system, tmp_path / "safa")
    assert artefact.graphs == {"satellite": "model.onnx", "ground": "model-ground.onnx"}
    exported, own = Embedder(tmp_path / "safa"), Embedder(system, "cpu")
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    for view in ("satellite", "ground"):
        expected = own.embed([image], view)
        np.testing.assert_allclose(exported.embed([image], view), expected, atol=1e-5)
    with pytest.raises(SkyfixError, match="describes satellite and ground images, not drone"):
        exported.embed([image], "drone")


@pytest.mark.slow
def test_the_project_s_own_system_is_the_same(tmp_path: Path) -> None:
    artefact = export(systems.load("skyfix_s"), tmp_path / "exported")
    assert artefact.parity.least_cosine > 0.99999
    assert artefact.identity == Embedder("skyfix_s", "cpu").identity


@pytest.mark.slow
def test_mirrored_parts_are_the_same(tmp_path: Path) -> None:
    """Systems that add the mirror image's parts do so in the graph."""
    torch.manual_seed(0)
    system = systems.create("lpn", backbone=LITE0, input_px=64, places=3).eval()
    assert export(system, tmp_path / "lpn").parity.max_abs_difference < 1e-5


def test_a_copy_in_a_gallery_is_whole(onnx: Path, tmp_path: Path) -> None:
    Embedder(onnx).save(tmp_path / "copy")
    assert Artefact.read(tmp_path / "copy") == Artefact.read(onnx)
    assert (tmp_path / "copy" / SYSTEM_FILE).read_text() == (onnx / SYSTEM_FILE).read_text()


def test_damage_is_told_in_one_line(onnx: Path, tmp_path: Path) -> None:
    def damaged(name: str) -> Path:
        return Path(shutil.copytree(onnx, tmp_path / name))

    cut = damaged("cut") / "model.onnx"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(SkyfixError, match=r"model\.onnx is damaged, truncated or of another"):
        Embedder(cut.parent)
    missing = damaged("missing") / "model.onnx"
    missing.unlink()
    with pytest.raises(SkyfixError, match=r"Incomplete exported system: cannot read .*model\.onnx"):
        Embedder(missing.parent)
    broken = damaged("broken") / SYSTEM_FILE
    broken.write_text(broken.read_text()[:200])
    with pytest.raises(SkyfixError, match=r"Cannot read the checkpoint description"):
        Embedder(broken.parent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.pop("graphs"), "Damaged description"),
        (lambda said: said["graphs"].update(drone="../model.onnx"), "Damaged description"),
        (lambda said: said.update(format="tensorrt"), "Damaged description"),
        (lambda said: said.update(format_version=9), "has export format 9, this skyfix reads 1"),
    ],
)
def test_foreign_descriptions_are_refused(onnx: Path, tmp_path: Path, change, message) -> None:
    folder = Path(shutil.copytree(onnx, tmp_path / "changed"))
    described = json.loads((folder / SYSTEM_FILE).read_text())
    change(described["export"])
    (folder / SYSTEM_FILE).write_text(json.dumps(described))
    with pytest.raises(SkyfixError, match=message) as caught:
        Embedder(folder)
    assert "\n" not in str(caught.value)


def test_a_graph_of_another_kind_is_refused(onnx: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(onnx, tmp_path / "foreign"))
    described = json.loads((folder / SYSTEM_FILE).read_text())
    (folder / "model.onnx").write_text("no graph")
    from skyfix.inference.artefact import sha256

    described["export"]["files"]["model.onnx"] = sha256(folder / "model.onnx")
    (folder / SYSTEM_FILE).write_text(json.dumps(described))
    with pytest.raises(SkyfixError, match="onnx cannot run") as caught:
        Embedder(folder)
    assert "\n" not in str(caught.value)


def test_what_an_exported_system_cannot_do(onnx: Path) -> None:
    with pytest.raises(SkyfixError, match="no weights to train or export again"):
        systems.load(onnx)
    with pytest.raises(SkyfixError, match="input size is fixed"):
        Embedder(onnx).system.with_input_px(96, 96)
    with pytest.raises(SkyfixError, match="run on the CPU, not on cuda"):
        Embedder(onnx, device="cuda")


def test_choices_that_cannot_be(system: System, photos: Path, onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="torch-export has no fp16"):
        export(system, tmp_path / "new", "torch-export", "fp16")
    with pytest.raises(SkyfixError, match="int8 is fitted to photos"):
        export(system, tmp_path / "new", precision="int8")
    with pytest.raises(SkyfixError, match="is there already"):
        export(system, onnx, photos=photos)
    (tmp_path / "few").mkdir()
    with pytest.raises(SkyfixError, match="holds 0 photos"):
        export(system, tmp_path / "new", photos=tmp_path / "few")
    assert not (tmp_path / "new").exists()
    assert list(tmp_path.glob(".*")) == []
