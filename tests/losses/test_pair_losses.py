"""Losses between paired views against the authors' numbers, in double precision."""

import math
from collections.abc import Callable

import pytest
import torch
from authors_losses import LOG_SCALE, ROWS, check, leaves, two_views
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.heat_groups import heat_groups
from skyfix.losses.alignment import map_alignment
from skyfix.losses.info_nce import info_nce, weighted_info_nce
from skyfix.losses.soft_margin import weighted_soft_margin

MAPS, ALIGNED = (16, 24, 4, 4), (16, 20, 9)
SOFT_MARGINS = [
    *(
        f"cvmnet_weighted_soft_margin_{rows}_hard{hardest}"
        for rows in ("unrelated", "related", "raw")
        for hardest in (0, 3)
    ),
    "safa_weighted_soft_margin_related_hard0",
    "cvft_weighted_soft_margin_related_hard0",
    "safa_cvact_masked_unrelated",
    "safa_cvact_masked_related",
]


@pytest.mark.parametrize("name", SOFT_MARGINS)
def test_weighted_soft_margins_equal_the_authors(name: str, cases: dict, draw: Callable) -> None:
    satellite, ground = two_views(name, draw, unit="_raw" not in name)
    if "_raw" in name:
        satellite, ground = 0.15 * satellite, 0.15 * ground
    near = None
    if "cvact" in name:
        position_m = 100 * draw("utm", (16, 2), "uniform")
        near = (position_m[:, None] - position_m).square().sum(dim=2) < 625
    inputs = leaves(satellite=satellite, ground=ground)
    hardest = cases[name]["params"].get("batch_hard_count", 0)
    loss = weighted_soft_margin(**inputs, near=near, hardest=hardest)
    check(loss, cases[name], inputs)


@pytest.mark.parametrize("rows", ["unrelated", "related"])
def test_without_near_pairs_and_at_twice_the_weight_it_is_transgeos(
    rows: str, cases: dict, draw: Callable
) -> None:
    for alpha in (10, 20):
        case = cases[f"transgeo_soft_triplet_bi_alpha{alpha}_{rows}"]
        inputs = leaves(**dict(zip("qk", two_views(rows, draw, unit=False), strict=True)))
        unit = (F.normalize(x) for x in inputs.values())
        loss = weighted_soft_margin(*unit, alpha=alpha / 2, constant_terms=False)
        check(loss, case, inputs)


def test_equal_embeddings_cost_what_they_cost_the_authors(cases: dict, draw: Callable) -> None:
    case = cases["cvmnet_weighted_soft_margin_all_equal"]
    inputs = leaves(**dict.fromkeys(("satellite", "ground"), _equal_rows(draw)))
    check(weighted_soft_margin(**inputs, alpha=case["params"]["alpha"]), case, inputs)


def _equal_rows(draw: Callable) -> Tensor:
    return F.normalize(draw("sat", ROWS)[:1]).expand(ROWS)


@given(st.integers(2, 20))
@settings(max_examples=10, deadline=None)
def test_equal_embeddings_cost_the_constant_of_the_formula(count: int) -> None:
    rows = F.normalize(torch.ones(count, 5, dtype=torch.float64))
    authors = weighted_soft_margin(rows, rows)
    assert authors.item() == pytest.approx(math.log(2) * count / (count - 1))
    assert weighted_soft_margin(rows, rows, constant_terms=False).item() == pytest.approx(
        math.log(2)
    )


def test_only_near_pairs_leave_no_negatives() -> None:
    rows = F.normalize(torch.randn(3, 4, requires_grad=True))
    loss = weighted_soft_margin(
        rows, rows, near=torch.ones(3, 3, dtype=torch.bool), constant_terms=False
    )
    assert loss.item() == 0


def test_unfit_batches_are_named() -> None:
    with pytest.raises(SkyfixError, match="two rows or more in pairs, not 1"):
        weighted_soft_margin(torch.ones(1, 4), torch.ones(1, 4))
    with pytest.raises(SkyfixError, match="not 3 and 2"):
        weighted_soft_margin(torch.ones(3, 4), torch.ones(2, 4))
    with pytest.raises(SkyfixError, match="at most the batch of 3, not 4"):
        weighted_soft_margin(torch.ones(3, 4), torch.ones(3, 4), hardest=4)


INFO_NCES = [
    *(f"infonce_ls{s}_{rows}" for s in ("0.1", "0.0") for rows in ("unrelated", "related")),
    *(f"weighted_infonce_k{k}_{rows}" for k in (5, 10) for rows in ("unrelated", "related")),
    "weighted_infonce_no_weights_ls0.1",
]


@pytest.mark.parametrize("name", INFO_NCES)
def test_info_nce_equals_the_authors(name: str, cases: dict, draw: Callable) -> None:
    first, second = two_views(name, draw, unit=False)
    log_scale = torch.tensor(LOG_SCALE, dtype=torch.float64)
    inputs = leaves(f1=first, f2=second, logit_scale=log_scale)
    scale, params = inputs["logit_scale"].exp(), cases[name]["params"]
    if "weighted_infonce_k" in name:
        overlaps = draw("iou", (16,), "uniform")
        loss = weighted_info_nce(inputs["f1"], inputs["f2"], scale, overlaps, params["k"])
    else:
        loss = info_nce(inputs["f1"], inputs["f2"], scale, params["label_smoothing"])
    check(loss, cases[name], inputs)


def test_weighted_info_nce_equals_a_loop_over_rows() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(4, 8), torch.randn(4, 8)
    overlaps = torch.tensor([0.2, 0.5, 0.9, 1.0])
    loss = weighted_info_nce(first, second, 10.0, overlaps, sharpness=5)
    logits = 10 * F.normalize(first) @ F.normalize(second).T
    expected = 0.0
    for table in (logits, logits.T):
        for i, overlap in enumerate(overlaps):
            smoothing = 1 - torch.sigmoid(5 * overlap)
            total = table[i].exp().sum().log()
            expected += (1 - smoothing) * (total - table[i, i]) / 8
            expected += smoothing * (total - table[i].mean()) / 8
    assert loss.item() == pytest.approx(float(expected), rel=1e-6)
    assert loss.item() == pytest.approx(3.7008, abs=5e-5)


def test_info_nce_equals_a_librarys_in_both_directions() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    torch.manual_seed(1)
    first, second = torch.randn(12, 20), torch.randn(12, 20)
    labels = torch.arange(12)
    library = losses.NTXentLoss(temperature=0.1)
    expected = sum(
        library(query, labels, ref_emb=reference, ref_labels=labels.clone()) / 2
        for query, reference in ((first, second), (second, first))
    )
    ours = info_nce(first, second, scale=10.0, smoothing=0.0)
    assert ours.item() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("rows", ["unrelated", "related"])
def test_alignment_equals_the_authors(rows: str, cases: dict, draw: Callable) -> None:
    first, second = draw("align1", ALIGNED), draw("align2", ALIGNED)
    if rows == "related":
        second = 0.5 * first + second
    for name, terms in (("dac_dsa", 1), ("mean_cda", 2)):
        inputs = leaves(x=first, y=second)
        check(terms * map_alignment(**_as_arguments(inputs)), cases[f"{name}_{rows}"], inputs)


def _as_arguments(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(zip(("first", "second"), inputs.values(), strict=True))


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("kind", ["infonce_self", "infonce_cross", "mse"])
def test_losses_of_heat_groups_equal_the_authors(
    kind: str, groups: int, cases: dict, draw: Callable
) -> None:
    first, second = draw("map1", MAPS), draw("map2", MAPS)
    log_scale = torch.tensor(LOG_SCALE, dtype=torch.float64)
    inputs = leaves(x=first, y=0.5 * first + second, logit_scale=log_scale)
    rows = {
        name: heat_groups(inputs[name].flatten(2).transpose(1, 2), groups).flatten(1)
        for name in "xy"
    }
    scale = inputs["logit_scale"].exp()
    loss = {
        "infonce_self": lambda: info_nce(rows["x"], rows["x"], scale),
        "infonce_cross": lambda: info_nce(rows["x"], rows["y"], scale),
        "mse": lambda: F.mse_loss(F.normalize(rows["x"]), F.normalize(rows["y"])),
    }[kind]()
    check(loss, cases[f"camp_blocks_{kind}_blocks{groups}"], inputs)


def test_groups_of_the_satellite_map_are_compared_as_by_the_authors(
    cases: dict, draw: Callable
) -> None:
    """DAC's code builds this loss, which compares a view with itself, but does not train by it."""
    case = cases["dac_blocks_infonce_as_shipped"]
    log_scale = torch.tensor(LOG_SCALE, dtype=torch.float64)
    inputs = leaves(x=draw("map1", MAPS), logit_scale=log_scale)
    cells = inputs["x"].flatten(2).transpose(1, 2)
    rows = heat_groups(cells, case["params"]["blocks"]).flatten(1)
    check(info_nce(rows, rows, inputs["logit_scale"].exp()), case, inputs)
