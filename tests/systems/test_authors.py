"""Checkpoints in the authors' naming must be complete."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skyfix import systems
from skyfix.cli import main
from skyfix.errors import SkyfixError

TINY = {"backbone": "tf_efficientnet_lite0", "places": 3, "input_px": 128}
HEAD = {
    "bottleneck_weight": "add_block.0.weight",
    "bottleneck_bias": "add_block.0.bias",
    "norm.weight": "add_block.1.weight",
    "norm.bias": "add_block.1.bias",
    "norm.running_mean": "add_block.1.running_mean",
    "norm.running_var": "add_block.1.running_var",
    "classifier_weight": "classifier.0.weight",
    "classifier_bias": "classifier.0.bias",
}


def author_file(path: Path, rings: int) -> Path:
    """An LPN as its authors would have saved it."""
    state = systems.create("lpn", **TINY, rings=rings).state_dict()
    saved = {
        key.replace("backbone.net.", "model_1.model."): tensor
        for key, tensor in state.items()
        if key.startswith("backbone.")
    }
    for ours, theirs in HEAD.items():
        stack = state[f"heads.{ours}"]
        parts = stack if len(stack) == rings else stack.unflatten(0, (rings, -1))
        saved.update({f"classifier{i}.{theirs}": part.clone() for i, part in enumerate(parts)})
    torch.save(saved, path)
    return path


def test_all_parts_are_read(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=4)
    loaded = systems.load_author_checkpoint("lpn", path, **TINY, rings=4)
    assert not loaded.training
    again = torch.load(path, weights_only=True)
    last = loaded.get_parameter("heads.bottleneck_weight")[3]
    assert torch.equal(last, again["classifier3.add_block.0.weight"])


def test_an_imported_checkpoint_is_the_system_it_came_from(tmp_path: Path) -> None:
    torch.manual_seed(1)
    path = author_file(tmp_path / "authors.pth", rings=4)
    torch.manual_seed(1)
    original = systems.create("lpn", **TINY, rings=4).eval()
    options = [part for key, value in TINY.items() for part in ("--option", f"{key}={value}")]
    main(["systems", "import", "lpn", str(path), "--out", str(tmp_path / "run"), *options])
    loaded = systems.load(tmp_path / "run")
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        assert torch.equal(loaded.embed(images, "drone"), original.embed(images, "drone"))


CONVNEXT = {"backbone": "test_convnext", "input_px": 64}
VIT = {"backbone": "test_vit", "input_px": 64}
PYTORCH = {
    "camp": CONVNEXT,
    "dac": CONVNEXT,
    "denseuav": VIT,
    "fsra": VIT,
    "game4loc": VIT,
    "instance": TINY,
    "lpn": TINY,
    "mbf": {"backbone": "vit_small_r26_s32_224", "input_px": 64},
    "mccg": CONVNEXT,
    "mean": CONVNEXT,
    "sample4geo": CONVNEXT,
    "sdpl": TINY,
    "sues200": TINY,
}
PANORAMA = {"ground_height_px": 56, "ground_width_px": 152}
TENSORFLOW = {
    "cvft": {"satellite_px": 64, **PANORAMA},
    "cvm_net": {"satellite_px": 64, "clusters": 4, "width": 32, **PANORAMA},
    "safa": {"polar_px": 64, **PANORAMA},
}


@pytest.mark.parametrize("name", [*PYTORCH, *TENSORFLOW])
def test_systems_with_published_weights_can_be_imported(name: str, tmp_path: Path) -> None:
    """A foreign file is refused for what it lacks, not because there is no import."""
    foreign = {"encoder.weight": np.zeros((2, 2), np.float32)}
    path = tmp_path / ("foreign.npz" if name in TENSORFLOW else "foreign.pth")
    if name in TENSORFLOW:
        np.savez(path, **foreign)
    else:
        torch.save({key: torch.from_numpy(value) for key, value in foreign.items()}, path)
    with pytest.raises(SkyfixError, match=rf"not a checkpoint of {name}: .* holds encoder\.weight"):
        systems.load_author_checkpoint(name, path, **{**PYTORCH, **TENSORFLOW}[name])


def test_fewer_parts_than_asked_for_are_refused(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=2)
    with pytest.raises(SkyfixError, match="missing or incomplete"):
        systems.load_author_checkpoint("lpn", path, **TINY, rings=4)


def test_more_parts_than_asked_for_are_refused(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=4)
    with pytest.raises(SkyfixError, match=r"classifier2\..* belongs to part 3, but there are 2"):
        systems.load_author_checkpoint("lpn", path, **TINY, rings=2)


@pytest.mark.parametrize("places", [1, 2, 6])
def test_other_numbers_of_places_are_refused(places: int, tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=4)
    expected = rf"has shape \(3, 512\), expected \({places}, 512\)"
    with pytest.raises(SkyfixError, match=expected):
        systems.load_author_checkpoint("lpn", path, **{**TINY, "places": places}, rings=4)


def test_systems_without_author_checkpoints_say_so(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=2)
    with pytest.raises(SkyfixError, match="imagenet has no authors' checkpoints"):
        systems.load_author_checkpoint("imagenet", path)
