"""FSRA: parity with the authors' code, its token groups, its own ViT."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from parity import Authors

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.layers.heat_groups import heat_groups
from skyfix.systems.fsra import FSRA

TINY = {"backbone": "test_vit", "input_px": 64, "places": 3}
TERMS = {"cls": ("classification_satellite", "classification_drone"), "triplet": ("triplet",)}


@pytest.mark.parametrize("size", [256, pytest.param(384, marks=pytest.mark.slow)])
def test_descriptors_equal_the_authors(size: int, authors: Authors) -> None:
    authors.check_descriptors("fsra", "fsra", (size,))


@pytest.mark.slow
def test_training_step_equals_the_authors(authors: Authors) -> None:
    authors.check_training_step("fsra", "fsra", TERMS)


def test_token_groups_equal_the_authors(load_golden: Callable, fill: ModuleType) -> None:
    description, arrays = load_golden("geometry/fsra")
    for case in description["cases"]:
        tokens = fill.make_input(case["input"]["name"], case["input"]["shape"])
        expected = torch.from_numpy(arrays[case["array"]])
        groups = heat_groups(tokens, case["block"]).transpose(1, 2)
        torch.testing.assert_close(groups, expected, rtol=0, atol=1e-5)


def test_the_papers_vit_is_not_todays() -> None:
    paper = systems.create("fsra", places=701)
    assert isinstance(paper, FSRA)
    # 51.82 M with the unused classifier of 1000 classes.
    count = sum(parameter.numel() for parameter in paper.parameters())
    assert count == pytest.approx(51.82e6 - 769e3, rel=1e-4)
    assert paper.backbone.channels == 768
    today = systems.create("fsra", backbone="vit_small_patch16_224", places=701)
    assert today.descriptor_dim == paper.descriptor_dim == 2048


@pytest.mark.parametrize("regions", [0, 1, 5])
def test_one_classifier_per_region_and_one_for_the_image(regions: int) -> None:
    system = systems.create("fsra", **TINY, regions=regions)
    assert isinstance(system, FSRA)
    tokens = torch.randn(2, 17, 64)
    parts = system.pool(tokens)
    assert parts.shape == (2, regions + 1, 64)
    assert torch.equal(parts[:, -1], tokens[:, 0])
    assert system.descriptor_dim == (regions + 1) * 512


def test_fewer_than_no_regions_are_refused() -> None:
    with pytest.raises(SkyfixError, match="regions must be 0 or more"):
        systems.create("fsra", **TINY, regions=-1)
