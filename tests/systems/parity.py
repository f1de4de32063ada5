"""Comparing a system with what its authors' code computed from the same parameters."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from skyfix import systems
from skyfix.systems.part_system import PartSystem
from skyfix.systems.sues200 import SUES200
from skyfix.systems.system import Batch, System
from skyfix.views import View

Terms = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Authors:
    """The authors' numbers, and systems that are filled as theirs were.

    Attributes:
        golden: folder of the fixtures.
        load: reads one of them.
        fill: regenerates parameters and inputs.
        folder: where a checkpoint in the authors' naming may be put.
    """

    golden: Path
    load: Callable
    fill: ModuleType
    folder: Path

    def checkpoint(self, fixture: str, description: dict, keys: str) -> Path:
        """A file as the authors' code would have saved it."""
        rule, named = description["fill"], self._keys(fixture, keys)
        state = self.fill.make_state_dict(named, rule["shared"], rule["salt"], rule["scale"])
        torch.save(state, self.folder / "authors.pth")
        return self.folder / "authors.pth"

    def check_descriptors(
        self, name: str, fixture: str, sizes: tuple[int, ...] = (), **options: object
    ) -> None:
        """Embeddings and descriptors of each view at some or all input sizes (px)."""
        description, arrays = self.load(f"{fixture}/eval")
        cases = [case for case in description["cases"] if not sizes or case["size"] in sizes]
        assert len(cases) == len(sizes or description["cases"])
        for case in cases:
            path = self.checkpoint(fixture, description, case["keys"])
            system = systems.load_author_checkpoint(
                name, path, places=description["nclasses"], input_px=case["size"], **options
            )
            images = self.fill.make_image(case["input"]["name"], case["input"]["shape"])
            for view, expected in case["outputs"].items():
                if view in ("any", *system.views) and "identical_to" not in expected:
                    _check_view(system, images, view, expected, arrays)

    def check_training_step(
        self, name: str, fixture: str, terms: Terms, double: bool = False, **options: object
    ) -> None:
        """Loss terms and gradients of one step.

        Args:
            terms: which of our terms make up one of the authors'.
            double: in double precision, which the fixtures of networks with many batch norms give.
        """
        case, _ = self.load(f"{fixture}/train")
        path = self.checkpoint(fixture, case, case["keys"])
        system = systems.load_author_checkpoint(
            name, path, places=case["nclasses"], input_px=case["size"], **options
        )
        _without_chance(system)
        batch = self._batch(case)
        expected, loss_rel, gradient_rel = case["result"], 1e-5, 1e-4
        if double:
            system.double()
            batch = Batch({view: x.double() for view, x in batch.images.items()}, batch.places)
            expected, loss_rel, gradient_rel = expected["float64"], 1e-6, 1e-6
        ours = system.train().objective(batch)
        ours["total"].backward()
        for author_term, names in terms.items():
            value = sum(ours[own].item() for own in names)
            assert value == pytest.approx(expected["terms"][author_term], rel=loss_rel), author_term
        assert ours["total"].item() == pytest.approx(expected["total"], rel=loss_rel)
        shapes = {key: shape for key, shape, _ in self._keys(fixture, case["keys"])}
        for key, norm in expected["grad_l2"].items():
            found = _gradient(system, key, shapes[key]).double().norm().item()
            assert found == pytest.approx(norm, rel=gradient_rel), key
        squares = sum(
            p.grad.double().square().sum() for p in system.parameters() if p.grad is not None
        )
        assert squares.sqrt().item() == pytest.approx(expected["grad_l2_all"], rel=gradient_rel)

    def _keys(self, fixture: str, keys: str) -> list:
        return json.loads((self.golden / fixture / keys).read_text())

    def _batch(self, case: dict) -> Batch:
        images = {
            view: self.fill.make_image(source["name"], source["shape"])
            for view, source in case["inputs"].items()
        }
        return Batch(images, {view: torch.tensor(x) for view, x in case["labels"].items()})


def _check_view(
    system: System,
    images: Tensor,
    named: str,
    expected: dict,
    arrays: Mapping[str, np.ndarray],
) -> None:
    view: View = "satellite" if named == "any" else named
    with torch.inference_mode():
        if isinstance(system, SUES200):
            embedding = system.part_embeddings(images, view)
        else:
            assert isinstance(system, PartSystem)
            embedding = system.part_embeddings(images)
        descriptor = system.embed(images, view)
    authors = torch.from_numpy(arrays[expected["embedding"]]).reshape(len(images), 512, -1)
    tolerance = 2e-5 * expected["embedding_rms"] + 1e-6
    torch.testing.assert_close(embedding.transpose(1, 2), authors, rtol=0, atol=tolerance)
    authors = torch.from_numpy(arrays[expected["descriptor"]])
    # DenseUAV's script divides by the root of one part too few, a constant factor.
    authors = authors / authors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(descriptor, authors, rtol=0, atol=2e-6)


def _without_chance(system: System) -> None:
    for module in system.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, DropPath):
            module.drop_prob = 0.0


def _gradient(system: System, author_key: str, shape: list[int]) -> Tensor:
    target = system.author_key(author_key)
    assert target is not None
    name, part = target
    gradient = system.get_parameter(name).grad
    assert gradient is not None
    return gradient if part is None else gradient.reshape(-1, math.prod(shape))[part]
