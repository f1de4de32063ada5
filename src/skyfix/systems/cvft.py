"""CVFT: the panorama's features are moved into the satellite image's frame."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.partition import square_rings
from skyfix.layers.tensorflow import SameConv2d, legacy_bilinear
from skyfix.layers.transport import FeatureTransport
from skyfix.layers.vgg import VGG16
from skyfix.systems.ground_system import GroundSystem, paired_recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View

WIDTH = 64
"""Length of a cell's vector."""


@register
class CVFT(GroundSystem):
    """Cross-view feature transport.

    The recipe holds the authors' values for CVUSA: batch 32, Adam at 1e-5, 10 epochs (100 for
    CVACT), no augmentation.

    Args:
        satellite_px: side of the satellite input.
        ground_height_px, ground_width_px: size of the panorama's input.
        dropout: after the convolutions of blocks 4 and 5.
        frozen_blocks: leading blocks of the VGG16s that are not trained.
        alpha: weight in the soft margin.
        lpn: scale ``rings`` square rings of both maps to unit length apart and train each
            (CVFT + LPN, Wang et al. 2021). LPN's paper names the combination without its
            equations, so this reading is ours.
        rings: number of square rings.

    Raises:
        SkyfixError: a satellite image too small for the rings.
    """

    name = "cvft"
    citation = Citation(
        title="Optimal Feature Transport for Cross-View Image Geo-Localization",
        authors="Shi et al.",
        venue="AAAI",
        year=2020,
        code="YujiaoShi/cross_view_localization_CVFT",
        code_licence="none",
    )
    paper_recipe = paired_recipe(batch_size=32, epochs=10)
    author_names: ClassVar[dict[str, str]] = {
        "sat_conv/weights": "narrow.satellite.weight",
        "sat_conv/biases": "narrow.satellite.bias",
        "grd_conv/weights": "narrow.ground.weight",
        "grd_conv/biases": "narrow.ground.bias",
        "ot_grd_branchot_conv/weights": "transport.squeeze.weight",
        "ot_grd_branchot_conv/biases": "transport.squeeze.bias",
        "ot_grd_branchot_fc/weights": "transport.cost.weight",
        "ot_grd_branchot_fc/biases": "transport.cost.bias",
    }

    def __init__(
        self,
        satellite_px: int = 256,
        ground_height_px: int = 112,
        ground_width_px: int = 616,
        dropout: float = 0.2,
        frozen_blocks: int = 3,
        alpha: float = 10.0,
        lpn: bool = False,
        rings: int = 4,
    ) -> None:
        # The stride of the VGG16, then of the narrowing convolution.
        side = -(-satellite_px // 32)
        rings = rings if lpn else 1
        if side < 2 * rings:
            raise SkyfixError(
                f"cvft with {rings} rings needs satellite_px of at least {64 * rings}, not "
                f"{satellite_px}."
            )
        super().__init__(
            (satellite_px, satellite_px),
            (ground_height_px, ground_width_px),
            WIDTH * side**2,
            last_pool=False,
            frozen_blocks=frozen_blocks,
            dropout=dropout,
            alpha=alpha,
        )
        self.rings, self.side = rings, side
        self.narrow = nn.ModuleDict(
            {view: SameConv2d(VGG16.channels, WIDTH, 3, stride=2) for view in self.views}
        )
        self.transport = FeatureTransport(WIDTH, side**2)

    def vectors(self, feature_map: Tensor, view: View) -> list[Tensor]:
        """See ``GroundSystem.vectors``: all cells one after the other, or those of each ring."""
        narrow = self.frame(feature_map, view)
        if view == "ground":
            narrow = self.transport(narrow)
        cells = narrow.flatten(2).transpose(1, 2)
        parts = square_rings(self.side, self.side, self.rings).members()
        inside = [torch.from_numpy(part).to(cells.device) for part in parts]
        return [F.normalize(cells[:, part].flatten(1)) for part in inside]

    def frame(self, feature_map: Tensor, view: View) -> Tensor:
        """A VGG16's map as ``(N, 64, side, side)``; the panorama's is not yet transported."""
        narrow = self.narrow[view](feature_map).relu()
        return legacy_bilinear(narrow, self.side, self.side) if view == "ground" else narrow
