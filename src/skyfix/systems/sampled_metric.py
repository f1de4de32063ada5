"""The metric-learning baselines of University-1652: contrastive, triplet and soft-margin loss."""

from abc import abstractmethod
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone, load_weights
from skyfix.losses.contrastive import cosine_contrastive
from skyfix.losses.cosine_triplet import cosine_triplet
from skyfix.losses.hardest import hardest_similarities
from skyfix.losses.reduction import REDUCTIONS, Reduction
from skyfix.losses.soft_margin import soft_margin
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation, System
from skyfix.views import View

_STRIDE: Literal[32] = 32
_CITATION = Citation(
    title="University-1652: A Multi-view Multi-source Benchmark for Drone-based Geo-localization",
    authors="Zheng, Wei, Yang",
    venue="ACM MM",
    year=2020,
    code="layumi/University1652-triplet-loss",
    code_licence="none",
)


class SampledMetric(System):
    """A pooled and batch-normalized backbone, trained on hard pairs of sampled places.

    Anchors are satellite images. An anchor's positive is the least similar of its own drone
    images in the batch, its negative the most similar one of another place in a random pool.

    The recipe is that of the authors' scripts: 32 anchors with four drone images each, 70
    epochs, mirroring as the only augmentation.

    Args:
        backbone: name of a timm network, used with its own last stride.
        input_px: side of the square input in px.
        pool: drone images that negatives are looked for in; 0 means all of the batch.
        reduction: ``mean`` or ``sum`` over anchors.

    Raises:
        SkyfixError: unknown reduction, or an input that is too small.
    """

    citation = _CITATION
    paper_recipe = Recipe(
        optim=Optim(lr=0.01),
        schedule=Schedule(kind="multistep", epochs=70, milestones=(40, 60)),
        augment=Augment(pad_px=0, satellite_rotation_deg=0.0),
        sampler=Sampler(pairing="places", batch_size=32, images_per_place=4),
    )

    def __init__(self, backbone: str, input_px: int, pool: int, reduction: Reduction) -> None:
        if reduction not in REDUCTIONS:
            raise SkyfixError(
                f"Unknown reduction {reduction!r}. Choose one of: {', '.join(REDUCTIONS)}."
            )
        if input_px < _STRIDE:
            raise SkyfixError(f"input_px must be at least {_STRIDE}, not {input_px}.")
        size = (input_px, input_px)
        network = Backbone(backbone, size, _STRIDE)
        super().__init__(Preprocess(size, network.mean, network.std), network.channels)
        self.backbone, self.norm = network, nn.BatchNorm1d(network.channels)
        self.pool, self.reduction = pool, reduction
        nn.init.normal_(self.norm.weight, mean=1.0, std=0.02)

    @abstractmethod
    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Loss of the anchors' similarities ``(N,)`` with their positives and negatives."""

    def features(self, images: Tensor) -> Tensor:
        """Unit features ``(N, D)`` of images ``(N, 3, H, W)``."""
        return F.normalize(self.norm(self.backbone.vector(images)))

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)``: the sum over the image and its mirror image."""
        return F.normalize(self.features(images) + self.features(images.flip(-1)))

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """See ``System.feature_map``."""
        return self.backbone(images)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """The metric loss. Drone images of a place stand side by side, places in one order."""
        anchors = self.features(batch.images["satellite"])
        candidates = self.features(batch.images["drone"])
        positive, negative = hardest_similarities(
            anchors, candidates, batch.places["satellite"], self.pool
        )
        loss = self.loss(positive, negative)
        return {self.name: loss, "total": loss}

    def load_backbone(self, weights: str | Path) -> None:
        """Fill the backbone (see ``layers.backbone.load_weights``)."""
        load_weights(self.backbone, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """The batch norm."""
        return list(self.norm.parameters())

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``; the authors' classifier is never trained."""
        if key.startswith("model.fc.") or key.startswith("classifier.classifier."):
            return None
        ours = key.replace("classifier.add_block.0.", "norm.")
        return ("backbone.net." + key.removeprefix("model.") if ours == key else ours), None


@register
class Contrastive(SampledMetric):
    """Contrastive loss that drives negatives to the opposite, cosine -1, as the authors' script.

    Args:
        backbone: name of a timm network; ResNet-50 with stride 2 in the paper.
        input_px: side of the square input in px.
        pool: drone images that negatives are looked for in; 0 means all of the batch.
        reduction: the authors sum over anchors; their learning rate goes with it.
    """

    name = "contrastive"

    def __init__(
        self,
        backbone: str = "resnet50",
        input_px: int = 256,
        pool: int = 96,
        reduction: Reduction = "sum",
    ) -> None:
        super().__init__(backbone, input_px, pool, reduction)

    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See ``losses.contrastive.cosine_contrastive``."""
        return cosine_contrastive(positive, negative, self.reduction)


@register
class Triplet(SampledMetric):
    """Triplet loss on cosine similarities.

    Args:
        backbone: name of a timm network; ResNet-50 with stride 2 in the paper.
        input_px: side of the square input in px.
        pool: drone images that negatives are looked for in; 0 means all of the batch.
        reduction: the authors sum over anchors; their learning rate goes with it.
        margin: 0.3 or 0.5 in the paper.
    """

    name = "triplet"

    def __init__(
        self,
        backbone: str = "resnet50",
        input_px: int = 256,
        pool: int = 96,
        reduction: Reduction = "sum",
        margin: float = 0.3,
    ) -> None:
        super().__init__(backbone, input_px, pool, reduction)
        self.margin = margin

    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See ``losses.cosine_triplet``."""
        return cosine_triplet(positive, negative, self.margin, self.reduction)


@register
class SoftMargin(SampledMetric):
    """Soft-margin triplet loss on cosine similarities.

    Args:
        backbone: name of a timm network; ResNet-50 with stride 2 in the paper.
        input_px: side of the square input in px.
        pool: drone images that negatives are looked for in; 0 means all of the batch.
        reduction: over anchors. The authors' script has none and stops at it; the mean is
            skyfix's choice.
        alpha: weight; 1 in the authors' script, although the paper speaks of a weighted loss.
    """

    name = "soft_margin"

    def __init__(
        self,
        backbone: str = "resnet50",
        input_px: int = 256,
        pool: int = 96,
        reduction: Reduction = "mean",
        alpha: float = 1.0,
    ) -> None:
        super().__init__(backbone, input_px, pool, reduction)
        self.alpha = alpha

    def loss(self, positive: Tensor, negative: Tensor) -> Tensor:
        """See ``losses.soft_margin``."""
        return soft_margin(positive, negative, self.alpha, self.reduction)
