"""FSRA: patch tokens grouped by how strongly they respond, one classifier per group."""

import re

import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers
from skyfix.layers.heat_groups import grouped_answers, heat_groups
from skyfix.layers.old_vit import OLD_VIT_SMALL
from skyfix.losses.triplet import cross_view_triplet
from skyfix.systems.branch_system import CLASS_TOKEN, NORM_SPREAD, BranchSystem
from skyfix.systems.part_system import head_key
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View


@register
class FSRA(BranchSystem):
    """Feature segmentation and region alignment.

    Args:
        backbone: name of a timm ViT. The paper's "ViT-S" is the one of ``layers.old_vit``; today's
            ``vit_small_patch16_224`` makes another, lighter system.
        places: number of training places.
        input_px: side of the input, a multiple of 16; 256 in the paper.
        dropout: before each classifier.
        regions: number of token groups k; the class token is one part more. 0 leaves it alone,
            which the authors call k = 1.
        margin: of the cross-view triplet loss.

    Raises:
        SkyfixError: fewer than 0 regions.
    """

    name = "fsra"
    citation = Citation(
        title="A Transformer-Based Feature Segmentation and Region Alignment Method for UAV-View "
        "Geo-Localization",
        authors="Dai, Hu, Zhuang, Zheng",
        venue="IEEE TCSVT",
        year=2021,
        code="Dmmm1997/FSRA",
        code_licence="none",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.01, backbone_scale=0.3),
        schedule=Schedule(kind="multistep", epochs=120, milestones=(70, 110), decay=0.1),
        augment=Augment(pad_px=0),
        sampler=Sampler(pairing="places", batch_size=8),
    )
    """The authors' command."""

    def __init__(
        self,
        backbone: str = OLD_VIT_SMALL,
        places: int = 701,
        input_px: int = 256,
        dropout: float = 0.5,
        regions: int = 3,
        margin: float = 0.3,
    ) -> None:
        if regions < 0:
            raise SkyfixError(f"The number of regions must be 0 or more, not {regions}.")
        super().__init__(
            backbone,
            places,
            input_px,
            dropout,
            parts=regions + 1,
            norm_spread=NORM_SPREAD,
            imagenet_colours=True,
        )
        self.regions, self.margin = regions, margin

    def features(self, images: Tensor) -> Tensor:
        """Class token and patch tokens, ``(N, 1 + P, C)``."""
        return self.backbone.tokens(images)

    def pool(self, features: Tensor) -> Tensor:
        """Groups, the hottest first, then the class token: ``(N, k + 1, C)``."""
        if not self.regions:
            return features[:, :1]
        groups = heat_groups(features[:, 1:], self.regions)
        return torch.cat([groups, features[:, :1]], dim=1)

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``; the class token stands for the whole map."""
        feature_map = self.feature_map(images, view)
        return {**grouped_answers(feature_map, self.regions), CLASS_TOKEN: answers(feature_map)}

    def pair_loss(self, satellite: Tensor, drone: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-view triplet loss."""
        return cross_view_triplet(satellite, drone, *places, margin=self.margin)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``; ``fc`` is never used."""
        if key.startswith("model_1.transformer.") and ".fc." not in key:
            return key.replace("model_1.transformer.", "backbone.net."), None
        found = re.fullmatch(r"model_1\.classifier(1|_heat(\d+))\.(.+)", key)
        if found is None:
            return None
        part = int(found[2]) - 1 if found[2] else self.regions
        return head_key(found[3], part)
