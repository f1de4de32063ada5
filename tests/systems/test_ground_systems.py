"""Ground-to-satellite systems: parts, pairs, and what they refuse."""

from dataclasses import replace

import pytest
import torch

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone
from skyfix.losses.soft_margin import weighted_soft_margin
from skyfix.systems.lpn_ground import LPNGround
from skyfix.systems.system import Batch, System

PANORAMA = {"ground_height_px": 64, "ground_width_px": 64}
TINY = {
    "cvft": {"satellite_px": 128, **PANORAMA},
    "cvm_net": {"satellite_px": 64, "clusters": 4, "width": 32, **PANORAMA},
    "safa": {"polar_px": 64, **PANORAMA},
}
PARTS = {
    "cvft": ("cvft", {"rings": 2}, 2),
    "safa": ("safa", {"parts": 2}, 2),
    "safa, square": ("safa", {"parts": 2, "polar_px": 0, "satellite_px": 128}, 2),
}


def tiny(name: str, **options: object) -> System:
    torch.manual_seed(0)
    return systems.create(name, **{**TINY[name], "dropout": 0.0, **options})


def pairs(system: System, count: int) -> Batch:
    torch.manual_seed(1)
    images = {
        view: 50 * torch.randn(count, 3, *system.preprocess[view].input_px) for view in system.views
    }
    return Batch(images, dict.fromkeys(system.views, torch.arange(count)))


@pytest.mark.parametrize("case", PARTS)
def test_parts_are_trained_apart_and_laid_side_by_side(case: str) -> None:
    name, options, parts = PARTS[case]
    system = tiny(name, lpn=True, **options).eval()
    batch = pairs(system, 3)
    with torch.inference_mode():
        total = system.objective(batch)["total"]
        rows = {view: system.embed(batch.images[view], view) for view in system.views}
        vectors = {
            view: system.vectors(system.vgg[view](batch.images[view]), view)
            for view in system.views
        }
    for view in system.views:
        assert [part.norm(dim=1).allclose(torch.ones(3)) for part in vectors[view]] == [
            True
        ] * parts
        torch.testing.assert_close(rows[view], torch.cat(vectors[view], dim=1) / parts**0.5)
    losses = [
        weighted_soft_margin(*part, alpha=10.0)
        for part in zip(vectors["satellite"], vectors["ground"], strict=True)
    ]
    torch.testing.assert_close(total, torch.stack(losses).sum())


@pytest.mark.parametrize("name", TINY)
def test_training_brings_pairs_together(name: str) -> None:
    small = {"satellite_px": 64} if name == "cvft" else {}
    system = tiny(name, frozen_blocks=4, **small).train()
    batch = pairs(system, 4)
    trained = [parameter for parameter in system.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-4)
    losses = []
    for _ in range(5):
        total = system(batch)["total"]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 5e-4


def test_released_cvm_net_ii_keeps_its_lengths() -> None:
    released, paper = (
        tiny("cvm_net", network="II", variant=variant).eval() for variant in ("released", "paper")
    )
    paper.load_state_dict(released.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        raw, unit = (system.embed(images, "satellite") for system in (released, paper))
    assert (raw.norm(dim=1) - 1).abs().min() > 0.01
    torch.testing.assert_close(raw / raw.norm(dim=1, keepdim=True), unit)


@pytest.mark.parametrize(
    ("name", "options", "millions"),
    [
        ("cvft", {}, 30.29),
        ("cvm_net", {}, 163.8),
        ("cvm_net", {"network": "II"}, 166.9),
        ("safa", {}, 29.53),
    ],
)
def test_full_size_networks_have_as_many_parameters_as_the_authors(
    name: str, options: dict, millions: float
) -> None:
    with torch.device("meta"):
        system = systems.create(name, **options)
    count = sum(parameter.numel() for parameter in system.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


def test_unpaired_batches_are_refused() -> None:
    system = tiny("safa")
    batch = pairs(system, 3)
    places = {**batch.places, "ground": torch.tensor([0, 2, 1])}
    with pytest.raises(SkyfixError, match=r"is trained on pairs\. Set sampler\.pairing"):
        system.objective(replace(batch, places=places))


@pytest.mark.parametrize("name", TINY)
def test_drone_images_and_other_sizes_are_refused(name: str) -> None:
    system = tiny(name)
    with pytest.raises(SkyfixError, match=f"{name} describes satellite and ground images, not dro"):
        system.embed(torch.zeros(1, 3, *system.preprocess["drone"].input_px), "drone")
    with pytest.raises(SkyfixError, match="one input size a view"):
        system.with_input_px(64, 64)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cvm_net", {"network": "III"}, "Unknown network 'III'"),
        ("cvm_net", {"variant": "both"}, "Unknown variant 'both'"),
        ("cvm_net", {"satellite_px": 8}, "must have 16 px or more"),
        ("safa", {"squeeze": "sum"}, "Unknown squeeze 'sum'"),
        ("safa", {"heads": 0}, "at least one head"),
        ("safa", {"lpn": True, "parts": 9}, "cannot be cut into 9 strips"),
        ("cvft", {"lpn": True, "rings": 5}, "satellite_px of at least 320, not 128"),
        ("cvft", {"frozen_blocks": 7}, "frozen_blocks must be 0 to 5"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        tiny(name, **options)


def tiny_lpn(**options: object) -> LPNGround:
    small = {"backbone": "tf_efficientnet_lite0", "places": 3, "input_px": 128, "parts": 4}
    system = systems.create("lpn_ground", **{**small, **options})
    assert isinstance(system, LPNGround)
    return system


def test_lpn_compares_the_far_with_the_far() -> None:
    """A panorama's top row and a satellite image's rim come first, what is nearest last."""
    system = tiny_lpn()
    down = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 1, 8, 8)
    torch.testing.assert_close(system.pool(down, "ground").flatten(), down[0, 0, ::2, 0] + 0.5)
    rim = torch.zeros(1, 1, 8, 8)
    rim[..., 0, :] = 1
    assert system.pool(rim, "satellite").flatten().tolist() == [8 / 64, 0, 0, 0]
    columns = tiny_lpn(ground="columns", polar_px=64)
    across = down.transpose(2, 3)
    for view in columns.views:
        torch.testing.assert_close(columns.pool(across, view).flatten(), down[0, 0, ::2, 0] + 0.5)


def test_lpn_has_a_network_a_view_and_shared_heads() -> None:
    system = tiny_lpn().eval()
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        satellite, ground = (system.embed(images, view) for view in system.views)
    assert (satellite - ground).abs().max() > 1e-3
    with pytest.raises(SkyfixError, match="has networks for satellite and ground images only"):
        system.embed(images, "drone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ground": "rings"}, "Unknown strips 'rings'. Choose one of: rows, columns"),
        ({"stride": 8}, "stride must be 16 or 32, not 8"),
        ({"parts": 9}, "needs input_px of at least 144, not 128"),
        ({"places": 0}, "at least one place"),
    ],
)
def test_wrong_lpn_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        tiny_lpn(**options)


def test_vgg16_maps_have_their_own_stride() -> None:
    for stride, side in ((16, 4), (32, 2)):
        with torch.device("meta"):
            backbone = Backbone("vgg16_bn", (64, 64), stride)
            assert backbone(torch.randn(1, 3, 64, 64)).shape == (1, 512, side, side)
