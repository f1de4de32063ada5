"""What DAC and MEAN have in common: InfoNCE, classified branches, aligned maps."""

from abc import abstractmethod

from torch import Tensor, nn

from skyfix.losses.alignment import map_alignment
from skyfix.losses.classification import mean_cross_entropy
from skyfix.systems.convnext_names import timm_name
from skyfix.systems.pair_system import STRIDE, PairSystem, paired
from skyfix.systems.part_system import check_sizes, sum_of
from skyfix.systems.system import Batch

EMBEDDING_WIDTH = 512
PROJECTION_WIDTH = 256


class CellProjection(nn.Sequential):
    """Cells ``(N, C, P)`` to ``(N, 256, P)``, each by the same two-layer network."""

    def __init__(self, channels: int) -> None:
        first = nn.Conv1d(channels, 2 * channels, 1, bias=False)
        second = nn.Conv1d(2 * channels, PROJECTION_WIDTH, 1, bias=False)
        super().__init__(first, nn.BatchNorm1d(2 * channels), nn.ReLU(), second)
        for layer in (first, second):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


class AlignedSystem(PairSystem):
    """A ``PairSystem`` whose map is classified in branches and aligned between the views.

    Branches and aligned maps serve training alone; the descriptor is the backbone's vector.

    Args:
        backbone: name of a timm CNN.
        places: number of training places.
        input_px: side of the square input in px.
        classification_weight: factor of the branches' cross-entropy.
        alignment_weight: factor of the alignment loss.
    """

    def __init__(
        self,
        backbone: str,
        places: int,
        input_px: int,
        classification_weight: float,
        alignment_weight: float,
    ) -> None:
        check_sizes(self.name, places, input_px, STRIDE)
        super().__init__(backbone, input_px)
        self.classification_weight = classification_weight
        self.alignment_weight = alignment_weight

    @abstractmethod
    def branch_logits(self, feature_map: Tensor, vector: Tensor) -> Tensor:
        """A map ``(N, C, h, w)`` and its vector ``(N, C)`` to logits ``(N, K, places)``."""

    @abstractmethod
    def aligned_map(self, feature_map: Tensor) -> Tensor:
        """A map ``(N, C, h, w)`` to what is compared between the views, ``(N, C', h * w)``."""

    def alignment(self, first: Tensor, second: Tensor) -> Tensor:
        """Alignment loss of two views' ``aligned_map``."""
        return map_alignment(first, second)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE, cross-entropy averaged over branches and summed over views, alignment."""
        vectors, logits, maps = [], [], []
        for images in paired(batch):
            feature_map, vector = self.backbone.map_and_vector(images)
            vectors.append(vector)
            logits.append(self.branch_logits(feature_map, vector))
            maps.append(self.aligned_map(feature_map))
        places = batch.places["satellite"]
        first, second = (mean_cross_entropy(x, places) for x in logits)
        terms = {
            "info_nce": self.info_nce(*vectors),
            "classification": self.classification_weight * (first + second),
            "alignment": self.alignment_weight * self.alignment(*maps),
        }
        return {**terms, "total": sum_of(terms)}

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key == "logit_scale":
            return "scale.log", None
        if key.startswith("model_1.convnext."):
            name = timm_name(key.removeprefix("model_1.convnext."))
            return (f"backbone.net.{name}", None) if name else None
        return self.branch_key(key.removeprefix("model_1."))

    @abstractmethod
    def branch_key(self, key: str) -> tuple[str, int | None] | None:
        """``author_key`` for entries of the branches, without ``model_1.``."""
