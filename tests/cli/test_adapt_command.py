"""`skyfix adapt`: a trained system learns the ground of a map."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rasters import texture, write_map
from safetensors.torch import load_file

from skyfix import systems
from skyfix.cli import main
from skyfix.systems.registry import create

pytestmark = pytest.mark.usefixtures("opencv_threads")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights at the smallest input."""
    system = systems.load("skyfix_s")
    system.with_input_px(128, 128)
    folder = tmp_path_factory.mktemp("tiny")
    systems.save(system, folder)
    return folder


def adapt(map_path: Path, out: Path, system: Path | str, *more: str, tile_m: float = 40.0) -> None:
    main(["adapt", "--map", str(map_path), "--tile-m", str(tile_m), "--out", str(out), "--system",
          str(system), "--steps", "3", "--batch-size", "4", "--device", "cpu", *more])  # fmt: skip


def complaint(
    capsys: pytest.CaptureFixture[str],
    map_path: Path,
    out: Path,
    system: Path | str,
    tile_m: float = 40.0,
) -> str:
    """The one line on standard error of a command that exits with 2."""
    with pytest.raises(SystemExit) as exit_info:
        adapt(map_path, out, system, tile_m=tile_m)
    lines = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2
    assert len(lines) == 1, lines
    return lines[0]


def test_the_last_layers_learn_the_map_and_the_first_stay(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    map_path = write_map(tmp_path / "map.tif", texture(400, 300))
    adapt(map_path, tmp_path / "run", tiny)
    shown = capsys.readouterr().out.replace("\n", " ")
    assert re.search(r"found first: [\d.]+ % before, [\d.]+ % after 3 steps", shown)
    before, after = (load_file(f / "model.safetensors") for f in (tiny, tmp_path / "run"))
    moved = {key for key, tensor in before.items() if not torch.equal(tensor.float(), after[key])}
    assert "part_heads" in moved
    assert "backbone.net.conv_head.weight" in moved
    assert "backbone.net.conv_stem.weight" not in moved
    assert not any("running" in key for key in moved)
    told = systems.training_of(tmp_path / "run")
    assert (told["map"], told["steps"]) == ("map.tif", 3)
    assert systems.load(tmp_path / "run").preprocess["drone"].input_px == (128, 128)


def test_heights_give_rendered_views_to_learn_from(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    map_path = write_map(tmp_path / "map.tif", texture(400, 300))
    heights = (20 * (texture(400, 300, bands=1, seed=1) > 150)).astype(np.float32)
    dsm = write_map(tmp_path / "dsm.tif", heights)
    adapt(map_path, tmp_path / "flat", tiny)
    adapt(map_path, tmp_path / "run", tiny, "--dsm", str(dsm))
    assert systems.training_of(tmp_path / "run")["dsm"] == "dsm.tif"
    flat, raised = (load_file(tmp_path / f / "model.safetensors") for f in ("flat", "run"))
    assert not torch.equal(flat["part_heads"], raised["part_heads"])
    elsewhere = write_map(tmp_path / "elsewhere.tif", heights, origin=(600_000.0, 5_000_000.0))
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        adapt(map_path, tmp_path / "out", tiny, "--dsm", str(elsewhere))
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "elsewhere.tif" in line


@pytest.mark.full
def test_the_same_seed_gives_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    map_path = write_map(tmp_path / "map.tif", texture(400, 300))
    for name, seed in (("one", "0"), ("same", "0"), ("other", "1")):
        adapt(map_path, tmp_path / name, tiny, "--seed", seed)
    one, same, other = (
        load_file(tmp_path / name / "model.safetensors")["part_heads"]
        for name in ("one", "same", "other")
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_cannot_be_adapted_is_told_in_a_line(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    map_path = write_map(tmp_path / "map.tif", texture(400, 300))
    small = write_map(tmp_path / "small.tif", texture(60, 60))
    flat = write_map(tmp_path / "flat.tif", 0 * texture(400, 300))
    classifier = tmp_path / "classifier"
    systems.save(create("instance", backbone="tf_efficientnet_lite0", input_px=128), classifier)
    assert "No such raster" in complaint(capsys, tmp_path / "no.tif", out, tiny)
    assert "room for about 0 tiles" in complaint(capsys, small, out, tiny)
    assert "room for about 0 tiles" in complaint(capsys, flat, out, tiny)
    assert "not trained by pairs" in complaint(capsys, map_path, out, classifier)
    assert "not trained by pairs" in complaint(capsys, map_path, out, "imagenet")
    assert "tile_m is -1" in complaint(capsys, map_path, out, tiny, tile_m=-1.0)
    assert "holds something already" in complaint(capsys, map_path, tiny, tiny)
    assert "No checkpoint folder" in complaint(capsys, map_path, out, "nowhere")
