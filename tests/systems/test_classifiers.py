"""Variants of the classifying baselines: pooling, added losses, LCM."""

import pytest
import torch
from torch.nn import functional as F

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.losses.circle import circle
from skyfix.losses.classification import part_cross_entropy
from skyfix.losses.contrastive import contrastive
from skyfix.losses.decorrelation import decorrelation
from skyfix.losses.lifted import lifted_structure
from skyfix.losses.mined_triplet import mined_soft_margin, mined_triplet
from skyfix.systems.part_system import PartSystem
from skyfix.systems.system import Batch

TINY = {"backbone": "tf_efficientnet_lite0", "input_px": 64, "places": 5}
LOSSES = {
    "triplet": mined_triplet,
    "contrastive": contrastive,
    "soft_margin": mined_soft_margin,
    "lifted": lifted_structure,
    "circle": circle,
}
PLACES = {"satellite": torch.tensor([0, 1, 2]), "drone": torch.tensor([2, 0, 0, 1])}


def batch() -> Batch:
    torch.manual_seed(0)
    return Batch({view: torch.randn(len(x), 3, 64, 64) for view, x in PLACES.items()}, PLACES)


def features(system: PartSystem, given: Batch) -> dict[str, torch.Tensor]:
    return {view: system.part_embeddings(x)[:, 0] for view, x in given.images.items()}


@pytest.mark.parametrize("metric", LOSSES)
def test_a_metric_loss_is_added_for_each_view(metric: str) -> None:
    system = systems.create("instance", **TINY, metric=metric).eval()
    assert isinstance(system, PartSystem)
    given = batch()
    terms = system.objective(given)
    assert set(terms) == {
        *(f"{term}_{view}" for term in ("classification", metric) for view in PLACES),
        "total",
    }
    for view, rows in features(system, given).items():
        expected = LOSSES[metric](rows, PLACES[view])
        torch.testing.assert_close(terms[f"{metric}_{view}"], expected)


@pytest.mark.parametrize("metric", LOSSES)
def test_merged_views_are_compared_with_each_other(metric: str) -> None:
    system = systems.create("instance", **TINY, metric=metric, merge_views=True).eval()
    assert isinstance(system, PartSystem)
    given = batch()
    terms = system.objective(given)
    rows = torch.cat(list(features(system, given).values()))
    expected = LOSSES[metric](rows, torch.cat(list(PLACES.values())))
    torch.testing.assert_close(terms[metric], expected)
    assert terms[metric] > 0


def test_metric_losses_see_the_holes_of_dropout() -> None:
    system = systems.create("instance", **TINY, metric="contrastive", dropout=0.99).train()
    given = batch()
    torch.manual_seed(0)
    terms = system.objective(given)
    assert isinstance(system, PartSystem)
    system.heads.dropout.p = 0.0
    untouched = system.objective(given)
    assert abs(terms["contrastive_drone"] - untouched["contrastive_drone"]) > 1e-3


def test_gem_pooling_with_exponent_one_is_the_average() -> None:
    torch.manual_seed(0)
    plain = systems.create("instance", **TINY).eval()
    gem = systems.create("instance", **TINY, pooling="gem").eval()
    gem.load_state_dict(plain.state_dict(), strict=False)
    assert isinstance(gem, PartSystem)
    gem.get_parameter("gem.exponent").data.fill_(1.0)
    maps = torch.rand(2, 1280, 4, 4)
    torch.testing.assert_close(gem.pool(maps), plain.pool(maps))
    gem.get_parameter("gem.exponent").data.fill_(3.0)
    assert (gem.pool(maps) > plain.pool(maps)).all()


def test_swin_with_decorrelation_standardizes_the_pooled_maps_of_pairs() -> None:
    torch.manual_seed(0)
    system = systems.create("swin", **TINY, decorrelation=0.25, dropout=0.0).train()
    assert isinstance(system, PartSystem)
    places = torch.tensor([3, 0, 1, 4])
    images = {view: torch.randn(4, 3, 64, 64) for view in PLACES}
    terms = system.objective(Batch(images, dict.fromkeys(PLACES, places)))
    maps = [system.backbone(x).mean(dim=(2, 3)) for x in images.values()]
    for view, vectors in zip(PLACES, maps, strict=True):
        logits = system.heads.classify(system.heads.embed(vectors[:, None]))
        expected = 0.75 * part_cross_entropy(logits, places)
        torch.testing.assert_close(terms[f"classification_{view}"], expected)
    spread = [((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()) for x in maps]
    expected = 0.25 * decorrelation(spread[0], spread[1], off_diagonal=0.002)
    torch.testing.assert_close(terms["decorrelation"], expected, rtol=1e-4, atol=0)
    assert terms["total"] == sum(term for name, term in terms.items() if name != "total")


@pytest.mark.parametrize("drone", [[0, 2, 1], [0, 0, 1, 1, 2, 2]])
def test_decorrelation_of_other_places_is_refused(drone: list[int]) -> None:
    system = systems.create("swin", **TINY, decorrelation=0.1)
    places = {"satellite": torch.arange(3), "drone": torch.tensor(drone)}
    images = {view: torch.zeros(len(x), 3, 64, 64) for view, x in places.items()}
    with pytest.raises(SkyfixError, match=r"--set sampler\.pairing=places"):
        system.objective(Batch(images, places))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_of_decorrelation_are_checked(share: float) -> None:
    with pytest.raises(SkyfixError, match="decorrelation must be from 0 to below 1"):
        systems.create("swin", decorrelation=share)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"pooling": "max"}, "Unknown pooling 'max'"), ({"metric": "arc"}, "Unknown metric 'arc'")],
)
def test_unknown_variants_are_named(options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create("instance", **options)


def test_lcm_is_cross_entropy_of_both_views_with_equal_weight() -> None:
    """No author code exists: checked against the equations."""
    system = systems.create("lcm", **TINY, descriptor_width=48).eval()
    assert isinstance(system, PartSystem)
    given = batch()
    expected = torch.zeros(())
    heads = system.heads
    for view, images in given.images.items():
        pooled = system.backbone(images).mean(dim=(2, 3))
        hidden = F.linear(pooled, heads.bottleneck_weight[0], heads.bottleneck_bias[0])
        logits = F.linear(heads.norm(hidden), heads.classifier_weight[0], heads.classifier_bias[0])
        own = logits.softmax(dim=1)[torch.arange(len(logits)), PLACES[view]]
        expected = expected - own.log().sum() / len(logits)
    torch.testing.assert_close(system.objective(given)["total"], expected)


def test_lcm_has_the_width_asked_for_and_draws_views_equally() -> None:
    system = systems.create("lcm", **TINY, descriptor_width=48).eval()
    with torch.inference_mode():
        assert system.embed(torch.randn(2, 3, 64, 64), "drone").shape == (2, 48)
    assert systems.create("lcm", **{**TINY, "input_px": 384}).descriptor_dim == 512
    sampler = system.recipe.sampler
    assert (sampler.pairing, sampler.images_per_place) == ("places", 1)
