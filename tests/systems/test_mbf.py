"""MBF: parity with the authors' code, status text."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.systems.mbf import MBF
from skyfix.systems.system import Batch
from skyfix.views import View

SIDES: tuple[tuple[str, View], ...] = (("sat", "satellite"), ("drone", "drone"))
TINY = {"backbone": "vit_small_r26_s32_224", "input_px": 128, "places": 3}


@pytest.mark.full
def test_descriptors_and_logits_equal_the_authors(
    load_golden: Callable, fill_global: ModuleType, tmp_path: Path
) -> None:
    case, arrays = load_golden("mbf/paper")
    state = fill_global.make_state(
        case["spec"], case["salt"], case["layout"], case["overrides"], case["shared"]
    )
    path = tmp_path / "authors.pth"
    torch.save({key: torch.as_tensor(value) for key, value in state.items()}, path)
    system = systems.load_author_checkpoint("mbf", path, places=case["ctor"]["classes"])
    path.unlink()
    assert isinstance(system, MBF)

    def check(found: Tensor, name: str, factor: float = 1.0) -> None:
        authors = factor * torch.from_numpy(arrays[name])
        tolerance = case["tolerance"]["per_array_atol"][name]
        torch.testing.assert_close(found, authors, rtol=0, atol=tolerance)

    for side, _ in SIDES:
        images = torch.from_numpy(fill_global.image(*case["inputs"][side][1:]))
        text = torch.from_numpy(fill_global.normal(*case["inputs"][f"{side}_text"][1:])).float()
        with torch.inference_mode():
            pooled = system.pooled(images, text[:, 0])
            embeddings = [heads.embed(parts) for heads, parts in pooled]
            logits = [
                heads.classify(rows) for (heads, _), rows in zip(pooled, embeddings, strict=True)
            ]
            descriptor = system.described(images, text[:, 0])
        check(torch.cat(embeddings, dim=1).transpose(1, 2), f"{side}_raw")
        for part, rows in enumerate(torch.cat(logits, dim=1).unbind(1)):
            check(rows, f"{side}_train_logits{part}")
        # The authors divide by the root of 2 although there are 4 parts.
        check(descriptor, side, factor=2**-0.5)


@pytest.fixture(scope="module")
def tiny() -> MBF:
    torch.manual_seed(0)
    system = systems.create("mbf", **TINY)
    assert isinstance(system, MBF)
    return system.eval()


def test_the_altitude_moves_the_descriptor(tiny: MBF) -> None:
    images = torch.randn(1, 3, 128, 128).expand(4, -1, -1, -1)
    altitude_m = torch.tensor([150.0, 150.9, 160.0, torch.nan])
    with torch.inference_mode():
        rows = tiny.embed(images, "drone", altitude_m)
        unknown = tiny.embed(images[:1], "drone")
        satellite = tiny.embed(images[:1], "satellite")
    same, near, far = ((rows[0] - row).norm() for row in rows[1:])
    assert same < 1e-5 < near < far
    torch.testing.assert_close(rows[3:], unknown, rtol=0, atol=1e-5)
    assert (unknown - satellite).norm() > 1e-3


def test_training_batches_may_state_altitudes(tiny: MBF) -> None:
    images = {"satellite": torch.randn(2, 3, 128, 128), "drone": torch.randn(2, 3, 128, 128)}
    places = {view: torch.tensor([0, 1]) for view in images}
    with torch.inference_mode():
        without, stated = (
            tiny.objective(Batch(images, places, altitude_m=altitudes))
            for altitudes in ({}, {"drone": torch.tensor([121.5, 256.0])})
        )
    assert torch.equal(without["classification_satellite"], stated["classification_satellite"])
    assert not torch.equal(without["classification_drone"], stated["classification_drone"])
    # Two places, one image of each in a view: no positive pair.
    assert stated["triplet_drone"] == 0


def test_other_views_and_networks_are_refused(tiny: MBF) -> None:
    with pytest.raises(SkyfixError, match="drone and satellite images only, not ground"):
        tiny.embed(torch.randn(1, 3, 128, 128), "ground")
    with pytest.raises(SkyfixError, match="resnet50 is no hybrid ViT"):
        systems.create("mbf", backbone="resnet50")
    with pytest.raises(SkyfixError, match="vit_tiny_r_s16_p8_224 is no hybrid ViT"):
        systems.create("mbf", backbone="vit_tiny_r_s16_p8_224")
