"""Metric losses of the University-1652 baselines against the authors' and a library's numbers."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.losses.circle import circle
from skyfix.losses.contrastive import contrastive, cosine_contrastive
from skyfix.losses.cosine_triplet import cosine_triplet
from skyfix.losses.hardest import hardest_similarities
from skyfix.losses.lifted import lifted_structure
from skyfix.losses.mined_triplet import informative_pairs, mined_soft_margin, mined_triplet
from skyfix.losses.soft_margin import soft_margin

SAMPLED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sampled_triplet_cos_sum_m0.3": cosine_triplet,
    "sampled_triplet_cos_sum_m0.5": lambda p, n: cosine_triplet(p, n, margin=0.5),
    "sampled_contrastive_cos_sum": cosine_contrastive,
    "sampled_softmargin_cos_sum": lambda p, n: soft_margin(p, n, reduction="sum"),
}
UNIVERSITY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "university_hinge_triplet": cosine_triplet,
    "university_contrastive_triplet": cosine_contrastive,
    "university_soft_margin_triplet": lambda p, n: soft_margin(p, n, reduction="sum"),
}
MINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "pml_triplet_m0.3_msminer": mined_triplet,
    "pml_contrastive_0_1": contrastive,
    "pml_lifted": lifted_structure,
}


def case_of(name: str, load_golden: Callable, fill: ModuleType) -> tuple[dict, dict, dict]:
    description, arrays = load_golden("losses/losses")
    case = next(case for case in description["losses"] if case["name"] == name)
    inputs = {}
    for key, source in case["inputs"].items():
        rows = fill.make_input(source["name"], source["shape"])
        inputs[key] = (F.normalize(rows) if source["unit_rows"] else rows).requires_grad_()
    gradients = {key: torch.from_numpy(arrays[f"{name}__grad__{key}"]) for key in inputs}
    return case, inputs, gradients


def check(loss: Tensor, case: dict, inputs: dict, gradients: dict) -> None:
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], rel=1e-6, abs=1e-5)
    for key, tensor in inputs.items():
        torch.testing.assert_close(tensor.grad, gradients[key], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_losses_equal_the_authors(
    name: str, load_golden: Callable, fill: ModuleType
) -> None:
    case, inputs, gradients = case_of(name, load_golden, fill)
    pair = hardest_similarities(inputs["anchor"], inputs["positives"], torch.tensor(case["labels"]))
    check(SAMPLED[name](*pair), case, inputs, gradients)


@pytest.mark.parametrize("name", UNIVERSITY)
def test_sampled_losses_equal_the_authors_where_places_repeat(
    name: str, golden: Path, fill_global: ModuleType
) -> None:
    described = json.loads((golden / "losses_global" / "losses_torch.json").read_text())
    case = next(case for case in described["losses"] if case["name"] == name)
    inputs = {}
    for key, source in case["inputs"].items():
        rows = fill_global.l2n(fill_global.normal(source["name"], source["shape"]))
        inputs[key] = torch.from_numpy(rows).requires_grad_()
    pair = hardest_similarities(*inputs.values(), torch.tensor(case["params"]["labels"]))
    loss = UNIVERSITY[name](*pair)
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], rel=1e-9)
    for key, norm in case["grad_norms"].items():
        assert inputs[key].grad.norm().item() == pytest.approx(norm, rel=1e-9), key


@pytest.mark.parametrize("labels", ["equal", "unequal"])
@pytest.mark.parametrize("name", MINED)
def test_losses_of_instance_features_equal_the_authors(
    name: str, labels: str, load_golden: Callable, fill: ModuleType
) -> None:
    case, inputs, gradients = case_of(f"{name}_{labels}", load_golden, fill)
    loss = MINED[name](inputs["f16x64"], torch.tensor(case["labels"]))
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-5)
    torch.testing.assert_close(inputs["f16x64"].grad, gradients["f16x64"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", ["equal", "unequal"])
def test_circle_loss_equals_the_authors(
    labels: str, load_golden: Callable, fill: ModuleType
) -> None:
    case, inputs, gradients = case_of(f"circle_m0.25_g32_{labels}", load_golden, fill)
    features = inputs["f16x64"]
    loss = circle(features, torch.tensor(case["labels"]))
    loss.backward()
    assert loss.item() == pytest.approx(case["value"], abs=1e-5)
    # Ours scales the rows to unit length, theirs did so before: theirs has a part along the row.
    along = (gradients["f16x64"] * features).sum(dim=1, keepdim=True) * features
    expected = gradients["f16x64"] - along
    torch.testing.assert_close(features.grad, expected.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_mining_and_losses_equal_a_librarys(seed: int) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    torch.manual_seed(seed)
    places = torch.randint(0, 5, (20,))
    features = torch.randn(20, 6) + 2 * F.one_hot(places, 6)
    pairs = miners.MultiSimilarityMiner()(features, places)
    positives, negatives = informative_pairs(features, places)
    assert _indices(positives) == set(zip(*(x.tolist() for x in pairs[:2]), strict=True))
    assert _indices(negatives) == set(zip(*(x.tolist() for x in pairs[2:]), strict=True))
    expected = losses.TripletMarginLoss(margin=0.3)(features, places, pairs)
    assert mined_triplet(features, places).item() == pytest.approx(expected.item(), rel=1e-5)
    expected = losses.ContrastiveLoss(pos_margin=0, neg_margin=1)(features, places)
    assert contrastive(features, places).item() == pytest.approx(expected.item(), rel=1e-5)
    expected = losses.GeneralizedLiftedStructureLoss(neg_margin=1, pos_margin=0)(features, places)
    assert lifted_structure(features, places).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_circle_loss_equals_a_librarys_for_an_anchor_with_all_pairs(seed: int) -> None:
    """The library sums each anchor's pairs: one anchor in a plane is given the pairs of all."""
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    torch.manual_seed(seed)
    places = torch.randint(0, 4, (12,))
    features = torch.randn(12, 6) + F.one_hot(places, 6)
    first, second = torch.triu_indices(12, 12, offset=1)
    cosines = F.cosine_similarity(features[first], features[second])
    partners = torch.stack([cosines, (1 - cosines.square()).sqrt()], dim=1)
    anchor = torch.tensor([[1.0, 0.0]])
    expected = losses.CircleLoss(m=0.25, gamma=32)(
        anchor,
        torch.tensor([1]),
        ref_emb=partners,
        ref_labels=(places[first] == places[second]).int(),
    )
    assert expected > 1
    assert 12 * circle(features, places).item() == pytest.approx(expected.item(), rel=1e-5)


def _indices(mask: Tensor) -> set[tuple[int, ...]]:
    return set(map(tuple, mask.nonzero().tolist()))


def test_mined_soft_margin_equals_a_loop_over_triplets() -> None:
    torch.manual_seed(0)
    places = torch.tensor([0, 0, 1, 1, 2, 2])
    features = F.normalize(torch.randn(6, 4))
    positives, negatives = informative_pairs(features, places)
    terms = [
        (10 * ((features[a] - features[p]).norm() - (features[a] - features[n]).norm()))
        .exp()
        .log1p()
        for a, p in positives.nonzero().tolist()
        for n in range(6)
        if negatives[a, n]
    ]
    assert len(terms) > 3
    expected = torch.stack(terms).mean().item()
    assert mined_soft_margin(features, places).item() == pytest.approx(expected, rel=1e-5)


def test_rows_without_positives_are_only_pushed_apart_by_lifted_structure() -> None:
    features = F.normalize(torch.randn(3, 4))
    between = [(features[a] - features[b]).norm() for a, b in ((0, 1), (0, 2), (1, 2))]
    near = [(1 - d).exp().item() for d in between]
    rows = [near[0] + near[1], near[0] + near[2], near[1] + near[2]]
    expected = sum(max(math.log(row), 0) for row in rows) / 3
    loss = lifted_structure(features, torch.arange(3))
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [mined_triplet, mined_soft_margin, contrastive, lifted_structure, circle]
)
def test_batches_without_positive_pairs_keep_their_gradients_finite(loss: Callable) -> None:
    features = torch.randn(4, 8, requires_grad=True)
    loss(features, torch.arange(4)).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    equal = torch.ones(4, 8, requires_grad=True)
    loss(equal, torch.tensor([0, 0, 1, 1])).backward()
    assert equal.grad is not None
    assert equal.grad.isfinite().all()


def test_a_pool_of_candidates_only_makes_negatives_easier() -> None:
    torch.manual_seed(0)
    anchors, candidates = F.normalize(torch.randn(4, 8)), F.normalize(torch.randn(16, 8))
    places = torch.arange(4)
    positive, negative = hardest_similarities(anchors, candidates, places)
    seen = set()
    for _ in range(20):
        pooled_positive, pooled = hardest_similarities(anchors, candidates, places, pool=8)
        assert torch.equal(pooled_positive, positive)
        assert (pooled <= negative).all()
        seen.add(tuple(pooled.tolist()))
    assert len(seen) > 1
    assert torch.equal(hardest_similarities(anchors, candidates, places, pool=99)[1], negative)


def test_anchors_without_another_place_have_opposite_negatives() -> None:
    rows = F.normalize(torch.randn(2, 4))
    _, negative = hardest_similarities(rows, rows, torch.tensor([3, 3]))
    assert negative.tolist() == [-1, -1]


def test_candidates_that_do_not_divide_are_refused() -> None:
    with pytest.raises(SkyfixError, match="5 candidates do not divide among 2 anchors"):
        hardest_similarities(torch.ones(2, 3), torch.ones(5, 3), torch.arange(2))


def test_the_mean_is_the_sum_over_anchors_divided() -> None:
    positive, negative = torch.randn(2, 6)
    for loss in (cosine_triplet, cosine_contrastive, soft_margin):
        total, mean = (loss(positive, negative, reduction=kind) for kind in ("sum", "mean"))
        assert total.item() == pytest.approx(6 * mean.item(), rel=1e-6)
