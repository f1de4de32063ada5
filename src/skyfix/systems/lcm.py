"""LCM: places as classes, with as many satellite as drone samples of each."""

from torch import Tensor

from skyfix.systems.part_system import EMBEDDING_WIDTH, PartSystem
from skyfix.systems.recipe import Recipe, Sampler
from skyfix.systems.registry import register
from skyfix.systems.system import Citation


@register
class LCM(PartSystem):
    """Location classification matching: one class per place, features compared by cosine.

    Re-implemented from the published description: there is no authors' code, and optimizer,
    schedule, augmentation and dropout are not known. Here they are those of ``instance``.

    Its answer to 54 drone images against one satellite image of each place is to multiply the
    satellite images by augmentation; the ``places`` sampler does the same by drawing both views
    of a place equally often, each time augmented anew.

    Args:
        backbone: name of a timm network; ResNet-50 in the paper.
        places: number of training places.
        input_px: side of the input; 384 in the paper.
        dropout: before the classifier.
        descriptor_width: length of the feature vector; the paper finds 512 best.
    """

    name = "lcm"
    citation = Citation(
        title="A Practical Cross-View Image Matching Method between UAV and Satellite for "
        "UAV-Based Geo-Localization",
        authors="Ding, Zhou, Meng, Long",
        venue="Remote Sensing",
        year=2021,
    )
    paper_recipe = Recipe(sampler=Sampler(pairing="places", batch_size=8))

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 701,
        input_px: int = 384,
        dropout: float = 0.75,
        descriptor_width: int = EMBEDDING_WIDTH,
    ) -> None:
        super().__init__(backbone, places, input_px, dropout, parts=1, width=descriptor_width)

    def pool(self, features: Tensor) -> Tensor:
        """Average over the whole map, ``(N, C, h, w)`` to ``(N, 1, C)``."""
        return features.mean(dim=(2, 3)).unsqueeze(1)
