"""The weights that are shipped."""

from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyfix import systems
from skyfix.datasets.university1652 import University1652
from skyfix.errors import SkyfixError
from skyfix.evaluation.protocol import evaluate
from skyfix.inference import Embedder

WEIGHTS = Path(str(resources.files("skyfix.systems"))) / "weights"


def test_both_spellings_give_the_shipped_weights() -> None:
    system, other = systems.load("skyfix_s"), systems.load("skyfix-s")
    assert system.name == other.name == "skyfix_s"
    assert not system.training
    assert systems.identity(system) == systems.identity(other)
    torch.manual_seed(0)
    assert systems.identity(system) != systems.identity(systems.create("skyfix_s"))


def test_descriptors_of_the_shipped_weights_are_unit_and_differ() -> None:
    system = systems.load("skyfix_s")
    images = torch.randn(3, 3, *system.preprocess["drone"].input_px)
    with torch.inference_mode():
        found = system.embed(images, "drone")
    assert found.shape == (3, system.descriptor_dim) == (3, 512)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert (found @ found.T - torch.eye(3)).abs().max() < 0.99


def test_the_package_ships_half_precision_of_modest_size() -> None:
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 24_000_000
    tensors = load_file(WEIGHTS / "skyfix_s" / "model.safetensors")
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float16}
    assert "Licence" in (WEIGHTS / "skyfix_s" / "README.md").read_text()


@pytest.mark.slow
def test_places_never_seen_are_found(shared: Path) -> None:
    data = University1652(shared / "data" / "university1652_mini")
    found = evaluate(Embedder("skyfix_s", device="cpu"), data)
    assert (found.queries, found.gallery) == (208, 142)
    assert found.result.recall[1] >= 85


def test_an_input_too_small_for_the_rings_is_refused() -> None:
    with pytest.raises(SkyfixError, match="at least 128"):
        systems.create("skyfix_s", input_px=64)
    with pytest.raises(SkyfixError, match="at least 192"):
        systems.create("skyfix_s", input_px=128, rings=6)
