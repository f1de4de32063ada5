"""LPN between satellite images and ground panoramas: rings against strips, a network a view."""

from dataclasses import replace
from typing import ClassVar, Literal

from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.layers.answers import numbered, part_answers
from skyfix.layers.backbone import Backbone
from skyfix.layers.heads import PartHeads
from skyfix.layers.partition import ALONG, Along, Partition, square_rings, strips
from skyfix.layers.pooling import average_parts
from skyfix.systems.lpn import LPN
from skyfix.systems.part_system import EMBEDDING_WIDTH, check_sizes
from skyfix.systems.preprocess import imagenet_preprocess
from skyfix.systems.recipe import Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.view_parts import ViewPartSystem
from skyfix.views import View

STRIDES = (16, 32)


@register
class LPNGround(ViewPartSystem):
    """Local pattern network for CVUSA and CVACT.

    The recipe is the authors' for ResNet-50; their VGG16 has lr 0.1. They let the loss grow over
    the first 5 epochs where here the rates do.

    Args:
        backbone: name of a timm network; the authors use ``resnet50`` at stride 16 and
            ``vgg16_bn`` at stride 32.
        places: number of training places.
        input_px: side of both inputs; panoramas are squeezed to a square.
        dropout: before each classifier.
        parts: number of parts.
        ground: ``rows`` compares rows of the panorama, from the top, with square rings, from the
            outermost in (the authors' choice); ``columns`` compares columns of both, for
            satellite images unrolled by ``polar_px``.
        stride: of the backbone's map, 16 or 32.
        polar_px: see ``Preprocess``, for satellite images.

    Raises:
        SkyfixError: unknown strips or stride, or a map too small for the parts.
    """

    name = "lpn_ground"
    views = ("satellite", "ground")
    citation = LPN.citation
    paper_recipe = Recipe(
        optim=Optim(lr=0.05),
        schedule=Schedule(warmup_epochs=5.0),
        sampler=Sampler(batch_size=16),
    )
    author_networks: ClassVar[dict[str, View]] = {"model_1": "satellite", "model_2": "ground"}

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 35532,
        input_px: int = 256,
        dropout: float = 0.5,
        parts: int = 8,
        ground: Along = "rows",
        stride: Literal[16, 32] = 16,
        polar_px: int = 0,
    ) -> None:
        if stride not in STRIDES:
            raise SkyfixError(f"The stride must be 16 or 32, not {stride}.")
        if ground not in ALONG:
            raise SkyfixError(f"Unknown strips {ground!r}. Choose one of: {', '.join(ALONG)}.")
        check_sizes(self.name, places, input_px, stride)
        if parts > input_px // stride:
            raise SkyfixError(
                f"{self.name} with {parts} parts needs input_px of at least {parts * stride}, "
                f"not {input_px}."
            )
        size = (input_px, input_px)
        backbones: dict[View, Backbone] = {
            view: Backbone(backbone, size, stride) for view in self.views
        }
        channels = backbones["satellite"].channels
        plain = imagenet_preprocess(input_px)
        unrolled = replace(plain, polar_px=polar_px)
        super().__init__(
            {"satellite": unrolled, "ground": plain, "drone": plain},
            backbones,
            PartHeads(parts, channels, EMBEDDING_WIDTH, places, dropout),
        )
        self.parts, self.ground = parts, ground

    def pool(self, feature_map: Tensor, view: View) -> Tensor:
        """Averages of strips or rings, ``(N, C, h, w)`` to ``(N, parts, C)``."""
        return average_parts(feature_map, self._partition(view, *feature_map.shape[-2:]))

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``: strips, or rings from the outermost in."""
        feature_map = self.feature_map(images, view)
        partition = self._partition(view, *feature_map.shape[-2:])
        return part_answers(feature_map, partition, numbered("part", self.parts))

    def _partition(self, view: View, height: int, width: int) -> Partition:
        if view == "ground" or self.ground == "columns":
            return strips(height, width, self.parts, self.ground)
        return square_rings(height, width, self.parts, aligned=False).reversed()
