"""skyfix_s: the project's own small system, trained on pairs that are made while training."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.layers.backbone import STRIDE, Backbone
from skyfix.layers.descriptors import unit_parts
from skyfix.layers.gem import GeM
from skyfix.layers.partition import dense_parts, shifted_dense_parts
from skyfix.layers.pooling import gem_parts
from skyfix.losses.info_nce import info_nce
from skyfix.systems.pair_system import LABEL_SMOOTHING, LearnedScale, OneEncoder, paired
from skyfix.systems.part_system import check_sizes, sum_of
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule, Validation
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation
from skyfix.views import View

SHIFTS = 3


@register
class SkyfixS(OneEncoder):
    """Square rings and the whole map, side by side, learned by InfoNCE between the views.

    The map of one shared backbone is pooled twice. SDPL's dense partition at three shifts, which
    a linear layer on the map's mean weighs, gives parts around the centre; a square turned about
    its centre keeps most of its ground, so they hardly feel the heading. A generalized mean with
    learned exponents gives the whole. Each is embedded by a linear layer and a batch norm; a
    cosine of descriptors is the mean of the whole's cosine and of the parts' mean one.

    The statistics of the backbone's batch norms stay those of its first weights: training mixes
    real, cut and rendered images, whose common statistics are nobody's.

    Args:
        backbone: name of a timm network.
        input_px: side of the square input in px.
        rings: square rings b, giving b (b + 1) / 2 parts.
        part_width: length of a part's embedding.
        whole_width: length of the whole's embedding.
        part_weight: of the parts' own loss terms in the objective.

    Raises:
        SkyfixError: unknown backbone, or an input that is too small for the rings.
    """

    name = "skyfix_s"
    citation = Citation(
        title="The project's own: square rings and InfoNCE on real, cut and rendered pairs",
        authors="skyfix",
        venue="skyfix",
        year=2026,
        code_licence="Apache-2.0",
    )
    paper_recipe = Recipe(
        optim=Optim(kind="adamw", lr=1e-3, backbone_scale=0.5, weight_decay=0.01),
        schedule=Schedule(kind="cosine", steps=3000, warmup_epochs=5.0),
        augment=Augment(pad_px=0, satellite_rotation_deg=0.0, flip=0.0),
        sampler=Sampler(pairing="places", batch_size=256),
        validation=Validation(every_epochs=15),
    )

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        input_px: int = 256,
        rings: int = 4,
        part_width: int = 32,
        whole_width: int = 192,
        part_weight: float = 0.5,
    ) -> None:
        check_sizes(self.name, 1, input_px, 2 * STRIDE * rings)
        size = (input_px, input_px)
        network = Backbone(backbone, size)
        self.rings, self.part_weight = rings, part_weight
        parts = len(dense_parts(rings))
        preprocess = Preprocess(size, network.mean, network.std)
        super().__init__(preprocess, parts * part_width + whole_width)
        self.backbone, self.gem = network, GeM(network.channels)
        self.shift_weights = nn.Linear(network.channels, SHIFTS)
        self.part_heads = nn.Parameter(torch.empty(parts, part_width, network.channels))
        self.part_norm = nn.BatchNorm1d(parts * part_width)
        self.whole_head = nn.Linear(network.channels, whole_width, bias=False)
        self.whole_norm = nn.BatchNorm1d(whole_width)
        self.scale = LearnedScale()
        # Depthwise convolutions are the cost, and GPUs are faster at them in this order.
        network.to(memory_format=torch.channels_last)
        nn.init.normal_(self.part_heads, std=network.channels**-0.5)
        nn.init.zeros_(self.shift_weights.weight)
        nn.init.zeros_(self.shift_weights.bias)

    def train(self, mode: bool = True) -> "SkyfixS":
        """Training mode for all but the backbone's batch norms."""
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def embeddings(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(N, 3, H, W)`` to embeddings of the parts ``(N, K, w)`` and the whole."""
        feature_map = self.backbone(images)
        parts = self._pooled_parts(feature_map)
        embedded = torch.einsum("nkc,kwc->nkw", parts, self.part_heads.to(parts.dtype))
        embedded = self.part_norm(embedded.flatten(1)).view_as(embedded)
        whole = self.whole_norm(self.whole_head(self.gem(feature_map)))
        return embedded, whole

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``; all views share the network."""
        return _joined(*self.embeddings(images))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE of the descriptors, of the whole and, on average, of each part."""
        satellite, other = paired(batch)
        parts, whole = self.embeddings(torch.cat([satellite, other]))
        first, second = _joined(parts, whole).float().chunk(2)
        scale, count = self.scale(), len(satellite)
        each = [
            info_nce(part[:count].float(), part[count:].float(), scale, LABEL_SMOOTHING)
            for part in (whole, *parts.unbind(1))
        ]
        terms = {
            "info_nce": info_nce(first, second, scale, LABEL_SMOOTHING),
            "whole": self.part_weight * each[0],
            "parts": self.part_weight * torch.stack(each[1:]).mean(),
        }
        return {**terms, "total": sum_of(terms)}

    def _pooled_parts(self, feature_map: Tensor) -> Tensor:
        """The dense parts of a map, their shifts fused, ``(N, K, C)``."""
        partition = shifted_dense_parts(*feature_map.shape[-2:], self.rings)
        shifted = gem_parts(feature_map, partition).unflatten(1, (SHIFTS, -1))
        weights = self.shift_weights(feature_map.mean(dim=(2, 3))).softmax(dim=1)
        return torch.einsum("ns,nskc->nkc", weights.to(shifted.dtype), shifted)


def _joined(parts: Tensor, whole: Tensor) -> Tensor:
    """One unit row ``(N, D)`` of the parts ``(N, K, w)`` and the whole ``(N, W)``."""
    return torch.cat([unit_parts(parts), F.normalize(whole)], dim=1) / 2**0.5
