"""What Sample4Geo and its descendants have in common: one encoder, InfoNCE between views."""

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone, load_weights
from skyfix.losses.info_nce import info_nce
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.system import Batch, System
from skyfix.views import VIEWS, View

LABEL_SMOOTHING = 0.1
STRIDE: Literal[32] = 32
_TEMPERATURE = 0.07

# The authors' epoch runs over all pairs of University-1652; each place has 54 drone images.
_EPOCH = 54


def pair_recipe(batch_size: int, epochs: int = 1, warmup_epochs: float = 0.1) -> Recipe:
    """AdamW at 1e-3 with a cosine, one rate for all, as Sample4Geo for University-1652.

    Args:
        batch_size: pairs.
        epochs: of the authors, each 54 of the recipe's.
        warmup_epochs: likewise.

    Images get colour jitter, JPEG noise, blur and dropped patches; both views are mirrored together
    and the satellite image turns by quarters.
    """
    return Recipe(
        optim=Optim(kind="adamw", lr=1e-3, backbone_scale=1.0, weight_decay=0.01, clip_value=100),
        schedule=Schedule(
            kind="cosine", epochs=epochs * _EPOCH, warmup_epochs=warmup_epochs * _EPOCH
        ),
        augment=Augment(
            pad_px=0,
            satellite_rotation_deg=0.0,
            flip=0.0,
            joint_flip=0.5,
            quarter_turns="satellite",
            jitter=0.5,
            jpeg=0.5,
            blur=0.3,
            dropped_patches=0.3,
        ),
        sampler=Sampler(pairing="places", batch_size=batch_size),
    )


class LearnedScale(nn.Module):
    """A learned factor on cosines, 1 / 0.07 at first (Radford et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(-math.log(_TEMPERATURE)))

    def forward(self) -> Tensor:
        """The factor, a scalar."""
        return self.log.exp()


class OneEncoder(System):
    """Base of systems whose views share one backbone and that train all else as the head."""

    backbone: Backbone

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """See ``System.feature_map``."""
        return self.backbone(images)

    def load_backbone(self, weights: str | Path) -> None:
        """Fill the backbone (see ``layers.backbone.load_weights``)."""
        load_weights(self.backbone, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """All that is not the backbone."""
        return [
            parameter
            for name, parameter in self.named_parameters()
            if not name.startswith("backbone.")
        ]


class PairSystem(OneEncoder):
    """One encoder for all views; its own pooled vector is the descriptor, without mirroring.

    Args:
        backbone: name of a timm network.
        input_px: side of the square input in px.

    Raises:
        SkyfixError: unknown backbone, or an input that is too small.
    """

    paper_recipe = pair_recipe(128)
    any_photo = True

    def __init__(self, backbone: str, input_px: int) -> None:
        if input_px < STRIDE:
            raise SkyfixError(f"input_px must be at least {STRIDE}, not {input_px}.")
        size = (input_px, input_px)
        network = Backbone(backbone, size, STRIDE)
        preprocess = Preprocess(size, network.mean, network.std, interpolation="linear")
        super().__init__(preprocess, network.channels)
        self.backbone, self.scale = network, LearnedScale()

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``; all views share the network."""
        return F.normalize(self.backbone.vector(images))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE between the satellite images and the other view's, row by row."""
        first, second = (self.backbone.vector(images) for images in paired(batch))
        loss = self.info_nce(first, second)
        return {"info_nce": loss, "total": loss}

    def info_nce(self, first: Tensor, second: Tensor) -> Tensor:
        """InfoNCE of paired vectors ``(N, D)`` at the learned scale."""
        return info_nce(first, second, self.scale(), LABEL_SMOOTHING)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key == "logit_scale":
            return "scale.log", None
        return key.replace("model.", "backbone.net.", 1), None


def paired(batch: Batch) -> tuple[Tensor, Tensor]:
    """The satellite images and those of the other view, row i showing the same place.

    Raises:
        SkyfixError: not two views, or views of unequal length.
    """
    views = [view for view in VIEWS if view != "satellite" and view in batch.images]
    if "satellite" not in batch.images or len(views) != 1:
        raise SkyfixError(
            f"Pairs need satellite images and one other view, not {', '.join(batch.images)}."
        )
    satellite, other = batch.images["satellite"], batch.images[views[0]]
    if len(satellite) != len(other):
        raise SkyfixError(
            f"{len(satellite)} satellite images and {len(other)} of the other view are no pairs. "
            "Sample by places with --set sampler.pairing=places --set sampler.images_per_place=1."
        )
    return satellite, other
