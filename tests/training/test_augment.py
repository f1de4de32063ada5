"""Training transforms: what a pair shares, and what each setting does to an image."""

import numpy as np
import pytest
import torch
from PIL import Image

from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment
from skyfix.training.augment import Augmentation, Joint, draw_joint
from skyfix.views import View

SIZE = (32, 32)
PLAIN = Augment(pad_px=0, satellite_rotation_deg=0.0, flip=0.0)
APART = Joint()
SQUARE = Preprocess(SIZE, (0.5, 0.25, 0.75), (1.0,) * 3)


def picture(height: int = 32, width: int = 32) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    samples = np.stack([x * 255 // width, y * 255 // height, (x + y) % 2 * 90 + 80], axis=2)
    return Image.fromarray(samples.astype(np.uint8))


def augmented(view: View, joint: Joint = APART, seed: int = 0, **settings: object) -> torch.Tensor:
    torch.manual_seed(seed)
    augment = Augment(**{**vars(PLAIN), **settings})  # type: ignore[arg-type]
    return Augmentation(view, augment, SQUARE)(picture(), joint)


def original() -> torch.Tensor:
    return torch.from_numpy(np.array(picture())).permute(2, 0, 1)


def test_nothing_asked_for_leaves_the_image() -> None:
    for view in ("satellite", "drone", "ground"):
        assert torch.equal(augmented(view), original())


def test_a_pair_is_mirrored_together() -> None:
    for view in ("satellite", "drone", "ground"):
        assert torch.equal(augmented(view, Joint(mirrored=True)), original().flip(2))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_panorama_rolls_as_its_satellite_image_turns(turns: int) -> None:
    """What the tile shows at the top is what the panorama shows in the middle."""
    assert torch.equal(
        augmented("satellite", Joint(quarter_turns=turns)), original().rot90(turns, (1, 2))
    )
    panorama = augmented("ground", Joint(quarter_turns=turns))
    # Directions of a panorama from the left edge: south, west, north, east, south.
    middle = {1: 3, 2: 0, 3: 1}[turns]
    expected = original().roll(16, 2)[:, :, 8 * ((middle + 2) % 4) : 8 * ((middle + 2) % 4) + 8]
    assert torch.equal(panorama[:, :, 16:24], expected)


def test_pairs_are_drawn_as_often_as_asked() -> None:
    generator = np.random.default_rng(0)
    augment = Augment(joint_flip=0.25, quarter_turns="joint")
    drawn = [draw_joint(augment, generator) for _ in range(4000)]
    assert np.mean([joint.mirrored for joint in drawn]) == pytest.approx(0.25, abs=0.03)
    counts = np.bincount([joint.quarter_turns for joint in drawn], minlength=4)
    np.testing.assert_allclose(counts / 4000, 0.25, atol=0.03)
    assert draw_joint(PLAIN, generator) == Joint()


@pytest.mark.parametrize("view", ["satellite", "drone"])
def test_quarter_turns_of_one_view_leave_the_other(view: View) -> None:
    asked = "satellite" if view == "satellite" else "photo"
    turned = [augmented(view, seed=seed, quarter_turns=asked) for seed in range(24)]
    quarters = [original().rot90(turns, (1, 2)) for turns in range(4)]
    seen = {next(n for n, x in enumerate(quarters) if torch.equal(x, image)) for image in turned}
    assert seen == {0, 1, 2, 3}
    other: View = "drone" if view == "satellite" else "satellite"
    assert torch.equal(augmented(other, quarter_turns=asked), original())


@pytest.mark.parametrize(
    ("setting", "views"),
    [
        ("jitter", {"satellite", "drone"}),
        ("jpeg", {"satellite", "drone"}),
        ("blur", {"satellite", "drone"}),
        ("dropped_patches", {"satellite", "drone"}),
        ("photo_policy", {"drone"}),
        ("photo_turn", {"drone"}),
        ("photo_perspective", {"drone"}),
        ("photo_erasing", {"drone"}),
        ("satellite_erasing", {"satellite"}),
        ("satellite_zoom", {"satellite"}),
        ("flip", {"satellite", "drone"}),
    ],
)
def test_each_setting_changes_the_views_it_is_for(setting: str, views: set[str]) -> None:
    for view in ("satellite", "drone"):
        images = [augmented(view, seed=seed, **{setting: 1.0}) for seed in range(8)]
        changed = [not torch.equal(image, original()) for image in images]
        assert any(changed) == (view in views)
        assert all(image.shape == (3, *SIZE) and image.dtype == torch.uint8 for image in images)
        assert torch.equal(augmented(view, seed=3, **{setting: 1.0}), images[3])


def test_photos_can_be_left_unmirrored() -> None:
    assert torch.equal(augmented("drone", flip=1.0, flipped="satellite"), original())
    assert torch.equal(augmented("satellite", flip=1.0, flipped="satellite"), original().flip(2))


def test_what_is_erased_becomes_the_mean_colour() -> None:
    image = augmented("drone", photo_erasing=1.0)
    erased = (image != original()).any(dim=0)
    assert 0 < erased.float().mean() <= 0.4
    assert image[:, erased].unique(dim=1).flatten().tolist() == [128, 64, 191]


def test_dropped_patches_are_black_and_leave_most() -> None:
    shares = []
    for seed in range(20):
        changed = (augmented("drone", seed=seed, dropped_patches=1.0) == 0).all(dim=0)
        shares.append(changed.float().mean().item())
    assert min(shares) > 0.05
    assert max(shares) < 0.6
