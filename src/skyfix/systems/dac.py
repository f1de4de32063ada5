"""DAC: triplet-attention branches and the alignment of the views' feature maps."""

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.layers.heads import PartHeads
from skyfix.layers.triplet_attention import TripletAttention
from skyfix.systems.aligned_system import EMBEDDING_WIDTH, AlignedSystem, CellProjection
from skyfix.systems.convnext_names import BRANCHES, attention_key
from skyfix.systems.pair_system import pair_recipe
from skyfix.systems.part_system import head_key
from skyfix.systems.registry import register
from skyfix.systems.system import Citation


@register
class DAC(AlignedSystem):
    """Domain alignment and scene consistency.

    The recipe is the authors' for University-1652: one epoch over all pairs, 24 pairs a batch,
    warm-up over a tenth of it. Their stronger colour jitter is not part of it.

    Args:
        backbone: name of a timm CNN. The default names the weights that the authors' code loads,
            not the 384-px ones that its command line names.
        places: number of training places.
        input_px: side of the square input in px.
        dropout: before each classifier.
        classification_weight: factor of the branches' cross-entropy.
        alignment_weight: factor of the alignment loss.
    """

    name = "dac"
    citation = Citation(
        title="Enhancing Cross-View Geo-Localization with Domain Alignment and Scene Consistency",
        authors="Xia et al.",
        venue="IEEE TCSVT",
        year=2024,
        code="SummerpanKing/DAC",
        code_licence="Apache-2.0",
    )
    paper_recipe = pair_recipe(24).replaced(
        "augment",
        {"satellite_jitter": (0.15, 0.3, 0.3, 0.3), "photo_jitter": (0.15, 0.7, 0.3, 0.3)},
    )

    def __init__(
        self,
        backbone: str = "convnext_base.fb_in22k_ft_in1k",
        places: int = 701,
        input_px: int = 384,
        dropout: float = 0.5,
        classification_weight: float = 0.1,
        alignment_weight: float = 0.6,
    ) -> None:
        super().__init__(backbone, places, input_px, classification_weight, alignment_weight)
        channels = self.backbone.channels
        self.attention = TripletAttention()
        self.heads = PartHeads(
            len(BRANCHES), channels, EMBEDDING_WIDTH, places, dropout, norm_spread=0.0
        )
        self.projection = CellProjection(channels)

    def branch_logits(self, feature_map: Tensor, vector: Tensor) -> Tensor:
        """Logits of both attended maps' means and of the vector, ``(N, 3, places)``."""
        attended = [gated.mean(dim=(2, 3)) for gated in self.attention(feature_map)]
        parts = torch.stack([*attended, vector], dim=1)
        return self.heads.classify(self.heads.embed(parts))

    def aligned_map(self, feature_map: Tensor) -> Tensor:
        """The map and 256 learned attention maps over its cells, ``(N, C + 256, h * w)``."""
        cells = feature_map.flatten(2)
        attention = F.normalize(self.projection(cells), dim=1).softmax(dim=2)
        return torch.cat([cells, attention], dim=1)

    def branch_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``AlignedSystem.branch_key``; ``proj_obj`` is never used."""
        head, _, entry = key.partition(".")
        if head in BRANCHES:
            return head_key(entry, BRANCHES[head])
        if head == "tri_layer":
            return attention_key(entry), None
        return (entry.replace("mlp.", "projection."), None) if head == "proj" else None
