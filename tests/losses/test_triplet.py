"""Triplet losses against the authors' numbers, a library's and a literal twin."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from skyfix.losses.triplet import (
    batch_hard_triplet,
    cross_view_triplet,
    mean_negative_triplet,
    weighted_soft_triplet,
)

SPLIT = 8


def cross_view(features: Tensor, places: Tensor, **options: float) -> Tensor:
    """The fixtures' rows: one view, then the other."""
    return cross_view_triplet(
        features[:SPLIT], features[SPLIT:], places[:SPLIT], places[SPLIT:], **options
    )


def by_name(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    margin = 0.5 if "m0.5" in name else 0.3
    if name.endswith("hardfactor"):
        return lambda x, y: cross_view(x, y, hard_factor=0.2)
    if name.startswith("crossview"):
        return lambda x, y: cross_view(x, y, margin=margin)
    if "softmargin" in name:
        return lambda x, y: weighted_soft_triplet(x, y, alpha=1)
    if name.startswith("weighted_soft"):
        return weighted_soft_triplet
    return mean_negative_triplet if "meanneg" in name else batch_hard_triplet


FIXTURES = [
    *(
        f"crossview_hardest_triplet_m{margin}_{labels}"
        for margin in (0.3, 0.5)
        for labels in ("equal", "unequal", "distinct")
    ),
    "crossview_hardest_triplet_hardfactor",
    *(
        f"{loss}_{labels}"
        for labels in ("equal", "distinct")
        for loss in (
            "global_hardest_triplet_m0.3",
            "global_hardest_softmargin",
            "weighted_soft_triplet",
            "triplet_hardpos_meanneg_m0.3",
            "hardmining_triplet_m0.3",
        )
    ),
]


@pytest.mark.parametrize("name", FIXTURES)
def test_losses_equal_the_authors(name: str, load_golden: Callable, fill: ModuleType) -> None:
    description, arrays = load_golden("losses/losses")
    case = next(case for case in description["losses"] if case["name"] == name)
    (key, source), *_ = case["inputs"].items()
    features = fill.make_input(source["name"], source["shape"]).requires_grad_()
    loss = by_name(name)(features, torch.tensor(case["labels"]))
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-5)
    authors = torch.from_numpy(arrays[f"{name}__grad__{key}"])
    torch.testing.assert_close(features.grad, authors, rtol=0, atol=1e-5)


def test_parts_are_averaged(load_golden: Callable, fill: ModuleType) -> None:
    description, arrays = load_golden("losses/losses")
    case = next(case for case in description["losses"] if case["name"] == "triplet_list_mean")
    inputs = {
        key: fill.make_input(source["name"], source["shape"]).requires_grad_()
        for key, source in case["inputs"].items()
    }
    first, second = (
        torch.stack([inputs[f"p{part}_{view}"] for part in (0, 1)]) for view in ("sat", "dro")
    )
    places = torch.tensor(case["labels"])
    loss = cross_view_triplet(first, second, places, places, case["margin"])
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-5)
    for key, tensor in inputs.items():
        authors = torch.from_numpy(arrays[f"triplet_list_mean__grad__{key}"])
        torch.testing.assert_close(tensor.grad, authors, rtol=0, atol=1e-5)


def test_batch_hard_equals_the_library() -> None:
    library = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import losses, miners

    assert library
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(24, 16, generator=generator, dtype=torch.float64)
    places = torch.arange(24) % 6
    pairs = miners.BatchHardMiner()(features, places)
    everything = losses.TripletMarginLoss(margin=2.0)(features, places, pairs)
    ours = batch_hard_triplet(features, places, margin=2.0)
    assert ours.item() == pytest.approx(everything.item(), rel=1e-5)


def literal_cross_view(
    first: Tensor, second: Tensor, first_places: Tensor, second_places: Tensor, margin: float
) -> float:
    """One anchor at a time."""
    terms = []
    for anchors, others, places, other_places in (
        (first, second, first_places, second_places),
        (second, first, second_places, first_places),
    ):
        for anchor, place in zip(anchors, places, strict=True):
            distance = (anchor / anchor.norm() - others / others.norm(dim=1)[:, None]).norm(dim=1)
            own = other_places == place
            if own.any() and not own.all():
                gap = distance[own].max() - distance[~own].min()
                terms.append(max(0.0, gap.item() + margin))
    return sum(terms) / len(terms)


def test_views_may_differ_in_number_and_lack_places() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(rows, 8, generator=generator).double() for rows in (4, 9))
    first_places, second_places = torch.tensor([0, 1, 2, 7]), torch.arange(9) % 4
    ours = cross_view_triplet(first, second, first_places, second_places, 0.5)
    twin = literal_cross_view(first, second, first_places, second_places, 0.5)
    assert ours.item() == pytest.approx(twin, rel=1e-4)


@pytest.mark.parametrize("places", [[0, 1, 2], [5, 5, 5]])
def test_batches_without_triplets_cost_nothing(places: list[int]) -> None:
    features = torch.randn(3, 8, requires_grad=True)
    others = torch.tensor([7, 8, 9]) if len(set(places)) > 1 else torch.tensor(places)
    loss = cross_view_triplet(features, torch.randn(3, 8), torch.tensor(places), others)
    loss.backward()
    assert loss.item() == 0
    assert features.grad is not None
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_equal_rows_have_finite_gradients() -> None:
    features = torch.ones(4, 8, requires_grad=True)
    places = torch.tensor([0, 0, 1, 1])
    for loss in (batch_hard_triplet, weighted_soft_triplet, mean_negative_triplet):
        loss(features, places).backward()
        assert features.grad is not None
        assert features.grad.isfinite().all(), Path(loss.__name__)
