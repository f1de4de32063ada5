"""Checkpoints in the authors' naming must be complete."""

from pathlib import Path

import pytest
import torch

from skyfix import systems
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


def test_fewer_parts_than_asked_for_are_refused(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=2)
    with pytest.raises(SkyfixError, match="missing or incomplete"):
        systems.load_author_checkpoint("lpn", path, **TINY, rings=4)


def test_systems_without_author_checkpoints_say_so(tmp_path: Path) -> None:
    path = author_file(tmp_path / "authors.pth", rings=2)
    with pytest.raises(SkyfixError, match="imagenet has no authors' checkpoints"):
        systems.load_author_checkpoint("imagenet", path)
