"""CAMP: InfoNCE within each view on groups of cells, sorted after adding their positions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.layers.heat_groups import heat_groups
from skyfix.losses.info_nce import info_nce
from skyfix.systems.convnext_names import timm_name
from skyfix.systems.pair_system import (
    LABEL_SMOOTHING,
    LearnedScale,
    PairSystem,
    pair_recipe,
    paired,
)
from skyfix.systems.part_system import sum_of
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation

# The authors let the balance and its inverse run free; within these bounds nothing changes.
_BALANCE_MIN, _BALANCE_MAX = 0.05, 20.0


@register
class CAMP(PairSystem):
    """Contrastive attributes mining and position-aware partitioning.

    A learned map of positions is added to the backbone's map, whose cells are grouped by how
    strongly they respond. The groups serve training alone; the descriptor is the backbone's
    vector. The authors' classification heads get no loss and are left out.

    The recipe is the authors' for University-1652: one epoch over all pairs, 24 pairs a batch,
    warm-up over a tenth of it. Augmentation beyond resizing is not part of it.

    Args:
        backbone: name of a timm CNN. The default names the weights that the authors' code loads,
            not the 384-px ones that its command line names.
        input_px: side of the square input in px; the map of positions has a cell per 32 px of
            it, and is enlarged or shrunk for images of another size.
        groups: groups of cells.
        position_scale: initial factor of the map of positions; 0.6 for University-1652, 0.1 for
            SUES-200.
        self_weight: factor of both self-contrasts.
        cross_weight: factor of the squared difference of the groups between the views; 0 for
            University-1652, 1 for SUES-200.
    """

    name = "camp"
    citation = Citation(
        title="CAMP: A Cross-View Geo-Localization Method Using Contrastive Attributes Mining "
        "and Position-Aware Partitioning",
        authors="Wu et al.",
        venue="IEEE TGRS",
        year=2024,
        code="Mabel0403/CAMP",
        code_licence="MIT",
    )
    paper_recipe = pair_recipe(24)

    def __init__(
        self,
        backbone: str = "convnext_base.fb_in22k_ft_in1k",
        input_px: int = 384,
        groups: int = 3,
        position_scale: float = 0.6,
        self_weight: float = 0.5,
        cross_weight: float = 0.0,
    ) -> None:
        super().__init__(backbone, input_px)
        cells = input_px // self.backbone.stride
        self.groups, self.self_weight, self.cross_weight = groups, self_weight, cross_weight
        self.positions = nn.Parameter(torch.empty(1, self.backbone.channels, cells, cells))
        self.position_scale = nn.Parameter(torch.tensor(position_scale))
        self.balance = nn.Parameter(torch.tensor(0.5))
        self.group_scale = LearnedScale()
        nn.init.trunc_normal_(self.positions, std=0.02)

    def positioned(self, feature_map: Tensor) -> Tensor:
        """A map ``(N, C, h, w)`` plus the scaled map of positions."""
        positions: Tensor = self.positions
        if positions.shape[2:] != feature_map.shape[2:]:
            positions = F.interpolate(positions, feature_map.shape[2:], mode="bilinear")
        return feature_map + positions * self.position_scale

    def group_vectors(self, feature_map: Tensor) -> Tensor:
        """A map ``(N, C, h, w)`` to the unit-length concatenation of its groups ``(N, K * C)``."""
        cells = self.positioned(feature_map).flatten(2).transpose(1, 2)
        return F.normalize(heat_groups(cells, self.groups).flatten(1))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE between the views and, balanced by a learned weight, within each of them."""
        maps, vectors = zip(
            *(self.backbone.map_and_vector(images) for images in paired(batch)), strict=True
        )
        satellite, other = (self.group_vectors(feature_map) for feature_map in maps)
        balance = self.balance.clamp(_BALANCE_MIN, _BALANCE_MAX)
        terms = {
            "info_nce": self.info_nce(*vectors),
            "satellite_self": self.self_weight * balance * self._self_contrast(satellite),
            "other_self": self.self_weight / balance * self._self_contrast(other),
        }
        if self.cross_weight:
            terms["cross_groups"] = self.cross_weight * F.mse_loss(satellite, other)
        return {**terms, "total": sum_of(terms)}

    def _self_contrast(self, groups: Tensor) -> Tensor:
        return info_nce(groups, groups, self.group_scale(), LABEL_SMOOTHING)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key in _NAMES:
            return _NAMES[key], None
        if not key.startswith("model_1.convnext."):
            return None
        name = timm_name(key.removeprefix("model_1.convnext."))
        return (f"backbone.net.{name}", None) if name else None


_NAMES = {
    "logit_scale": "scale.log",
    "logit_scale_blocks": "group_scale.log",
    "ECE_weight_D_fine_D_fine": "balance",
    "model_1.pos_embed": "positions",
    "model_1.pos_scale": "position_scale",
}
