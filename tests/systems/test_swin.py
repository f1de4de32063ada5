"""Swin baselines: parity with DWDR's code, SwinV2."""

import pytest
import torch
from parity import Authors

from skyfix import systems
from skyfix.systems.swin import Swin

pytestmark = pytest.mark.slow

TERMS = {f"ce_{view}": (f"classification_{view}",) for view in ("satellite", "drone")}


def test_descriptors_equal_the_authors(authors: Authors) -> None:
    authors.check_descriptors("swin", "dwdr_swinb")


def test_training_step_equals_the_authors(authors: Authors) -> None:
    authors.check_training_step("swin", "dwdr_swinb", TERMS)


def test_swin_v2_gives_its_last_normalized_map() -> None:
    system = systems.create("swin", backbone="swinv2_base_window16_256", input_px=256, places=3)
    assert isinstance(system, Swin)
    system.eval()
    with torch.inference_mode():
        feature_map = system.backbone(torch.randn(1, 3, 256, 256))
    assert feature_map.shape == (1, 1024, 8, 8)
    torch.testing.assert_close(feature_map.mean(dim=1), torch.zeros(1, 8, 8), atol=1e-5, rtol=0)
    assert system.embed(torch.randn(1, 3, 256, 256), "drone").shape == (1, 512)
