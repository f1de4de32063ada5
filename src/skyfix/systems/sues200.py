"""The SUES-200 baseline: a network for each view, one head without batch norm for both."""

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.answers import numbered, part_answers
from skyfix.layers.backbone import Backbone
from skyfix.layers.descriptors import unit_parts
from skyfix.layers.heads import PartHeads
from skyfix.layers.partition import square_rings
from skyfix.layers.pooling import average_parts
from skyfix.systems.part_system import EMBEDDING_WIDTH, check_sizes
from skyfix.systems.preprocess import imagenet_preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.systems.view_parts import ViewPartSystem
from skyfix.views import View

Variant = Literal["paper", "released"]


@register
class SUES200(ViewPartSystem):
    """Baseline of the SUES-200 benchmark.

    Args:
        backbone: name of a timm network. The authors offer many, such as ``resnet50``,
            ``vit_base_patch16_384`` and ``seresnet50`` (for the LPN form).
        places: number of training places.
        input_px: side of the input; 384 in the benchmark.
        dropout: before each classifier; the authors use 0.2 (ResNet-50), 0.5 (ViT), 0.4 (LPN).
        rings: 0 takes what the network itself would classify; above 0 makes the benchmark's LPN
            form: the last stage at stride 16, cut into this many square rings (4).
        variant: ``paper`` scales to unit length once, after the sum with the mirror image;
            ``released`` does so before the sum too, to the first of both only, as the authors'
            script for systems without rings does.

    Raises:
        SkyfixError: unknown variant, or fewer than 0 rings.
    """

    name = "sues200"
    citation = Citation(
        title="SUES-200: A Multi-Height Multi-Scene Cross-View Image Benchmark Across Drone and "
        "Satellite",
        authors="Zhu et al.",
        venue="IEEE TCSVT",
        year=2023,
        code="Reza-Zhu/SUES-200-Benchmark",
        code_licence="MIT",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.005),
        schedule=Schedule(kind="multistep", epochs=80, milestones=(20, 40), decay=0.1),
        augment=Augment(pad_px=0, satellite_rotation_deg=0.0),
        sampler=Sampler(batch_size=32, keep_last=True),
    )
    """The authors' example for ResNet-50. Theirs for the ViT: lr 0.001, weight decay 1e-4, batch 8,
    60 epochs; for the LPN form: lr 0.006, batch 8, 80 epochs, a step of 0.2 every 40."""

    author_networks: ClassVar[dict[str, View]] = {"model_1": "satellite", "model_2": "drone"}

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 120,
        input_px: int = 384,
        dropout: float = 0.2,
        rings: int = 0,
        variant: Variant = "paper",
    ) -> None:
        if variant not in ("paper", "released"):
            raise SkyfixError(f"Unknown variant {variant!r}. Choose one of: paper, released.")
        if rings < 0:
            raise SkyfixError(f"The number of rings must be 0 or more, not {rings}.")
        stride: Literal[16, 32] = 16 if rings else 32
        check_sizes(self.name, places, input_px, stride)
        parts = max(1, rings)
        size = (input_px, input_px)
        backbones: dict[View, Backbone] = {
            view: Backbone(backbone, size, stride) for view in self.views
        }
        channels = backbones["satellite"].channels
        super().__init__(
            imagenet_preprocess(input_px),
            backbones,
            PartHeads(parts, channels, EMBEDDING_WIDTH, places, dropout, norm=False),
        )
        self.rings, self.variant = rings, variant

    def pool(self, feature_map: Tensor, view: View) -> Tensor:
        """Ring averages, ``(N, C, h, w)`` to ``(N, rings, C)``."""
        rings = square_rings(*feature_map.shape[-2:], self.rings)
        return average_parts(feature_map, rings)

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``: the rings, from the centre out, or the whole map."""
        if not self.rings:
            return super().part_maps(images, view)
        feature_map = self.feature_map(images, view)
        rings = square_rings(*feature_map.shape[-2:], self.rings)
        return part_answers(feature_map, rings, numbered("ring", self.rings))

    def part_embeddings(self, images: Tensor, view: View) -> Tensor:
        """See ``ViewPartSystem.part_embeddings``; without rings there is one part."""
        if self.rings:
            return super().part_embeddings(images, view)
        return self.heads.embed(self.backbone_of(view).vector(images).unsqueeze(1))

    def embed(self, images: Tensor, view: View) -> Tensor:
        """See ``ViewPartSystem.embed`` and ``variant``."""
        if self.variant == "paper" or self.rings:
            return super().embed(images, view)
        upright = F.normalize(self.part_embeddings(images, view), dim=2)
        return unit_parts(upright + self.part_embeddings(images.flip(-1), view))
