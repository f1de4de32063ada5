"""The DenseUAV baseline: ViT tokens, classification, soft triplet and divergence of predictions."""

import re
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers, numbered, part_answers
from skyfix.layers.heat_groups import grouped_answers, heat_groups
from skyfix.layers.partition import square_rings
from skyfix.layers.pooling import average_parts
from skyfix.losses.focal import focal
from skyfix.losses.triplet import (
    batch_hard_triplet,
    cross_view_triplet,
    mean_negative_triplet,
    weighted_soft_triplet,
)
from skyfix.systems.branch_system import CLASS_TOKEN, NORM_SPREAD, BranchSystem
from skyfix.systems.part_system import head_key
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View

Head = Literal["average", "maximum", "average_maximum", "class", "gem", "fsra", "lpn"]
Classification = Literal["cross_entropy", "focal"]
Triplet = Literal["soft", "hardest", "mean_negative", "cross_view"]

_ONE_PART: dict[str, Callable[[Tensor], Tensor]] = {
    "average": lambda tokens: tokens[:, 1:].mean(dim=1),
    "maximum": lambda tokens: tokens[:, 1:].amax(dim=1),
    "average_maximum": lambda tokens: tokens[:, 1:].mean(dim=1) + tokens[:, 1:].amax(dim=1),
    "class": lambda tokens: tokens[:, 0],
}
_TRIPLETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "soft": weighted_soft_triplet,
    "hardest": batch_hard_triplet,
    "mean_negative": mean_negative_triplet,
}
_REGIONS = {"fsra": 3, "lpn": 4}
_GEM_EXPONENT = 3.0


@register
class DenseUAV(BranchSystem):
    """Baseline of the DenseUAV data set.

    Args:
        backbone: name of a timm ViT; the paper uses today's ViT-S/16.
        places: number of training places; 2,256 in DenseUAV.
        input_px: side of the input, a multiple of 16; 224 in the paper.
        dropout: before each classifier.
        head: how tokens become parts. One part: ``average`` (the paper), ``maximum``,
            ``average_maximum`` (their sum) of the patch tokens, the ``class`` token, or ``gem``,
            a sum of the patch tokens with learned weights. Several: the class token and FSRA's
            token groups (``fsra``) or LPN's square rings (``lpn``).
        regions: groups or rings of the heads that have several; 0 means 3 groups or 4 rings.
        triplet: ``soft`` is the paper's, weight 3; the others have margin 0.3: ``hardest`` and
            ``mean_negative`` over all images, ``cross_view`` as in FSRA.
        classification: ``cross_entropy`` (the paper) or ``focal`` (weight 0.25, exponent 2).

    Raises:
        SkyfixError: unknown head, triplet or classification, or regions for a head of one part.
    """

    name = "denseuav"
    citation = Citation(
        title="Vision-Based UAV Self-Positioning in Low-Altitude Urban Environments",
        authors="Dai et al.",
        venue="IEEE TIP",
        year=2023,
        code="Dmmm1997/DenseUAV",
        code_licence="Apache-2.0",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.01, backbone_scale=0.3),
        schedule=Schedule(kind="multistep", epochs=120, milestones=(70, 110), decay=0.1),
        augment=Augment(
            pad_px=0,
            satellite_rotation_deg=180.0,
            photo_turn=0.5,
            satellite_erasing=0.3,
            erased=0.3,
        ),
        sampler=Sampler(pairing="places", batch_size=16),
    )
    """The authors' command."""
    divergence = True

    def __init__(
        self,
        backbone: str = "vit_small_patch16_224",
        places: int = 2256,
        input_px: int = 224,
        dropout: float = 0.5,
        head: Head = "average",
        regions: int = 0,
        triplet: Triplet = "soft",
        classification: Classification = "cross_entropy",
    ) -> None:
        for option, value, choices in (
            ("head", head, Head),
            ("triplet", triplet, Triplet),
            ("classification", classification, Classification),
        ):
            if value not in get_args(choices):
                listed = ", ".join(get_args(choices))
                raise SkyfixError(f"Unknown {option} {value!r}. Choose one of: {listed}.")
        if regions < 0:
            raise SkyfixError(f"The number of regions must be 0 or more, not {regions}.")
        if regions and head not in _REGIONS:
            raise SkyfixError(f"head={head!r} has one part. Leave regions at 0, or choose fsra.")
        self.head, self.triplet, self.classification = head, triplet, classification
        self.regions = regions or _REGIONS.get(head, 0)
        super().__init__(
            backbone,
            places,
            input_px,
            dropout,
            parts=1 + self.regions,
            norm_spread=NORM_SPREAD,
            imagenet_colours=True,
        )
        if head == "gem":
            rows, columns = self.backbone.net.patch_embed.grid_size
            self.token_weights = nn.Parameter(torch.full((rows * columns,), _GEM_EXPONENT))

    def features(self, images: Tensor) -> Tensor:
        """Class token and patch tokens, ``(N, 1 + P, C)``."""
        return self.backbone.tokens(images)

    def pool(self, features: Tensor) -> Tensor:
        """Parts ``(N, K, C)``; of several, the class token comes first."""
        if self.head == "gem":
            weights = self.token_weights.softmax(dim=0)
            return (weights @ features[:, 1:]).unsqueeze(1)
        if self.head == "fsra":
            return torch.cat([features[:, :1], heat_groups(features[:, 1:], self.regions)], dim=1)
        if self.head == "lpn":
            feature_map = self.backbone.map_of(features)
            rings = square_rings(*feature_map.shape[-2:], self.regions)
            return torch.cat([features[:, :1], average_parts(feature_map, rings)], dim=1)
        return _ONE_PART[self.head](features).unsqueeze(1)

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``; the class token stands for the whole map."""
        if not self.regions:
            return super().part_maps(images, view)
        feature_map = self.feature_map(images, view)
        if self.head == "fsra":
            parts = grouped_answers(feature_map, self.regions)
        else:
            rings = square_rings(*feature_map.shape[-2:], self.regions)
            parts = part_answers(feature_map, rings, numbered("ring", self.regions))
        return {CLASS_TOKEN: answers(feature_map), **parts}

    def classification_loss(self, logits: Tensor, places: Tensor) -> Tensor:
        """The classification loss that was asked for."""
        if self.classification == "focal":
            return focal(logits, places)
        return super().classification_loss(logits, places)

    def pair_loss(self, satellite: Tensor, drone: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """The triplet loss that was asked for."""
        if self.triplet == "cross_view":
            return cross_view_triplet(satellite, drone, *places)
        return _TRIPLETS[self.triplet](torch.cat([satellite, drone], dim=1), torch.cat(places))

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key.startswith("backbone.backbone.") and ".head." not in key:
            return key.replace("backbone.backbone.", "backbone.net."), None
        if key == "head.head.pool.gem2.p":
            return "token_weights", None
        found = re.fullmatch(
            r"head\.head\.(?:classifier1?|global_classifier|classifier_(?:heat|lpn_)(\d+))\.(.+)",
            key,
        )
        return head_key(found[2], int(found[1] or 0)) if found else None
