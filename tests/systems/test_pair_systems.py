"""Sample4Geo and its descendants: parity with the authors' code, and what options do."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.losses.info_nce import info_nce, weighted_info_nce
from skyfix.losses.semihard_triplet import semihard_triplet
from skyfix.systems.aligned_system import AlignedSystem
from skyfix.systems.camp import CAMP
from skyfix.systems.pair_system import PairSystem
from skyfix.systems.preprocess import prepared
from skyfix.systems.system import Batch, System

TINY = {"backbone": "tf_efficientnet_lite0", "input_px": 128}
CASES: dict[str, dict] = {
    "sample4geo/small": {},
    "sample4geo/paper": {},
    "dac/small": {},
    "mean/small": {},
    "camp/paper": {"cross_weight": 1.0},
    "game4loc/small": {"input_px": 96},
    "game4loc/paper": {},
}
# The bias before a softmax has no gradient; what is left of it is rounding.
NO_GRADIENT = 1e-8


@dataclass(frozen=True)
class Authors:
    """A system with the fixture's weights, and what the authors' code made of them."""

    system: PairSystem
    case: dict
    arrays: Mapping[str, np.ndarray]
    images: dict[str, Tensor]

    def check(self, name: str, ours: Tensor) -> None:
        expected = torch.from_numpy(self.arrays[name])
        tolerance = self.case["tolerance"]["per_array_atol"][name]
        torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=CASES)
def authors(
    request: pytest.FixtureRequest,
    load_golden: Callable,
    fill_global: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Authors]:
    case, arrays = load_golden(request.param)
    state = fill_global.make_state(case["spec"], case["salt"], "torch", case["overrides"])
    path = tmp_path_factory.mktemp("authors") / "authors.pth"
    torch.save({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}, path)
    system = systems.load_author_checkpoint(case["system"], path, **CASES[request.param])
    path.unlink()
    assert isinstance(system, PairSystem)
    images = {
        side: torch.from_numpy(fill_global.image(name, shape))
        for side, (_, name, shape) in case["inputs"].items()
    }
    yield Authors(system, case, arrays, images)


@pytest.mark.slow
def test_vectors_and_maps_equal_the_authors(authors: Authors) -> None:
    system = authors.system.eval()
    with torch.inference_mode():
        for side, images in authors.images.items():
            feature_map, vector = system.backbone.map_and_vector(images)
            authors.check(side, vector)
            expected = F.normalize(torch.from_numpy(authors.arrays[side]))
            torch.testing.assert_close(F.normalize(vector), expected, rtol=0, atol=2e-6)
            if isinstance(system, CAMP):
                positioned = system.positioned(feature_map)
                authors.check(f"{side}_map", positioned[:, ::16, ::3, ::3])
            if isinstance(system, AlignedSystem):
                authors.check(f"{side}_map", feature_map[:, ::8])
                authors.check(f"{side}_train_align", system.aligned_map(feature_map)[:, ::8])
                logits = system.branch_logits(feature_map, vector)
                for branch, ours in enumerate(logits.unbind(dim=1)):
                    authors.check(f"{side}_train_logits{branch}", ours)


@pytest.mark.slow
def test_a_training_step_equals_the_authors(authors: Authors) -> None:
    expected = authors.case.get("train_step")
    if expected is None:
        pytest.skip("the fixture has no training step")
    system = as_trained_by_the_fixture(authors.system)
    labels = torch.tensor(expected["labels"])
    images = dict(zip(("satellite", "drone"), authors.images.values(), strict=True))
    terms = system.objective(Batch(images, {"satellite": labels, "drone": labels}))
    cross = terms.pop("cross_groups", torch.zeros(()))
    total = terms["total"] - cross
    total.backward()
    assert total.item() == pytest.approx(expected["loss"], rel=1e-5)
    for name, value in expected["parts"].items():
        factor, ours = weighted_part(name, system)
        found = cross if ours == "cross_groups" else terms[ours]
        assert found.item() == pytest.approx(factor * value, rel=1e-5), name
    for key, norm in expected["grad_norms"].items():
        ours = gradient(system, key).norm().item()
        assert ours == pytest.approx(norm, rel=2e-3, abs=NO_GRADIENT), key
    squares = sum((p.grad**2).sum() for p in system.parameters() if p.grad is not None)
    assert squares.sqrt().item() == pytest.approx(expected["grad_norm_total"], rel=2e-3)


def as_trained_by_the_fixture(system: PairSystem) -> PairSystem:
    """Training mode, but without dropout and with the batch norms' running statistics."""
    system.train()
    for module in system.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.eval()
    return system


def weighted_part(name: str, system: System) -> tuple[float, str]:
    """The factor and our name of one of the authors' loss terms."""
    if isinstance(system, CAMP):
        balance = system.balance.item()
        return {
            "infonce": (1.0, "info_nce"),
            "sat_self_blocks": (0.5 * balance, "satellite_self"),
            "drone_self_blocks": (0.5 / balance, "other_self"),
            "cross_blocks_mse": (1.0, "cross_groups"),
        }[name]
    return {
        "infonce": (1.0, "info_nce"),
        "cls": (0.1, "classification"),
        "align": ({"dac": 0.6, "mean": 1.3}.get(system.name, 0.0), "alignment"),
    }[name]


def gradient(system: System, author_key: str) -> Tensor:
    target = system.author_key(author_key)
    assert target is not None
    name, part = target
    stacked = system.get_parameter(name).grad
    assert stacked is not None
    if part is None:
        return stacked
    assert isinstance(system, AlignedSystem)
    return stacked.reshape(3, -1)[part]


def batch_of(rows: int, size: int = 128) -> Batch:
    labels = torch.arange(rows)
    images = {view: torch.randn(rows, 3, size, size) for view in ("satellite", "drone")}
    return Batch(images, {"satellite": labels, "drone": labels})


@pytest.mark.parametrize("name", ["sample4geo", "dac", "mean", "camp", "game4loc"])
def test_the_descriptor_is_the_pooled_vector_without_mirroring(name: str) -> None:
    torch.manual_seed(0)
    system = systems.create(name, **TINY).eval()
    assert isinstance(system, PairSystem)
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        feature_map, vector = system.backbone.map_and_vector(images)
        assert feature_map.shape == (2, system.descriptor_dim, 4, 4)
        torch.testing.assert_close(vector, feature_map.mean(dim=(2, 3)))
        torch.testing.assert_close(system.embed(images, "drone"), F.normalize(vector))


def test_images_are_resized_as_by_the_authors() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    preprocess = systems.create("sample4geo", **TINY).preprocess["drone"]
    ours = prepared(Image.fromarray(pixels), preprocess).permute(1, 2, 0).numpy()
    authors = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_LINEAR_EXACT)
    assert np.array_equal(ours, authors)


def test_ground_panoramas_have_a_size_of_their_own() -> None:
    system = systems.create("sample4geo", backbone="tf_efficientnet_lite0").eval()
    assert system.preprocess["ground"].input_px == (140, 768)
    assert system.preprocess["satellite"].input_px == (384, 384)
    with torch.inference_mode():
        assert system.embed(torch.randn(1, 3, 140, 768), "ground").shape == (1, 1280)


def test_overlaps_weight_game4loc() -> None:
    torch.manual_seed(0)
    system = systems.create("game4loc", **TINY).eval()
    assert isinstance(system, PairSystem)
    batch = batch_of(4)
    overlaps = torch.tensor([0.1, 0.4, 0.7, 1.0])
    weighted = Batch(batch.images, batch.places, overlaps)
    vectors = [system.backbone.vector(batch.images[view]) for view in ("satellite", "drone")]
    expected = weighted_info_nce(*vectors, 1 / 0.07, overlaps)
    assert system.objective(weighted)["total"].item() == pytest.approx(expected.item(), rel=1e-5)
    expected = info_nce(*vectors, 1 / 0.07, smoothing=0.1)
    assert system.objective(batch)["total"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_game4loc_with_triplets_compares_both_views_together() -> None:
    torch.manual_seed(0)
    system = systems.create("game4loc", **TINY, loss="triplet").eval()
    images = {view: torch.randn(4, 3, 128, 128) for view in ("drone", "satellite")}
    # Two pairs of one place are no negatives of each other.
    places = torch.tensor([2, 0, 2, 1])
    overlaps = torch.ones(4)
    given = Batch(images, dict.fromkeys(images, places), overlaps)
    terms = system.objective(given)
    assert isinstance(system, PairSystem)
    rows = torch.cat([system.backbone.vector(images[view]) for view in ("satellite", "drone")])
    expected = semihard_triplet(rows, torch.cat([places, places]))
    assert expected > 0
    torch.testing.assert_close(terms["triplet"], expected)
    assert set(terms) == {"triplet", "total"}
    assert terms["total"] == terms["triplet"]


def test_camps_positions_fit_other_sizes() -> None:
    system = systems.create("camp", **TINY)
    assert isinstance(system, CAMP)
    nn.init.ones_(system.positions)
    zeros = torch.zeros(1, system.descriptor_dim, 5, 7)
    torch.testing.assert_close(system.positioned(zeros), torch.full_like(zeros, 0.6))


def test_camps_balance_stays_within_bounds() -> None:
    torch.manual_seed(0)
    system = systems.create("camp", **TINY).eval()
    assert isinstance(system, CAMP)
    nn.init.constant_(system.balance, -1.0)
    terms = system.objective(batch_of(3))
    assert all(math.isfinite(term.item()) and term > 0 for term in terms.values())


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (Batch({"drone": torch.zeros(2, 3, 128, 128)}, {}), "Pairs need satellite images"),
        (
            Batch({"satellite": torch.zeros(2, 3, 8, 8), "drone": torch.zeros(4, 3, 8, 8)}, {}),
            "2 satellite images and 4 of the other view are no pairs",
        ),
    ],
)
def test_images_that_are_no_pairs_are_refused(batch: Batch, message: str) -> None:
    system = systems.create("sample4geo", **TINY)
    with pytest.raises(SkyfixError, match=message):
        system.objective(batch)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sample4geo", {"input_px": 16}, "at least 32, not 16"),
        ("dac", {"places": 0}, "dac needs at least one place"),
        ("camp", {"backbone": "convnext_huge"}, "Unknown backbone"),
        ("game4loc", {"loss": "hinge"}, "Unknown loss 'hinge'. Choose one of: info_nce, triplet"),
    ],
)
def test_unfit_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create(name, **options)


def test_learning_rates_are_one_for_all() -> None:
    system = systems.create("dac", **TINY, places=3)
    assert {group["lr"] for group in system.parameter_groups()} == {1e-3}
