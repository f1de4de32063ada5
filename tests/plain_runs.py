"""Training runs whose figures can be compared to the last digit."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from skyfix.datasets.registry import open_dataset
from skyfix.training.config import Sections, make_config
from skyfix.training.log import read_log
from skyfix.training.loop import train

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
RECIPES = Path(__file__).parents[1] / "recipes"
# No batch normalization, no dropout: what a batch is cut into does not matter.
PLAIN: Sections = {
    "system": {"name": "sues200", "backbone": "test_vit", "input_px": 32, "dropout": 0.0},
    "optim": {"lr": 0.02},
    "schedule": {"kind": "constant", "steps": 6},
    "sampler": {"batch_size": 4},
    "validation": {"select": "last"},
}


def run(
    spec: str, out: Path, sections: Sections, **changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """Train and give back the log."""
    merged = {name: {**values, **changes.get(name, {})} for name, values in sections.items()}
    merged |= {name: values for name, values in changes.items() if name not in merged}
    train(make_config(merged, "test"), open_dataset(spec), out, "none", device="cpu", workers=0)
    return read_log(out / "training")


def same_weights(one: Path, other: Path, tolerance: float = 0.0) -> None:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=tolerance, msg=name)
