"""Parity of the ground-to-satellite systems with the authors' code: same weights, same numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from skyfix import systems
from skyfix.layers.polar import unrolled
from skyfix.systems.cvft import CVFT
from skyfix.systems.system import System
from skyfix.views import View

VIEWS: tuple[tuple[str, View], ...] = (("sat", "satellite"), ("grd", "ground"))
POLAR = {"polar_px": 64, "ground_height_px": 56, "ground_width_px": 152}
SQUARE = {**POLAR, "polar_px": 0, "satellite_px": 72}
SMALL_CVFT = {"satellite_px": 96, "ground_height_px": 56, "ground_width_px": 152}


@dataclass(frozen=True)
class Case:
    """Fixtures that one set of weights answers.

    Attributes:
        suffix: of the arrays' names.
    """

    system: str
    fixtures: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""


CASES = {
    "safa, polar, max": Case("safa", ("safa/polar_small",), {**POLAR, "squeeze": "max"}, "_max"),
    "safa, polar, mean": Case("safa", ("safa/polar_small",), {**POLAR, "squeeze": "mean"}, "_mean"),
    "safa, square, max": Case("safa", ("safa/square_small",), {**SQUARE, "squeeze": "max"}, "_max"),
    "cvft": Case("cvft", ("cvft/small",), SMALL_CVFT),
    "cvm_net II": Case("cvm_net", ("cvmnet/II_small",), {"network": "II", "variant": "released"}),
}
LARGE_CASES = {
    "safa, square, mean": Case(
        "safa", ("safa/square_small",), {**SQUARE, "squeeze": "mean"}, "_mean"
    ),
    "cvm_net I": Case("cvm_net", ("cvmnet/I_small", "cvmnet/I_paper")),
    "safa, paper's size, max": Case("safa", ("safa/polar_paper",), {}, "_max"),
    "safa, paper's size, mean": Case("safa", ("safa/polar_paper",), {"squeeze": "mean"}, "_mean"),
    "cvft, paper's size": Case("cvft", ("cvft/paper",)),
}
NAMES = [*CASES, *(pytest.param(name, marks=pytest.mark.full) for name in LARGE_CASES)]


@dataclass(frozen=True)
class Golden:
    """The authors' fixtures and the rule that fills them."""

    load: Callable[[str], tuple[dict, Mapping[str, np.ndarray]]]
    fill: ModuleType

    def system(self, case: Case, folder: Path) -> System:
        """A system loaded from a file of TensorFlow variables, filled by the fixed rule."""
        spec, _ = self.load(case.fixtures[0])
        state = self.fill.make_state(spec["spec"], spec["salt"], spec["layout"], spec["overrides"])
        np.savez(folder / "authors.npz", **state)
        return systems.load_author_checkpoint(case.system, folder / "authors.npz", **case.options)

    def images(self, fixture: dict, side: str) -> torch.Tensor:
        _, name, shape = fixture["inputs"][side]
        return torch.from_numpy(self.fill.image(name, shape))


@pytest.fixture
def fixtures(load_golden: Callable, fill_global: ModuleType) -> Golden:
    return Golden(load_golden, fill_global)


@pytest.mark.parametrize("name", NAMES)
def test_descriptors_equal_the_authors(name: str, fixtures: Golden, tmp_path: Path) -> None:
    case = {**CASES, **LARGE_CASES}[name]
    system = fixtures.system(case, tmp_path)
    for fixture_name in case.fixtures:
        fixture, arrays = fixtures.load(fixture_name)
        for side, view in VIEWS:
            with torch.inference_mode():
                descriptor = system.embed(fixtures.images(fixture, side), view)
            assert descriptor.shape[1] == system.descriptor_dim
            expected = torch.from_numpy(arrays[side + case.suffix])
            tolerance = fixture["tolerance"]["per_array_atol"][side + case.suffix]
            torch.testing.assert_close(descriptor, expected, rtol=0, atol=tolerance)
        if isinstance(system, CVFT):
            plan = transport_plan(system, fixtures.images(fixture, "grd"))
            expected = torch.from_numpy(arrays["transport_plan"])
            tolerance = fixture["tolerance"]["per_array_atol"]["transport_plan"]
            torch.testing.assert_close(plan, expected, rtol=0, atol=tolerance)


def transport_plan(system: CVFT, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        frame = system.frame(system.vgg["ground"](images), "ground")
        return system.transport.plan(frame)


@pytest.mark.parametrize("name", ["polar_64_28x154", "polar_750_112x616"])
def test_polar_transform_equals_the_authors(name: str, load_golden: Callable) -> None:
    case, arrays = load_golden(f"safa/{name}")
    row, column, channel = np.ogrid[: case["S"], : case["S"], :3]
    waves = row * (channel + 2) * 3 + column * (5 - channel) + row * (column + channel) // 37
    blocks = (row // 16 * 7919 + column // 16 * 104729 + channel * 31) % 101
    image = ((waves + blocks) % 256).astype(np.uint8)
    found = unrolled(image, case["height"], case["width"])
    sampled, expected = (
        (found, arrays["full"]) if "full" in arrays else (found[::8, ::8], arrays["sub"])
    )
    np.testing.assert_allclose(sampled, expected, rtol=0, atol=case["tolerance"]["atol"])
    np.testing.assert_allclose(found.mean(axis=(0, 1)), arrays["channel_mean"], atol=1e-9)
    np.testing.assert_allclose(found.std(axis=(0, 1)), arrays["channel_std"], atol=1e-9)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), arrays["row_mean"], atol=1e-9)
