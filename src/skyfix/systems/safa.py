"""SAFA: polar satellite images, and positions weighted by what is seen at them."""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.partition import Partition, square_rings, strips
from skyfix.layers.spatial import PositionEmbedding, Squeeze
from skyfix.layers.vgg import VGG16
from skyfix.systems.ground_system import GroundSystem, paired_recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View


@register
class SAFA(GroundSystem):
    """Spatial-aware feature aggregation.

    The recipe holds the authors' values for CVUSA: batch 32, Adam at 1e-5, 100 epochs, no
    augmentation.

    Args:
        squeeze: how the channels of a position are squeezed: ``max`` as in the paper and the code
            that the published weights come from, ``mean`` as in the authors' later code.
        heads: number of position embeddings; SAFA_8 is the published one.
        polar_px: side of the satellite image that is unrolled to the panorama's size: 750 for
            CVUSA, 1200 for CVACT; 0 leaves it a square of ``satellite_px``.
        satellite_px: side of the satellite input without the polar transform.
        ground_height_px, ground_width_px: size of the panorama's input.
        dropout: after the convolutions of blocks 4 and 5.
        frozen_blocks: leading blocks of the VGG16s that are not trained.
        alpha: weight in the soft margin.
        lpn: embed ``parts`` parts apart and train each (SAFA + LPN, Wang et al. 2021): rows of
            the panorama and of the polar image, square rings of a square image from the outermost
            in. LPN's paper names the combination without its equations, so this reading is ours.
        parts: number of parts.

    Raises:
        SkyfixError: an unknown squeeze, no head, or a map too small for the parts.
    """

    name = "safa"
    citation = Citation(
        title="Spatial-Aware Feature Aggregation for Cross-View Image based Geo-Localization",
        authors="Shi et al.",
        venue="NeurIPS",
        year=2019,
        code="YujiaoShi/cross_view_localization_SAFA",
        code_licence="none",
    )
    paper_recipe = paired_recipe(batch_size=32, epochs=100)
    author_names: ClassVar[dict[str, str]] = {
        f"spatial_{theirs}/{kind}{layer}": f"embeddings.{ours}.0.{tensor}{layer}"
        for theirs, ours in (("sat", "satellite"), ("grd", "ground"))
        for kind, tensor in (("weights", "weight"), ("biases", "bias"))
        for layer in (1, 2)
    }

    def __init__(
        self,
        squeeze: Squeeze = "max",
        heads: int = 8,
        polar_px: int = 750,
        satellite_px: int = 256,
        ground_height_px: int = 112,
        ground_width_px: int = 616,
        dropout: float = 0.2,
        frozen_blocks: int = 0,
        alpha: float = 10.0,
        lpn: bool = False,
        parts: int = 4,
    ) -> None:
        if squeeze not in ("max", "mean"):
            raise SkyfixError(f"Unknown squeeze {squeeze!r}. Choose one of: max, mean.")
        if heads < 1:
            raise SkyfixError(f"safa needs at least one head, not {heads}.")
        ground = (ground_height_px, ground_width_px)
        satellite = ground if polar_px else (satellite_px, satellite_px)
        parts = parts if lpn else 1
        super().__init__(
            satellite,
            ground,
            parts * heads * VGG16.channels,
            last_pool=True,
            frozen_blocks=frozen_blocks,
            dropout=dropout,
            alpha=alpha,
            polar_px=polar_px,
        )
        self.parts = parts
        self.embeddings = nn.ModuleDict(
            {
                view: nn.ModuleList(
                    PositionEmbedding(len(cells), heads, squeeze)
                    for cells in self._partition(view, *self.map_size(view)).members()
                )
                for view in self.views
            }
        )

    def vectors(self, feature_map: Tensor, view: View) -> list[Tensor]:
        """See ``GroundSystem.vectors``: one vector, or one a part with ``lpn``."""
        cells = feature_map.flatten(2)
        parts = self._partition(view, *feature_map.shape[-2:]).members()
        embeddings = cast(nn.ModuleList, self.embeddings[view])
        return [
            F.normalize(embedding(cells[..., torch.from_numpy(part).to(cells.device)]))
            for embedding, part in zip(embeddings, parts, strict=True)
        ]

    def _partition(self, view: View, rows: int, columns: int) -> Partition:
        """Parts from the far to the near: a panorama's bottom row shows what is nearest."""
        if view == "ground" or self.preprocess[view].polar_px or self.parts == 1:
            return strips(rows, columns, self.parts, "rows")
        return square_rings(rows, columns, self.parts).reversed()
