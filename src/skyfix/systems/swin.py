"""Swin baselines: the instance loss on a Swin transformer."""

import re

import torch
from torch import Tensor
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.losses.classification import part_cross_entropy
from skyfix.losses.decorrelation import decorrelation
from skyfix.systems.part_system import PartSystem, head_key, sum_of
from skyfix.systems.recipe import Optim, Recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation

_OFF_DIAGONAL = 0.002
"""The authors' value for Swin-B."""
_FAMILY_NAMES = {"Linear": "add_block.0", "bnorm": "add_block.1", "classifier.1": "classifier.0"}


@register
class Swin(PartSystem):
    """Average of a Swin's last map, bottleneck of 512, classification of places.

    With ``decorrelation`` it is DWDR: the averages of paired views, standardized over the batch,
    are to agree channel by channel and in no other pair of channels. The authors draw two sets of
    pairs a step, one led by either view, and average their losses; here it is one set.

    Args:
        backbone: name of a timm Swin. Swin-B is the published baseline. For SwinV2-B give
            ``swinv2_base_window16_256`` and ``input_px=256``; its figures are published without
            a recipe, so skyfix trains it like Swin-B.
        places: number of training places.
        input_px: side of the input; 224 for Swin-B.
        dropout: before the classifier.
        decorrelation: share of the decorrelation in the loss, the rest being classification: 0
            for the baseline, 0.1 in DWDR. Needs batches of pairs.

    Raises:
        SkyfixError: a share that is not in [0, 1).
    """

    name = "swin"
    citation = Citation(
        title="Learning Cross-view Geo-localization Embeddings via Dynamic Weighted Decorrelation "
        "Regularization (its Swin-B baseline)",
        authors="Wang et al.",
        venue="arXiv",
        year=2022,
        code="wtyhub/DWDR",
        code_licence="MIT",
    )
    paper_recipe = Recipe(optim=Optim(lr=0.005))
    """The authors' command for Swin-B."""

    def __init__(
        self,
        backbone: str = "swin_base_patch4_window7_224",
        places: int = 701,
        input_px: int = 224,
        dropout: float = 0.75,
        decorrelation: float = 0.0,
    ) -> None:
        if not 0 <= decorrelation < 1:
            raise SkyfixError(f"decorrelation must be from 0 to below 1, not {decorrelation}.")
        super().__init__(backbone, places, input_px, dropout, parts=1, stride=32)
        self.decorrelation = decorrelation

    def pool(self, features: Tensor) -> Tensor:
        """Average over the whole map, ``(N, C, h, w)`` to ``(N, 1, C)``."""
        return features.mean(dim=(2, 3)).unsqueeze(1)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of each view, and the decorrelation if there is any.

        Raises:
            SkyfixError: decorrelation of images that are no pairs.
        """
        if not self.decorrelation:
            return super().objective(batch)
        first, second = batch.places.values()
        if not torch.equal(first, second):
            raise SkyfixError(
                "Decorrelation compares two images of each place. Sample pairs with --set "
                "sampler.pairing=places --set sampler.images_per_place=1."
            )
        terms, vectors = {}, []
        for view, images in batch.images.items():
            pooled = self.pool(self.features(images))
            logits = self.heads.classify(self.heads.embed(pooled))
            classification = part_cross_entropy(logits, batch.places[view])
            terms[f"classification_{view}"] = (1 - self.decorrelation) * classification
            vectors.append(F.batch_norm(pooled.flatten(1), None, None, training=True))
        loss = decorrelation(vectors[0], vectors[1], _OFF_DIAGONAL)
        terms["decorrelation"] = self.decorrelation * loss
        return {**terms, "total": sum_of(terms)}

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``. Older timm counted a downsampling to the stage before it."""
        if key.startswith("model."):
            name = re.sub(
                r"^layers\.(\d)\.downsample",
                lambda stage: f"layers.{int(stage[1]) + 1}.downsample",
                key.removeprefix("model."),
            )
            return f"backbone.net.{name}", None
        layer, _, tensor = key.removeprefix("classifier.").rpartition(".")
        return head_key(f"{_FAMILY_NAMES.get(layer)}.{tensor}", 0)
