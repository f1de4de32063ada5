"""`skyfix systems import`: the authors' weights, from the command line to the descriptor."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from parity import Authors
from torch.nn import functional as F

from skyfix import systems
from skyfix.cli import main
from skyfix.systems.system import System
from skyfix.views import View

PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "u1652": ("instance", {"input_px": 256}),
    "lpn": ("lpn", {"input_px": 256}),
    "sdpl": ("sdpl", {"input_px": 256, "variant": "released"}),
    "fsra": ("fsra", {"input_px": 256}),
    "mccg": ("mccg", {"input_px": 256}),
    "denseuav_single": ("denseuav", {"input_px": 224}),
    "sues_resnet50": ("sues200", {"input_px": 256, "variant": "released"}),
    "dwdr_swinb": ("swin", {"input_px": 224}),
}
POLAR = {"polar_px": 64, "ground_height_px": 56, "ground_width_px": 152}
WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "safa/polar_small": ("safa", POLAR),
    "cvft/small": ("cvft", {"satellite_px": 96, "ground_height_px": 56, "ground_width_px": 152}),
    "sample4geo/small": ("sample4geo", {}),
    "dac/small": ("dac", {}),
    "mean/small": ("mean", {}),
    "camp/paper": ("camp", {}),
    "game4loc/small": ("game4loc", {"input_px": 96}),
}
SIDES: dict[str, View] = {"satellite": "satellite", "drone": "drone", "any": "drone"}
VIEWS: dict[str, View] = {"sat": "satellite", "grd": "ground", "drone": "drone"}
QUICK = ("fsra", "mccg", "denseuav_single", "safa/polar_small")


def slow_but(names: dict[str, tuple[str, dict[str, Any]]]) -> list[Any]:
    slow = pytest.mark.slow
    return [name if name in QUICK else pytest.param(name, marks=slow) for name in names]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For files that do not outlive their test: together they take gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def imported(name: str, file: Path, out: Path, options: dict[str, Any]) -> System:
    chosen = [part for key, value in options.items() for part in ("--option", f"{key}={value}")]
    main(["systems", "import", name, str(file), "--out", str(out), *chosen])
    file.unlink()
    return systems.load(out)


@pytest.mark.parametrize("fixture", slow_but(PARTS))
def test_systems_with_parts_give_the_authors_descriptors(
    fixture: str, authors: Authors, folder: Path
) -> None:
    name, options = PARTS[fixture]
    described, arrays = authors.load(f"{fixture}/eval")
    (case,) = [case for case in described["cases"] if case["size"] == options["input_px"]]
    file = authors.checkpoint(fixture, described, case["keys"])
    system = imported(name, file, folder / "out", {"places": described["nclasses"], **options})
    images = authors.fill.make_image(case["input"]["name"], case["input"]["shape"])
    for side, view in SIDES.items():
        if side not in case["outputs"]:
            continue
        expected = case["outputs"][side]
        with torch.inference_mode():
            descriptors = system.embed(images, view)
        golden = F.normalize(torch.from_numpy(arrays[expected["descriptor"]]))
        torch.testing.assert_close(descriptors, golden, rtol=0, atol=2e-6)


@pytest.mark.parametrize("fixture", slow_but(WHOLE))
def test_systems_without_parts_give_the_authors_descriptors(
    fixture: str, load_golden: Callable, fill_global: ModuleType, folder: Path
) -> None:
    name, options = WHOLE[fixture]
    case, arrays = load_golden(fixture)
    state = fill_global.make_state(case["spec"], case["salt"], case["layout"], case["overrides"])
    file = folder / ("authors.npz" if case["layout"] == "tf" else "authors.pth")
    if case["layout"] == "tf":
        np.savez(file, **state)
    else:
        torch.save({key: torch.as_tensor(value) for key, value in state.items()}, file)
    system = imported(name, file, folder / "out", options)
    for side, (_, source, shape) in case["inputs"].items():
        images = torch.from_numpy(fill_global.image(source, shape))
        with torch.inference_mode():
            descriptors = system.embed(images, VIEWS[side])
        array = f"{side}_max" if name == "safa" else side
        golden = torch.from_numpy(arrays[array])
        # The fixtures of PyTorch systems hold vectors before they are scaled to unit length.
        tolerance = case["tolerance"]["per_array_atol"][array] / golden.norm(dim=1).min().item()
        torch.testing.assert_close(descriptors, F.normalize(golden), rtol=0, atol=tolerance)
