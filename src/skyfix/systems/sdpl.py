"""SDPL: dense partitions of square rings at three shifts, fused by learned weights."""

from typing import Literal

import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers
from skyfix.layers.partition import (
    Divisor,
    Partition,
    dense_parts,
    shifted_dense_parts,
)
from skyfix.layers.pooling import gem_parts
from skyfix.layers.released_partition import released_dense_parts
from skyfix.systems.part_system import PartSystem
from skyfix.systems.recipe import Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View

Variant = Literal["paper", "released"]
SHIFTS = 3


class ShiftWeights(nn.Sequential):
    """Estimates from a map ``(N, C, h, w)`` how much each shift counts, ``(N, 3)``, sum 1.

    The layer order, without an activation between the linear layers, is the authors'.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 1024, kernel_size=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(1024, 512),
            nn.Dropout(0.5),
            nn.Linear(512, 512),
            nn.Dropout(0.5),
            nn.Linear(512, SHIFTS),
            nn.Softmax(dim=1),
        )


@register
class SDPL(PartSystem):
    """Shifting-dense partition learning.

    Args:
        backbone: name of a timm network; the paper uses ResNet-50 (last stride removed) and
            SwinV2-B.
        places: number of training places.
        input_px: side of the input; 512 in the paper.
        dropout: before each classifier.
        variant: ``paper`` cuts three partitions from the untouched map, holes aligned, the last
            part being the whole map; ``released`` computes what the authors' code computes and
            what the published figures were measured with (see
            ``layers.released_partition.released_dense_parts``).
        rings: square rings b, giving b (b + 1) / 2 parts; ``released`` has 4.
        shift: offset of the outer partitions in cells; 0 means 1/16 of the map. ``released``
            has 2.
        divisor: whether a part's mean counts its hole (``square``) or not (``ring``).

    Raises:
        SkyfixError: an option that ``released`` does not have.
    """

    name = "sdpl"
    citation = Citation(
        title="SDPL: Shifting-Dense Partition Learning for UAV-View Geo-Localization",
        authors="Chen et al.",
        venue="IEEE TCSVT",
        year=2024,
        code="C-water/SDPL_release",
        code_licence="none",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.001),
        schedule=Schedule(epochs=350, decay_epochs=50, decay=0.75),
        sampler=Sampler(batch_size=4),
    )

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 701,
        input_px: int = 512,
        dropout: float = 0.75,
        variant: Variant = "paper",
        rings: int = 4,
        shift: int = 0,
        divisor: Divisor = "square",
    ) -> None:
        if variant not in ("paper", "released"):
            raise SkyfixError(f"Unknown variant {variant!r}. Choose one of: paper, released.")
        if variant == "released" and (rings, shift, divisor) != (4, 0, "square"):
            raise SkyfixError(
                "variant='released' is fixed to 4 rings, 2 cells of shift and divisor 'square'. "
                "Use variant='paper' to change them."
            )
        super().__init__(backbone, places, input_px, dropout, parts=len(dense_parts(rings)))
        self.variant, self.rings, self.shift, self.divisor = variant, rings, shift, divisor
        self.shift_weights = ShiftWeights(self.backbone.channels)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Fused parts, ``(N, C, h, w)`` to ``(N, parts, C)``."""
        parts = gem_parts(feature_map, self._partition(*feature_map.shape[-2:]))
        parts = parts.unflatten(1, (SHIFTS, -1))
        weights = self.shift_weights(feature_map).to(parts.dtype)
        return (weights[:, :, None, None] * parts).sum(dim=1)

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``: the three shifts of a part weighed as they are fused."""
        feature_map = self.feature_map(images, view)
        height, width = feature_map.shape[-2:]
        shares = torch.from_numpy(self._partition(height, width).shares(height, width))
        shifted = shares.to(feature_map.device).unflatten(0, (SHIFTS, -1))
        weights = self.shift_weights(feature_map).to(shifted.dtype)
        maps = torch.einsum("ns,skhw->nkhw", weights, shifted) * answers(feature_map)[:, None]
        names = [_part_name(*squares) for squares in dense_parts(self.rings)]
        return dict(zip(names, maps.unbind(dim=1), strict=True))

    def _partition(self, height: int, width: int) -> Partition:
        if self.variant == "released":
            return released_dense_parts(height, width)
        return shifted_dense_parts(height, width, self.rings, self.shift or None, self.divisor)

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``; the GeM exponents of the release are never used."""
        if key.startswith("model_1.shift_blocks."):
            return key.replace("model_1.shift_blocks.", "shift_weights."), None
        return super().author_key(key)


def _part_name(outer: int, inner: int) -> str:
    """What square ``outer`` without square ``inner`` is called, see ``dense_parts``."""
    first = inner + 1
    return f"ring {outer}" if first == outer else f"rings {first} to {outer}"
