"""MCCG: a ConvNeXt with two attention branches and a global one, a classifier on each."""

import torch
from torch import Tensor

from skyfix.layers.answers import answers
from skyfix.layers.triplet_attention import TripletAttention
from skyfix.losses.triplet import cross_view_triplet
from skyfix.systems.branch_system import NORM_SPREAD, BranchSystem
from skyfix.systems.convnext_names import BRANCHES, attention_key, timm_name
from skyfix.systems.part_system import head_key
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import WHOLE, Citation
from skyfix.views import View


@register
class MCCG(BranchSystem):
    """ConvNeXt-based multiple-classifier method for cross-view geo-localization.

    Args:
        backbone: name of a timm CNN; the paper uses ConvNeXt-T, ResNet-101 is the authors' option.
        places: number of training places.
        input_px: side of the input; 256 in the paper.
        dropout: before each classifier.
        margin: of the cross-view triplet loss.
    """

    name = "mccg"
    citation = Citation(
        title="MCCG: A ConvNeXt-Based Multiple-Classifier Method for Cross-View Geo-Localization",
        authors="Shen et al.",
        venue="IEEE TCSVT",
        year=2023,
        code="mode-str/crossview",
        code_licence="none",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.01, backbone_scale=0.3),
        schedule=Schedule(kind="multistep", epochs=200, milestones=(80, 120), decay=0.1),
        augment=Augment(
            jitter=1.0,
            satellite_jitter=(0.1, 0.1, 0.1, 0.0),
            photo_jitter=(0.1, 0.1, 0.1, 0.0),
            photo_policy=1.0,
            photo_erasing=0.5,
        ),
        sampler=Sampler(pairing="places", batch_size=8),
    )
    """The authors' command, with the augmentation that their flags switch on by default."""

    def __init__(
        self,
        backbone: str = "convnext_tiny",
        places: int = 701,
        input_px: int = 256,
        dropout: float = 0.5,
        margin: float = 0.3,
    ) -> None:
        super().__init__(
            backbone,
            places,
            input_px,
            dropout,
            parts=len(BRANCHES),
            stride=32,
            norm_spread=NORM_SPREAD,
            imagenet_colours=True,
        )
        self.attention = TripletAttention()
        self.margin = margin

    def pool(self, features: Tensor) -> Tensor:
        """The map's averages under both gates, and the backbone's own vector: ``(N, 3, C)``.

        The gates see the map before the backbone's last layer norm, the vector comes after it.
        """
        gated = [branch.mean(dim=(2, 3)) for branch in self.attention(features)]
        return torch.stack([*gated, self.backbone.vector_of(features)], dim=1)

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``: the map under each gate, and as it is."""
        feature_map = self.feature_map(images, view)
        by_width, by_height = self.attention(feature_map)
        return {
            "channel-width gate": answers(by_width),
            "height-channel gate": answers(by_height),
            WHOLE: answers(feature_map),
        }

    def pair_loss(self, satellite: Tensor, drone: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-view triplet loss."""
        return cross_view_triplet(satellite, drone, *places, margin=self.margin)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        head, _, entry = key.removeprefix("model_1.").partition(".")
        if head == "convnext":
            name = timm_name(entry)
            return (f"backbone.net.{name}", None) if name else None
        if head == "tri_layer":
            return attention_key(entry), None
        return head_key(entry, BRANCHES[head]) if head in BRANCHES else None
