"""DenseUAV's baseline: parity with the authors' code for its heads, options."""

import pytest
import torch
from parity import Authors

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.losses import triplet
from skyfix.losses.focal import focal
from skyfix.systems.denseuav import DenseUAV
from skyfix.systems.system import Batch

HEADS = {
    "denseuav_single": "average",
    "denseuav_fsra": "fsra",
    "denseuav_lpn": "lpn",
    "denseuav_gem": "gem",
}
TERMS = {
    "cls": ("classification_satellite", "classification_drone"),
    "feature": ("triplet",),
    "kl": ("divergence",),
}
TINY = {"backbone": "test_vit", "input_px": 64, "places": 4}


@pytest.mark.parametrize("size", [224, pytest.param(256, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fixture", HEADS)
def test_descriptors_equal_the_authors(fixture: str, size: int, authors: Authors) -> None:
    authors.check_descriptors("denseuav", fixture, (size,), head=HEADS[fixture])


@pytest.mark.slow
@pytest.mark.parametrize("fixture", HEADS)
def test_training_step_equals_the_authors(fixture: str, authors: Authors) -> None:
    authors.check_training_step("denseuav", fixture, TERMS, head=HEADS[fixture])


def tiny(**options: object) -> DenseUAV:
    torch.manual_seed(0)
    system = systems.create("denseuav", **TINY, **options)
    assert isinstance(system, DenseUAV)
    return system


def test_heads_of_one_part_pool_the_tokens_they_name() -> None:
    tokens = torch.randn(2, 17, 64)
    patches = tokens[:, 1:]
    expected = {
        "average": patches.mean(1),
        "maximum": patches.amax(1),
        "average_maximum": patches.mean(1) + patches.amax(1),
        "class": tokens[:, 0],
        # Its weights start out equal.
        "gem": patches.mean(1),
    }
    for head, vector in expected.items():
        torch.testing.assert_close(tiny(head=head).pool(tokens)[:, 0], vector)


@pytest.mark.parametrize(
    ("option", "loss"),
    [
        ("soft", triplet.weighted_soft_triplet),
        ("hardest", triplet.batch_hard_triplet),
        ("mean_negative", triplet.mean_negative_triplet),
    ],
)
def test_triplet_losses_see_both_views_together(option: str, loss: object) -> None:
    system = tiny(triplet=option)
    satellite, drone = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    places = torch.arange(4)
    expected = loss(torch.cat([satellite, drone], dim=1), torch.cat([places, places]))
    torch.testing.assert_close(system.pair_loss(satellite, drone, (places, places)), expected)


def test_focal_loss_takes_the_place_of_cross_entropy_alone() -> None:
    places = torch.arange(3)
    images = {view: torch.randn(3, 3, 64, 64) for view in ("satellite", "drone")}
    given = Batch(images, dict.fromkeys(images, places))
    plain, focused = tiny(head="fsra").eval(), tiny(head="fsra", classification="focal").eval()
    terms = focused.objective(given)
    for view, x in images.items():
        logits = focused.heads.classify(focused.part_embeddings(x))
        torch.testing.assert_close(terms[f"classification_{view}"], focal(logits, places))
    for name in ("triplet", "divergence"):
        torch.testing.assert_close(terms[name], plain.objective(given)[name])


def test_views_in_another_order_diverge_alike() -> None:
    system = tiny().eval()
    satellite, drone = torch.randn(3, 3, 64, 64), torch.randn(3, 3, 64, 64)
    places, turned = torch.tensor([0, 1, 2]), torch.tensor([2, 0, 1])
    given = Batch({"satellite": satellite, "drone": drone}, {"satellite": places, "drone": places})
    moved = Batch(
        {"satellite": satellite, "drone": drone[turned]},
        {"satellite": places, "drone": places[turned]},
    )
    ours, other = system.objective(given), system.objective(moved)
    torch.testing.assert_close(ours["divergence"], other["divergence"])
    torch.testing.assert_close(ours["triplet"], other["triplet"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "netvlad"}, "Unknown head 'netvlad'. Choose one of: average"),
        ({"triplet": "semi"}, "Unknown triplet 'semi'"),
        ({"classification": "arc"}, "Unknown classification 'arc'. Choose one of: cross_entropy"),
        ({"regions": 3}, "head='average' has one part"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create("denseuav", **options)
