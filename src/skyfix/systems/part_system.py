"""What the University-1652 family has in common: backbone, pooled parts, one head per part."""

from abc import abstractmethod
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import STRIDE, Backbone, load_weights
from skyfix.layers.descriptors import unit_parts
from skyfix.layers.heads import PartHeads
from skyfix.losses.classification import part_cross_entropy
from skyfix.systems.preprocess import Preprocess, imagenet_preprocess
from skyfix.systems.system import Batch, System
from skyfix.views import View

EMBEDDING_WIDTH = 512


class PartSystem(System):
    """Parts of one shared backbone's features, each embedded and classified by its own head.

    The test-time descriptor is the sum over the image and its mirror image, each part scaled to
    unit length and divided by the root of their number.

    Args:
        backbone: name of a timm network.
        places: number of training places.
        input_px: side of the square input in px.
        dropout: probability before each classifier.
        parts: number of parts.
        stride: of the backbone's map, see ``layers.backbone.Backbone``.
        norm_spread: see ``layers.heads.PartHeads``.
        imagenet_colours: normalize colours by ImageNet's mean and standard deviation even if the
            backbone's weights expect others.
        width: length of a part's embedding.
    """

    def __init__(
        self,
        backbone: str,
        places: int,
        input_px: int,
        dropout: float,
        parts: int,
        *,
        stride: Literal[16, 32] = STRIDE,
        norm_spread: float = 0.02,
        imagenet_colours: bool = False,
        width: int = EMBEDDING_WIDTH,
    ) -> None:
        check_sizes(self.name, places, input_px, stride)
        size = (input_px, input_px)
        network = Backbone(backbone, size, stride)
        heads = PartHeads(parts, network.channels, width, places, dropout, norm_spread=norm_spread)
        preprocess = (
            imagenet_preprocess(input_px)
            if imagenet_colours
            else Preprocess(size, network.mean, network.std)
        )
        super().__init__(preprocess, descriptor_dim=width * parts)
        self.backbone, self.heads = network, heads

    def features(self, images: Tensor) -> Tensor:
        """What is cut into parts: the backbone's map ``(N, C, h, w)`` unless said otherwise."""
        return self.backbone(images)

    @abstractmethod
    def pool(self, features: Tensor) -> Tensor:
        """Features, such as a map ``(N, C, h, w)``, to parts ``(N, K, C)``."""

    def part_embeddings(self, images: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` to part embeddings ``(N, K, width)``."""
        return self.heads.embed(self.pool(self.features(images)))

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``; all views share the network."""
        mirrored = self.part_embeddings(images.flip(-1))
        return unit_parts(self.part_embeddings(images) + mirrored)

    @property
    def descriptor_parts(self) -> int:
        """One for each head."""
        return self.heads.parts

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """See ``System.feature_map``."""
        return self.backbone(images)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy summed over parts, one term a view."""
        terms = {
            f"classification_{view}": part_cross_entropy(
                self.heads.classify(self.part_embeddings(images)), batch.places[view]
            )
            for view, images in batch.images.items()
        }
        return {**terms, "total": sum_of(terms)}

    def load_backbone(self, weights: str | Path) -> None:
        """Fill the backbone (see ``layers.backbone.load_weights``)."""
        load_weights(self.backbone, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """The heads; the paper trains everything else at a tenth of their rate."""
        return list(self.heads.parameters())

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        if key.startswith("model_1.model.") and ".fc." not in key:
            return key.replace("model_1.model.", "backbone.net."), None
        head, _, entry = key.partition(".")
        index = head.removeprefix("classifier") or "0"
        return head_key(entry, int(index)) if index.isdigit() else None


def sum_of(terms: dict[str, Tensor]) -> Tensor:
    """Sum of scalar terms."""
    return sum(terms.values(), start=next(iter(terms.values())).new_zeros(()))


def check_sizes(name: str, places: int, input_px: int, stride: int) -> None:
    """Refuse numbers that no network can be built with.

    Raises:
        SkyfixError: no place, or an input smaller than one cell.
    """
    if places < 1:
        raise SkyfixError(f"{name} needs at least one place to classify, not {places}.")
    if input_px < stride:
        raise SkyfixError(f"input_px must be at least {stride}, not {input_px}.")


_HEAD_TENSORS: dict[str, str] = {
    "add_block.0.weight": "bottleneck_weight",
    "add_block.0.bias": "bottleneck_bias",
    "add_block.1.weight": "norm.weight",
    "add_block.1.bias": "norm.bias",
    "add_block.1.running_mean": "norm.running_mean",
    "add_block.1.running_var": "norm.running_var",
    "classifier.0.weight": "classifier_weight",
    "classifier.0.bias": "classifier_bias",
}


def head_key(entry: str, part: int, heads: str = "heads") -> tuple[str, int] | None:
    """Our tensor and the part's index for an entry of one of the family's heads.

    Args:
        entry: its name below the head, such as ``add_block.0.weight``.
        heads: name of our ``PartHeads``.
    """
    tensor = _HEAD_TENSORS.get(entry)
    return (f"{heads}.{tensor}", part) if tensor else None
