"""LPN: square rings around the image centre, one classifier per ring."""

from dataclasses import replace

from torch import Tensor

from skyfix.layers.answers import numbered, part_answers
from skyfix.layers.partition import Divisor, Partition, square_rings
from skyfix.layers.pooling import average_parts
from skyfix.systems.part_system import PartSystem
from skyfix.systems.recipe import Optim, Recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View


@register
class LPN(PartSystem):
    """Local pattern network.

    Args:
        backbone: name of a timm network; the paper uses ResNet-50 with its last stride removed.
        places: number of training places.
        input_px: side of the input; 256 in the paper.
        dropout: before each classifier.
        rings: number of square rings.
        divisor: ``square`` as in the authors' code and every published number, ``ring`` as in
            the paper's text.
    """

    name = "lpn"
    citation = Citation(
        title="Each Part Matters: Local Patterns Facilitate Cross-view Geo-localization",
        authors="Wang et al.",
        venue="IEEE TCSVT",
        year=2021,
        code="wtyhub/LPN",
        code_licence="MIT",
    )
    paper_recipe = replace(Recipe(), optim=Optim(lr=0.001))

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 701,
        input_px: int = 256,
        dropout: float = 0.75,
        rings: int = 4,
        divisor: Divisor = "square",
    ) -> None:
        super().__init__(backbone, places, input_px, dropout, parts=rings)
        self.rings, self.divisor = rings, divisor

    def pool(self, feature_map: Tensor) -> Tensor:
        """Ring averages, ``(N, C, h, w)`` to ``(N, rings, C)``."""
        return average_parts(feature_map, self._partition(*feature_map.shape[-2:]))

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``: the rings, from the centre out."""
        feature_map = self.feature_map(images, view)
        partition = self._partition(*feature_map.shape[-2:])
        return part_answers(feature_map, partition, numbered("ring", self.rings))

    def _partition(self, height: int, width: int) -> Partition:
        return square_rings(height, width, self.rings, self.divisor)
