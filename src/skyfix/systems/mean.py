"""MEAN: diversified embeddings and a cross-domain aligned map on a small ConvNeXt."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.losses.alignment import map_alignment
from skyfix.systems.aligned_system import (
    EMBEDDING_WIDTH,
    PROJECTION_WIDTH,
    AlignedSystem,
    CellProjection,
)
from skyfix.systems.convnext_names import BRANCHES
from skyfix.systems.pair_system import pair_recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation


class DilatedEnhancement(nn.Module):
    """Three dilated convolutions of a map ``(N, C, h, w)``, averaged with the map itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels // 4
        self.dilated = nn.ModuleList(
            nn.Conv2d(channels, width, 3, padding=step, dilation=step, bias=False)
            for step in (1, 2, 3)
        )
        self.mix = nn.Conv2d(width, channels, 1)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter)

    def forward(self, feature_map: Tensor) -> Tensor:
        """The enhanced map, of the same shape."""
        context = torch.stack([layer(feature_map) for layer in self.dilated]).mean(dim=0)
        return (self.mix(context.relu()) + feature_map) / 2


class MultiScaleHead(nn.Module):
    """Convolutions along a vector's entries, averaged to an embedding, then classified."""

    def __init__(self, places: int, dropout: float) -> None:
        super().__init__()
        width = EMBEDDING_WIDTH // 4
        self.dilated = nn.ModuleList(
            nn.Conv1d(1, width, 3, padding=step, dilation=step) for step in (1, 2, 3)
        )
        self.single = nn.Conv1d(1, width, 1)
        self.norm = nn.BatchNorm1d(EMBEDDING_WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(EMBEDDING_WIDTH, places)

    def forward(self, vector: Tensor) -> Tensor:
        """A vector ``(N, C)`` to logits ``(N, places)``."""
        row = vector.unsqueeze(1)
        scales = [layer(row) for layer in self.dilated] + [self.single(row).relu()]
        embedding = torch.cat(scales, dim=1).mean(dim=2)
        return self.classifier(self.dropout(self.norm(embedding)))


class CrossDomainMap(nn.Module):
    """A map's cells ``(N, C, P)`` fused with sharpened attention over them, ``(N, 512, P)``."""

    temperature = 0.1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection, self.dropout = CellProjection(channels), nn.Dropout(0.05)
        self.sharpen = nn.Conv1d(PROJECTION_WIDTH, PROJECTION_WIDTH, 1)
        self.cells = nn.Conv1d(channels, EMBEDDING_WIDTH, 1)
        self.attention = nn.Conv1d(PROJECTION_WIDTH, EMBEDDING_WIDTH, 1)
        self.fusion = nn.Conv1d(2 * EMBEDDING_WIDTH, EMBEDDING_WIDTH, 1)
        self.norm = nn.BatchNorm1d(EMBEDDING_WIDTH)

    def forward(self, cells: Tensor) -> Tensor:
        """Cells ``(N, C, P)`` to ``(N, 512, P)``."""
        projected = F.normalize(self.dropout(self.projection(cells)), dim=1)
        logits = self.sharpen(projected) / self.temperature
        # The published code takes the softmax over cells twice.
        attention = logits.softmax(dim=2).softmax(dim=2)
        both = torch.cat([self.cells(cells), self.attention(attention)], dim=1)
        return self.norm(self.fusion(both)).relu()


@register
class MEAN(AlignedSystem):
    """Multilevel embedding and alignment network.

    As its authors' code computes it. The recipe is theirs for University-1652: two epochs over
    all pairs, 64 pairs a batch, warm-up over a tenth of them. Augmentation beyond resizing is
    not part of it.

    Args:
        backbone: name of a timm CNN. The default names the weights that the authors' code loads,
            not the 384-px ones that its command line names.
        places: number of training places.
        input_px: side of the square input in px.
        dropout: before each classifier.
        classification_weight: factor of the branches' cross-entropy.
        alignment_weight: factor of the alignment loss, which is the sum of two equal terms.
    """

    name = "mean"
    citation = Citation(
        title="Multilevel Embedding and Alignment Network With Consistency and Invariance "
        "Learning for Cross-View Geo-Localization",
        authors="Chen, Yang, Rong",
        venue="IEEE TGRS",
        year=2025,
        code="ISChenawei/MEAN",
        code_licence="Apache-2.0",
    )
    paper_recipe = pair_recipe(64, epochs=2, warmup_epochs=0.2)

    def __init__(
        self,
        backbone: str = "convnext_tiny.fb_in22k_ft_in1k",
        places: int = 701,
        input_px: int = 384,
        dropout: float = 0.5,
        classification_weight: float = 0.1,
        alignment_weight: float = 1.3,
    ) -> None:
        super().__init__(backbone, places, input_px, classification_weight, alignment_weight)
        self.enhancement = DilatedEnhancement(self.backbone.channels)
        # The published code gives both branches of the enhanced map a dropout of their own.
        self.branch_dropout = nn.Dropout(0.01)
        self.heads = nn.ModuleList(MultiScaleHead(places, dropout) for _ in BRANCHES)
        self.cross_domain = CrossDomainMap(self.backbone.channels)

    def branch_logits(self, feature_map: Tensor, vector: Tensor) -> Tensor:
        """Logits of the enhanced map's mean, twice, and of the vector, ``(N, 3, places)``."""
        enhanced = self.enhancement(feature_map)
        branches = [self.branch_dropout(enhanced).mean(dim=(2, 3)) for _ in range(2)]
        pairs = zip(self.heads, [*branches, vector], strict=True)
        return torch.stack([head(branch) for head, branch in pairs], dim=1)

    def aligned_map(self, feature_map: Tensor) -> Tensor:
        """See ``CrossDomainMap``."""
        return self.cross_domain(feature_map.flatten(2))

    def alignment(self, first: Tensor, second: Tensor) -> Tensor:
        """The alignment loss, twice, as the authors add it up."""
        return 2 * map_alignment(first, second)

    def branch_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``AlignedSystem.branch_key``."""
        head, _, entry = key.partition(".")
        if head in BRANCHES:
            return f"heads.{BRANCHES[head]}.{_renamed(entry)}", None
        return _renamed(key), None


_NAMES = {
    "multi_scale_block.dilated1.": "dilated.0.",
    "multi_scale_block.dilated2.": "dilated.1.",
    "multi_scale_block.dilated3.": "dilated.2.",
    "multi_scale_block.extra1.0.": "single.",
    "add_block.0.": "norm.",
    "DEG.FC11.": "enhancement.dilated.0.",
    "DEG.FC12.": "enhancement.dilated.1.",
    "DEG.FC13.": "enhancement.dilated.2.",
    "DEG.FC1.": "enhancement.mix.",
    "MSF.conv1.": "cross_domain.cells.",
    "MSF.conv2.": "cross_domain.attention.",
    "MSF.conv_fusion.": "cross_domain.fusion.",
    "MSF.bn.": "cross_domain.norm.",
    "proj.layers.0.0.": "cross_domain.projection.0.",
    "proj.layers.0.1.": "cross_domain.projection.1.",
    "proj.layers.1.0.": "cross_domain.projection.3.",
    "feature_scaling.proj.": "cross_domain.sharpen.",
}


def _renamed(key: str) -> str:
    for theirs, ours in _NAMES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key
