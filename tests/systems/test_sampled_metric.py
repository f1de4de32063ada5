"""The metric-learning baselines: parity with the authors' network, losses of a batch."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.systems.sampled_metric import SampledMetric
from skyfix.systems.system import Batch

NAMES = ["contrastive", "triplet", "soft_margin"]
TINY = {"backbone": "tf_efficientnet_lite0", "input_px": 64}


@pytest.mark.slow
def test_descriptors_equal_the_authors(
    golden: Path, load_golden: Callable, fill: ModuleType, tmp_path: Path
) -> None:
    described, arrays = load_golden("triplet_r50/eval")
    (case,) = described["cases"]
    keys = json.loads((golden / "triplet_r50" / case["keys"]).read_text())
    rule = described["fill"]
    state = fill.make_state_dict(keys, rule["shared"], rule["salt"], rule["scale"])
    torch.save(state, tmp_path / "authors.pth")
    system = systems.load_author_checkpoint("triplet", tmp_path / "authors.pth")
    assert isinstance(system, SampledMetric)
    images = fill.make_image(case["input"]["name"], case["input"]["shape"])
    expected = case["outputs"]["any"]
    with torch.inference_mode():
        features, descriptors = system.features(images), system.embed(images, "drone")
    authors = torch.from_numpy(arrays[expected["embedding"]])
    tolerance = 1e-4 * expected["embedding_rms"]
    torch.testing.assert_close(features, authors, rtol=0, atol=tolerance)
    authors = torch.from_numpy(arrays[expected["descriptor"]])
    torch.testing.assert_close(descriptors, authors, rtol=0, atol=1e-5)


def sampled_batch() -> Batch:
    torch.manual_seed(0)
    places = torch.tensor([4, 1, 3])
    images = {"satellite": torch.randn(3, 3, 64, 64), "drone": torch.randn(6, 3, 64, 64)}
    return Batch(images, {"satellite": places, "drone": places.repeat_interleave(2)})


def hardest_by_loops(system: SampledMetric, batch: Batch) -> list[tuple[float, float]]:
    anchors = system.features(batch.images["satellite"])
    candidates = system.features(batch.images["drone"])
    pairs = []
    for i, place in enumerate(batch.places["satellite"]):
        similarity = [(anchors[i] @ row).item() for row in candidates]
        same = (batch.places["drone"] == place).tolist()
        pairs.append(
            (
                min(s for s, own in zip(similarity, same, strict=True) if own),
                max(s for s, own in zip(similarity, same, strict=True) if not own),
            )
        )
    return pairs


@pytest.mark.parametrize("margin", [0.3, 0.5])
def test_the_triplet_objective_is_the_papers(margin: float) -> None:
    system = systems.create("triplet", **TINY, margin=margin).eval()
    assert isinstance(system, SampledMetric)
    batch = sampled_batch()
    expected = sum(max(0.0, n + margin - p) for p, n in hardest_by_loops(system, batch))
    assert system.objective(batch)["total"].item() == pytest.approx(expected, rel=1e-4)


def test_the_contrastive_objective_is_the_authors() -> None:
    system = systems.create("contrastive", **TINY).eval()
    assert isinstance(system, SampledMetric)
    batch = sampled_batch()
    expected = sum((1 - p) ** 2 + (1 + n) ** 2 for p, n in hardest_by_loops(system, batch))
    assert system.objective(batch)["total"].item() == pytest.approx(expected, rel=1e-4)


def test_the_soft_margin_objective_is_a_mean() -> None:
    system = systems.create("soft_margin", **TINY, alpha=2.0).eval()
    assert isinstance(system, SampledMetric)
    batch = sampled_batch()
    gaps = torch.tensor([n - p for p, n in hardest_by_loops(system, batch)])
    expected = (2 * gaps).exp().log1p().mean().item()
    assert system.objective(batch)["total"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"reduction": "max"}, "Unknown reduction 'max'"), ({"input_px": 16}, "at least 32")],
)
@pytest.mark.parametrize("name", NAMES)
def test_unfit_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create(name, **options)
