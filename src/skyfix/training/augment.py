"""Training transforms: what happens to an image between file and batch.

Parameters are those of the authors' scripts. Where they use a library of their own, ours stands in
with the same numbers. All randomness comes from torch's global generator.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor
from torchvision import transforms

from skyfix.systems.preprocess import Preprocess, fitted
from skyfix.systems.recipe import Augment
from skyfix.views import View

_Step = Callable[[Image.Image], Image.Image]
_JPEG_QUALITY = (90, 100)
_BLUR_PX, _SHARPER = (0.3, 1.5), (1.5, 3.0)
# Sample4Geo's: squares of this share of a grid cell, or 10 to 25 of 0.1 to 0.2 of the side.
_GRID_CELLS, _GRID_SHARE = 10, {"satellite": 0.4, "drone": 0.5, "ground": 0.5}
_HOLES, _HOLE_SIDE = (10, 25), (0.1, 0.2)
# CVM-Net cuts to a side of 1 to 748 px out of 750, and only where that is above 512.
_ZOOM_SIDE = (512 / 750, 748 / 750)
_ERASED_LEAST, _ERASED_RATIO = 0.02, (0.3, 1 / 0.3)


@dataclass(frozen=True)
class Joint:
    """What both images of a pair share.

    Attributes:
        mirrored: both are mirrored horizontally.
        quarter_turns: counter-clockwise ones of the satellite image; the panorama rolls along.
    """

    mirrored: bool = False
    quarter_turns: int = 0


def draw_joint(augment: Augment, generator: np.random.Generator) -> Joint:
    """Draw for one pair."""
    mirrored = bool(generator.random() < augment.joint_flip)
    turns = int(generator.integers(4)) if augment.quarter_turns == "joint" else 0
    return Joint(mirrored, turns)


class Augmentation:
    """Augments images of one view.

    Args:
        view: of the images.
        augment: what may happen.
        preprocess: size that images are brought to.
    """

    def __init__(self, view: View, augment: Augment, preprocess: Preprocess) -> None:
        self._view, self._augment, self._preprocess = view, augment, preprocess
        self._before, self._after = self._original_steps(), self._fitted_steps()
        self._crop = self._crop_steps()
        satellite = view == "satellite"
        erasing = augment.satellite_erasing if satellite else augment.photo_erasing
        mean = [round(255 * value) for value in preprocess.mean]
        self._erase = transforms.RandomErasing(
            erasing, (_ERASED_LEAST, augment.erased), _ERASED_RATIO, mean
        )

    def __call__(self, image: Image.Image, joint: Joint) -> Tensor:
        """An augmented image at the network's size, uint8 ``(3, h, w)``."""
        image = self._before(image.convert("RGB"))
        image = self._after(fitted(image, self._preprocess))
        image = self._crop(_together(image, self._view, joint))
        return self._erase(torch.from_numpy(np.array(image)).permute(2, 0, 1))

    def _original_steps(self) -> transforms.Compose:
        if self._view == "satellite":
            return _chosen((self._augment.satellite_zoom, _zoomed))
        return _chosen((self._augment.photo_turn, _turned_inside))

    def _fitted_steps(self) -> transforms.Compose:
        augment, photo = self._augment, self._view != "satellite"
        jitter = transforms.ColorJitter(
            *(augment.photo_jitter if photo else augment.satellite_jitter)
        )
        policy = transforms.AutoAugment(transforms.AutoAugmentPolicy.IMAGENET)
        aslant = transforms.RandomPerspective(p=1.0)
        turned = augment.quarter_turns == ("photo" if photo else "satellite")
        return _chosen(
            (augment.photo_policy if photo else 0.0, policy),
            (augment.jpeg, _compressed),
            (augment.jitter, jitter),
            (augment.blur, _blurred_or_sharpened),
            (augment.dropped_patches, self._with_holes),
            (1.0 if turned else 0.0, _any_quarter),
            (augment.photo_perspective if photo else 0.0, aslant),
        )

    def _crop_steps(self) -> transforms.Compose:
        augment, satellite = self._augment, self._view == "satellite"
        steps: list[_Step] = []
        if augment.pad_px:
            steps.append(transforms.Pad(augment.pad_px, padding_mode="edge"))
        if satellite and augment.satellite_rotation_deg:
            steps.append(transforms.RandomAffine(augment.satellite_rotation_deg))
        if augment.pad_px:
            steps.append(transforms.RandomCrop(list(self._preprocess.input_px)))
        if satellite or augment.flipped == "all":
            steps.append(transforms.RandomHorizontalFlip(augment.flip))
        return transforms.Compose(steps)

    def _with_holes(self, image: Image.Image) -> Image.Image:
        samples = np.array(image)
        height, width = samples.shape[:2]
        if _uniform(0, 1) < 0.5:
            cell = max(2, min(height, width) // _GRID_CELLS)
            black = np.arange(max(height, width)) % cell < round(_GRID_SHARE[self._view] * cell)
            samples[np.ix_(black[:height], black[:width])] = 0
            return Image.fromarray(samples)
        for _ in range(round(_uniform(*_HOLES))):
            tall, wide = (max(1, round(_uniform(*_HOLE_SIDE) * side)) for side in (height, width))
            top, left = (round(_uniform(0, side)) for side in (height - tall, width - wide))
            samples[top : top + tall, left : left + wide] = 0
        return Image.fromarray(samples)


def _chosen(*steps: tuple[float, _Step]) -> transforms.Compose:
    return transforms.Compose([transforms.RandomApply([step], p) for p, step in steps if p > 0])


def _uniform(least: float, most: float) -> float:
    return least + (most - least) * float(torch.rand(()))


def _together(image: Image.Image, view: View, joint: Joint) -> Image.Image:
    """Mirror and turn an image as its partner is."""
    if not (joint.mirrored or joint.quarter_turns):
        return image
    samples = np.asarray(image)
    if joint.mirrored:
        samples = samples[:, ::-1]
    if view == "satellite":
        samples = np.rot90(samples, joint.quarter_turns)
    elif joint.quarter_turns:
        # North moves from the top to the left: what lay ahead comes a quarter earlier.
        samples = np.roll(samples, -joint.quarter_turns * samples.shape[1] // 4, axis=1)
    return Image.fromarray(np.ascontiguousarray(samples))


def _any_quarter(image: Image.Image) -> Image.Image:
    turns = int(torch.randint(4, ()))
    return Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(image), turns)))


def _zoomed(image: Image.Image) -> Image.Image:
    side = _uniform(*_ZOOM_SIDE)
    size = (max(1, round(side * image.height)), max(1, round(side * image.width)))
    return transforms.functional.center_crop(image, list(size))


def _turned_inside(image: Image.Image) -> Image.Image:
    angle = int(torch.randint(360, ()))
    side = max(1, math.floor(min(image.size) / math.sqrt(2)))
    turned = image.rotate(angle, Image.Resampling.BICUBIC)
    return transforms.functional.center_crop(turned, [side, side])


def _compressed(image: Image.Image) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=round(_uniform(*_JPEG_QUALITY)))
    return Image.open(stored).convert("RGB")


def _blurred_or_sharpened(image: Image.Image) -> Image.Image:
    if _uniform(0, 1) < 0.5:
        return image.filter(ImageFilter.GaussianBlur(_uniform(*_BLUR_PX)))
    return ImageEnhance.Sharpness(image).enhance(_uniform(*_SHARPER))
