"""What every registered system promises."""

from pathlib import Path

import pytest
import torch

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.layers.descriptors import part_cosines
from skyfix.systems.registry import takes_places
from skyfix.systems.system import Batch, System
from skyfix.views import View

TINY = {"backbone": "tf_efficientnet_lite0", "input_px": 128}
TINY_PANORAMA = {"ground_height_px": 56, "ground_width_px": 152}
OTHERWISE_TINY = {
    "cvft": {"satellite_px": 64, **TINY_PANORAMA},
    "cvm_net": {"satellite_px": 64, "clusters": 4, "width": 32, **TINY_PANORAMA},
    "denseuav": {"backbone": "test_vit", "input_px": 128},
    "fsra": {"backbone": "test_vit", "input_px": 128},
    "mbf": {"backbone": "vit_small_r26_s32_224", "input_px": 128},
    "safa": {"polar_px": 64, **TINY_PANORAMA},
}
"""Options of the systems that do not take those of ``TINY``."""


def trainable_names() -> list[str]:
    return [name for name in systems.names() if name != "imagenet"]


def tiny(name: str, **options: object) -> System:
    torch.manual_seed(0)
    places = {"places": 5} if takes_places(name) else {}
    return systems.create(name, **{**OTHERWISE_TINY.get(name, TINY), **places, **options})


def some_images(system: System, count: int, view: View) -> torch.Tensor:
    return torch.randn(count, 3, *system.preprocess[view].input_px)


@pytest.mark.parametrize("name", systems.names())
def test_descriptors_are_unit_rows_whatever_the_batch(name: str) -> None:
    system = tiny(name).eval()
    for view in system.views:
        images = some_images(system, 3, view)
        with torch.inference_mode():
            together = system.embed(images, view)
            alone = system.embed(images[1:2], view)
        assert together.shape == (3, system.descriptor_dim)
        torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
        torch.testing.assert_close(alone[0], together[1], rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", systems.names())
def test_parts_are_shown_as_maps_and_compared_one_by_one(name: str) -> None:
    system = tiny(name).eval()
    for view in system.views:
        images = some_images(system, 2, view)
        with torch.inference_mode():
            shape = system.feature_map(images, view).shape
            maps = system.part_maps(images, view)
            first, second = system.embed(images, view).split(1)
        assert len(maps) in (1, system.descriptor_parts)
        for part in maps.values():
            assert part.shape == (2, *shape[2:])
            assert part.isfinite().all()
            assert part.min() >= 0
            assert (part.amax(dim=(1, 2)) > 0).all()
        cosines = part_cosines(first, second, system.descriptor_parts)
        torch.testing.assert_close(cosines.mean(), (first * second).sum())
        itself = part_cosines(first, first, system.descriptor_parts)
        torch.testing.assert_close(itself, torch.ones(1, system.descriptor_parts))


@pytest.mark.parametrize("name", ["fsra", "safa", "sdpl", "skyfix_s"])
def test_objectives_can_be_traced_for_compilation(name: str) -> None:
    system = tiny(name).train()
    batch = Batch(
        {view: some_images(system, 3, view) for view in system.views},
        {view: torch.arange(3) for view in system.views},
    )
    totals = []
    for compiled in (False, True):
        if compiled:
            system.compile(dynamic=False, backend="eager")
        torch.manual_seed(0)
        totals.append(system(batch)["total"].item())
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


@pytest.mark.parametrize("name", ["lpn", "fsra"])
def test_rings_and_groups_share_the_map_among_them(name: str) -> None:
    system = tiny(name).eval()
    images = some_images(system, 2, "drone")
    with torch.inference_mode():
        whole = system.feature_map(images, "drone").norm(dim=1)
        maps = {**system.part_maps(images, "drone")}
    maps.pop("class token", None)
    stacked = torch.stack(list(maps.values()))
    assert ((stacked > 0).sum(dim=0) == 1).all()
    torch.testing.assert_close(stacked.sum(dim=0), whole)


def test_the_first_ring_lies_in_the_centre() -> None:
    system = tiny("lpn").eval()
    with torch.inference_mode():
        maps = system.part_maps(some_images(system, 1, "drone"), "drone")
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[3:5, 3:5] = True
    assert torch.equal(maps["ring 1"][0] > 0, inside)


@pytest.mark.parametrize("name", trainable_names())
def test_gradients_reach_every_parameter(name: str) -> None:
    system = tiny(name).train()
    labels = torch.tensor([0, 1, 2, 4])
    images = {view: some_images(system, 4, view) for view in system.views}
    terms = system(Batch(images, dict.fromkeys(system.views, labels)))
    parts = sum(value for key, value in terms.items() if key != "total")
    torch.testing.assert_close(terms["total"], parts)
    terms["total"].backward()
    trained = [(key, p) for key, p in system.named_parameters() if p.requires_grad]
    assert [key for key, parameter in trained if parameter.grad is None] == []


@pytest.mark.parametrize("name", systems.names())
def test_saved_and_loaded_systems_are_equal(name: str, tmp_path: Path) -> None:
    system = tiny(name).eval()
    systems.save(system, tmp_path / "run")
    loaded = systems.load(tmp_path / "run")
    images = some_images(system, 2, "satellite")
    with torch.inference_mode():
        before, after = (s.embed(images, "satellite") for s in (system, loaded))
    assert torch.equal(before, after)
    assert systems.identity(system) == systems.identity(loaded)
    assert loaded.preprocess == system.preprocess
    assert loaded.options == system.options


@pytest.mark.parametrize(
    "backbone", ["vit_small_patch16_224", "swinv2_base_window16_256", "resnet50"]
)
def test_every_backbone_gives_a_stride_16_map(backbone: str) -> None:
    system = systems.create("sdpl", backbone=backbone, places=2, input_px=128).eval()
    with torch.inference_mode():
        assert system.backbone(torch.randn(1, 3, 128, 128)).shape[2:] == (8, 8)
        assert system.embed(torch.randn(1, 3, 128, 128), "drone").shape == (1, 5120)


def test_released_sdpl_differs_from_the_papers() -> None:
    images = torch.randn(1, 3, 256, 256)
    paper, released = (tiny("sdpl", variant=variant).eval() for variant in ("paper", "released"))
    released.load_state_dict(paper.state_dict())
    with torch.inference_mode():
        difference = paper.embed(images, "drone") - released.embed(images, "drone")
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sdlp", {}, "Unknown system 'sdlp'. Choose one of: .*sdpl"),
        ("sdpl", {"ring": 3}, "sdpl has no option 'ring'"),
        ("sdpl", {"rings": "4"}, "rings must be of type int"),
        ("sdpl", {"variant": "both"}, "Unknown variant"),
        ("sdpl", {"variant": "released", "rings": 3}, "is fixed to 4 rings"),
        ("sdpl", {"places": 0}, "at least one place"),
        ("sdpl", {"backbone": "resnet5000"}, "Unknown backbone"),
        ("lpn", {"input_px": 8}, "at least 16"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.create(name, **options)


def damaged(folder: Path, how: str) -> Path:
    system = tiny("instance")
    systems.save(system, folder)
    weights = folder / "model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif how == "missing":
        weights.unlink()
    elif how == "foreign":
        systems.save(tiny("lpn"), folder / "other")
        weights.write_bytes((folder / "other" / "model.safetensors").read_bytes())
    elif how == "description":
        (folder / "system.json").write_text("{}")
    elif how == "none":
        (folder / "system.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "Damaged or truncated weights"),
        ("missing", "Incomplete checkpoint"),
        ("foreign", "does not hold the weights of instance"),
        ("description", "Damaged checkpoint description"),
        ("none", "Not a checkpoint folder"),
    ],
)
def test_damaged_checkpoints_are_named(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        systems.load(damaged(tmp_path, how))


def test_names_without_weights_are_explained() -> None:
    with pytest.raises(SkyfixError, match="sdpl has no built-in weights"):
        systems.load("sdpl")
    with pytest.raises(SkyfixError, match="No checkpoint folder at nowhere"):
        systems.load("nowhere")


def test_author_checkpoints_with_code_or_of_another_system_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "code.pth"
    torch.save({"weights": Path("/tmp")}, path)
    with pytest.raises(SkyfixError, match=r"Cannot load .* as plain tensors"):
        systems.load_author_checkpoint("sdpl", path)
    torch.save({"classifier.add_block.0.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(SkyfixError, match=r"has shape \(3, 3\)|not a checkpoint of"):
        systems.load_author_checkpoint("instance", path)
    torch.save({"other": torch.zeros(3)}, path)
    with pytest.raises(SkyfixError, match="is not a checkpoint of lpn"):
        systems.load_author_checkpoint("lpn", path)
