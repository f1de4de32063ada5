"""Swin baselines: the instance loss on a Swin transformer."""

import re

from torch import Tensor

from skyfix.systems.part_system import PartSystem, head_key
from skyfix.systems.recipe import Optim, Recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation

_FAMILY_NAMES = {"Linear": "add_block.0", "bnorm": "add_block.1", "classifier.1": "classifier.0"}


@register
class Swin(PartSystem):
    """Average of a Swin's last map, bottleneck of 512, classification of places.

    Args:
        backbone: name of a timm Swin. Swin-B is the published baseline. For SwinV2-B give
            ``swinv2_base_window16_256`` and ``input_px=256``; its figures are published without
            a recipe, so skyfix trains it like Swin-B.
        places: number of training places.
        input_px: side of the input; 224 for Swin-B.
        dropout: before the classifier.
    """

    name = "swin"
    citation = Citation(
        title="Learning Cross-view Geo-localization Embeddings via Dynamic Weighted Decorrelation "
        "Regularization (its Swin-B baseline)",
        authors="Wang et al.",
        venue="arXiv",
        year=2022,
        code="wtyhub/DWDR",
        code_licence="MIT",
    )
    paper_recipe = Recipe(optim=Optim(lr=0.005))
    """The authors' command for Swin-B."""

    def __init__(
        self,
        backbone: str = "swin_base_patch4_window7_224",
        places: int = 701,
        input_px: int = 224,
        dropout: float = 0.75,
    ) -> None:
        super().__init__(backbone, places, input_px, dropout, parts=1, stride=32)

    def pool(self, features: Tensor) -> Tensor:
        """Average over the whole map, ``(N, C, h, w)`` to ``(N, 1, C)``."""
        return features.mean(dim=(2, 3)).unsqueeze(1)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``. Older timm counted a downsampling to the stage before it."""
        if key.startswith("model."):
            name = re.sub(
                r"^layers\.(\d)\.downsample",
                lambda stage: f"layers.{int(stage[1]) + 1}.downsample",
                key.removeprefix("model."),
            )
            return f"backbone.net.{name}", None
        layer, _, tensor = key.removeprefix("classifier.").rpartition(".")
        return head_key(f"{_FAMILY_NAMES.get(layer)}.{tensor}", 0)
