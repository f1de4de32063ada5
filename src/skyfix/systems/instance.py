"""The University-1652 baseline: one descriptor, one classifier shared by all views."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.layers.gem import GeM
from skyfix.losses.circle import circle
from skyfix.losses.classification import part_cross_entropy
from skyfix.losses.contrastive import contrastive
from skyfix.losses.lifted import lifted_structure
from skyfix.losses.mined_triplet import mined_soft_margin, mined_triplet
from skyfix.systems.part_system import PartSystem, sum_of
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation

Pooling = Literal["average", "gem"]
Metric = Literal["none", "contrastive", "triplet", "soft_margin", "lifted", "circle"]
_METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "contrastive": contrastive,
    "triplet": mined_triplet,
    "soft_margin": mined_soft_margin,
    "lifted": lifted_structure,
    "circle": circle,
}


@register
class Instance(PartSystem):
    """Pooled map, bottleneck of 512, classification of places (instance loss).

    A metric loss on the features after dropout can be added, as the authors' code offers. Its
    soft margin is skyfix's own: the authors publish figures of one but not its code.

    Args:
        backbone: name of a timm network; the paper uses ResNet-50 with its last stride removed.
        places: number of training places.
        input_px: side of the input; 256 or 384 in the paper.
        dropout: before the classifier; 0.75 in the authors' command.
        pooling: ``average``, or ``gem`` with one learned exponent a channel.
        metric: ``none``; ``contrastive`` (margins 0 and 1); ``triplet`` (margin 0.3) or
            ``soft_margin`` (weight 10) on triplets that a multi-similarity miner keeps;
            ``lifted`` structure (margins 0 and 1); ``circle`` (margin 0.25, scale 32).
        merge_views: compare images across views too. Without it, as in the authors' default, a
            batch has positive pairs only where it happens to hold two images of a place in one
            view.

    Raises:
        SkyfixError: unknown pooling or metric.
    """

    name = "instance"
    citation = Citation(
        title="University-1652: A Multi-view Multi-source Benchmark for Drone-based "
        "Geo-localization",
        authors="Zheng, Wei, Yang",
        venue="ACM MM",
        year=2020,
        code="layumi/University1652-Baseline",
        code_licence="MIT",
    )

    def __init__(
        self,
        backbone: str = "resnet50",
        places: int = 701,
        input_px: int = 256,
        dropout: float = 0.75,
        pooling: Pooling = "average",
        metric: Metric = "none",
        merge_views: bool = False,
    ) -> None:
        if pooling not in ("average", "gem"):
            raise SkyfixError(f"Unknown pooling {pooling!r}. Choose one of: average, gem.")
        if metric not in ("none", *_METRICS):
            raise SkyfixError(
                f"Unknown metric {metric!r}. Choose one of: none, {', '.join(_METRICS)}."
            )
        super().__init__(backbone, places, input_px, dropout, parts=1)
        self.gem = GeM(self.backbone.channels) if pooling == "gem" else None
        self.metric, self.merge_views = metric, merge_views

    def pool(self, feature_map: Tensor) -> Tensor:
        """One vector of the whole map, ``(N, C, h, w)`` to ``(N, 1, C)``."""
        pooled = feature_map.mean(dim=(2, 3)) if self.gem is None else self.gem(feature_map)
        return pooled.unsqueeze(1)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of each view, and the metric loss of each view or of all together."""
        terms, features = {}, {}
        for view, images in batch.images.items():
            embeddings = self.part_embeddings(images)
            features[view], logits = self.heads.features_and_logits(embeddings)
            terms[f"classification_{view}"] = part_cross_entropy(logits, batch.places[view])
        if self.metric != "none":
            loss = _METRICS[self.metric]
            if self.merge_views:
                places = torch.cat([batch.places[view] for view in features])
                terms[self.metric] = loss(torch.cat(list(features.values())).flatten(1), places)
            else:
                for view, rows in features.items():
                    terms[f"{self.metric}_{view}"] = loss(rows.flatten(1), batch.places[view])
        return {**terms, "total": sum_of(terms)}

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key == "model_1.model.gem2.p":
            return "gem.exponent", None
        return super().author_key(key)
