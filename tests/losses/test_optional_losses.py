"""Losses that the authors' code offers beside the published ones, in double precision."""

from collections.abc import Callable

import pytest
import torch
from authors_losses import LOG_SCALE, ROWS, check, leaves, two_views
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.losses.classification import mean_cross_entropy
from skyfix.losses.group_info_nce import group_info_nce
from skyfix.losses.info_nce import info_nce
from skyfix.losses.mined_triplet import mined_triplet
from skyfix.losses.semihard_triplet import semihard_triplet

FORMS = {
    "part_slice": {"pooled": False, "by_group": False},
    "whole_slice": {"pooled": True, "by_group": False},
    "part_block": {"pooled": False, "by_group": True},
    "whole_block": {"pooled": True, "by_group": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_group_info_nce_equals_the_authors(form: str, cases: dict, draw: Callable) -> None:
    case = cases[f"group_infonce_{form}"]
    first, second = two_views("related", draw, unit=False)
    log_scale = torch.tensor(LOG_SCALE, dtype=torch.float64)
    inputs = leaves(f1=first, f2=second, logit_scale=log_scale)
    params = case["params"]
    loss = group_info_nce(
        inputs["f1"],
        inputs["f2"],
        inputs["logit_scale"].exp(),
        params["group_len"],
        **FORMS[form],
        smoothing=params["label_smoothing"],
    )
    check(loss, case, inputs)


def in_words(logits: Tensor, group: int, pooled: bool, by_group: bool, smoothing: float) -> float:
    """Anchor by anchor and group by group, one direction."""
    step = group if by_group else 1
    anchors = range(0, len(logits), step)
    count, terms = len(logits) // group, []
    for start in anchors:
        whole = logits[start : start + step].exp().sum()
        for index in range(count):
            block = logits[start : start + step, index * group : (index + 1) * group]
            logs = (block.exp().sum() / whole).log() if pooled else (block.exp() / whole).log()
            own = index == start // group
            weight = (1 - smoothing) * own + smoothing / count
            term = logs.sum() if not (pooled or by_group) else logs.mean()
            terms.append(-weight * term.item())
    return sum(terms) / len(anchors)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("group", [1, 3, 12])
def test_group_info_nce_equals_a_loop(form: str, group: int) -> None:
    torch.manual_seed(group)
    first, second = torch.randn(2, 12, 8, dtype=torch.float64)
    logits = 4 * F.normalize(first) @ F.normalize(second).T
    loss = group_info_nce(first, second, 4.0, group, **FORMS[form], smoothing=0.2)
    words = [in_words(x, group, **FORMS[form], smoothing=0.2) for x in (logits, logits.T)]
    assert loss.item() == pytest.approx(sum(words) / 2, rel=1e-9)
    if group == 1:
        assert loss.item() == pytest.approx(info_nce(first, second, 4.0, 0.2).item(), rel=1e-9)


@pytest.mark.parametrize("group", [0, 5])
def test_rows_that_do_not_divide_into_groups_are_refused(group: int) -> None:
    with pytest.raises(SkyfixError, match=f"4 images do not divide into groups of {group}"):
        group_info_nce(torch.ones(4, 2), torch.ones(4, 2), 1.0, group, pooled=True, by_group=True)


def test_semihard_triplet_equals_the_authors(cases: dict, draw: Callable) -> None:
    case = cases["game4loc_semihard_triplet"]
    first, second = two_views("related", draw, unit=False)
    inputs = leaves(f1=first, f2=second)
    places = torch.arange(len(first)).repeat(2)
    loss = semihard_triplet(torch.cat(list(inputs.values())), places, case["params"]["margin"])
    check(loss, case, inputs)


@pytest.mark.parametrize("seed", range(4))
def test_semihard_triplet_equals_a_librarys(seed: int) -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    torch.manual_seed(seed)
    places = torch.randint(0, 5, (20,))
    features = torch.randn(20, 6) + 2 * F.one_hot(places, 6)
    triplets = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")(features, places)
    expected = losses.TripletMarginLoss(margin=0.2)(features, places, triplets)
    assert len(triplets[0]) > 10
    assert semihard_triplet(features, places).item() == pytest.approx(expected.item(), rel=1e-5)


def test_mined_triplet_equals_mbfs(cases: dict, draw: Callable) -> None:
    case = cases["mbf_triplet_multisimilarity_miner"]
    inputs = leaves(f=draw("sat", ROWS))
    places = torch.arange(ROWS[0]) % 4
    check(mined_triplet(inputs["f"], places, case["params"]["margin"]), case, inputs)


def test_cross_entropy_of_heads_equals_dacs(cases: dict, draw: Callable) -> None:
    case = cases["dac_classification_mean_of_heads"]
    inputs = leaves(**{f"l{head}": draw(f"logits{head}", (16, 11)) for head in range(3)})
    places = torch.arange(16) % 11
    check(mean_cross_entropy(torch.stack(list(inputs.values()), dim=1), places), case, inputs)
