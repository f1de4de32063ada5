"""SUES-200's baseline: parity with the authors' code, one network for each view."""

from pathlib import Path

import pytest
import torch
from parity import Authors
from torch.nn import functional as F

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.systems.sues200 import SUES200

RELEASED = {"variant": "released"}
LPN = {"backbone": "seresnet50", "rings": 4}
TERMS = {f"ce_{view}": (f"classification_{view}",) for view in ("satellite", "drone")}
TINY = {"backbone": "tf_efficientnet_lite0", "input_px": 64, "places": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixture", "size", "options"),
    [
        ("sues_resnet50", 256, RELEASED),
        ("sues_resnet50", 384, RELEASED),
        pytest.param(
            "sues_vitb",
            384,
            {**RELEASED, "backbone": "vit_base_patch16_384"},
            marks=pytest.mark.full,
        ),
        ("sues_lpn", 256, LPN),
        ("sues_lpn", 384, LPN),
    ],
)
def test_descriptors_equal_the_authors(
    fixture: str, size: int, options: dict, authors: Authors
) -> None:
    authors.check_descriptors("sues200", fixture, (size,), **options)


@pytest.mark.slow
@pytest.mark.parametrize(("fixture", "options"), [("sues_resnet50", RELEASED), ("sues_lpn", LPN)])
def test_training_step_equals_the_authors_in_double_precision(
    fixture: str, options: dict, authors: Authors
) -> None:
    authors.check_training_step("sues200", fixture, TERMS, double=True, **options)


def tiny(**options: object) -> SUES200:
    torch.manual_seed(0)
    system = systems.create("sues200", **TINY, **options)
    assert isinstance(system, SUES200)
    return system.eval()


def test_only_the_released_descriptor_depends_on_the_side_that_is_mirrored() -> None:
    images = torch.randn(2, 3, 64, 64)
    paper, released = tiny(), tiny(**RELEASED)
    with torch.inference_mode():
        for system, symmetric in ((paper, True), (released, False)):
            upright, mirrored = (system.embed(x, "drone") for x in (images, images.flip(-1)))
            assert torch.allclose(upright, mirrored, atol=1e-6) == symmetric
        embedding = released.part_embeddings(images, "drone")[:, 0]
        other = released.part_embeddings(images.flip(-1), "drone")[:, 0]
        expected = F.normalize(F.normalize(embedding) + other)
        torch.testing.assert_close(released.embed(images, "drone"), expected)


def test_views_have_networks_of_their_own_and_one_head() -> None:
    system = tiny()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        difference = system.embed(images, "satellite") - system.embed(images, "drone")
    assert difference.abs().max() > 1e-3
    with pytest.raises(SkyfixError, match="satellite and drone images only, not for ground"):
        system.embed(images, "ground")
    heads = sum(p.numel() for p in system.head_parameters())
    assert heads == 1280 * 512 + 512 + 512 * 3 + 3


def test_both_networks_start_from_the_same_weights() -> None:
    system = tiny()
    system.load_backbone("imagenet")
    satellite, drone = (system.backbones[view].state_dict() for view in system.views)
    assert all(torch.equal(tensor, drone[key]) for key, tensor in satellite.items())
    with pytest.raises(SkyfixError, match="No weight file"):
        system.load_backbone(Path("nowhere.pth"))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"variant": "both"}, "Unknown variant 'both'"), ({"rings": -1}, "must be 0 or more")],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create("sues200", **options)
