"""Plain ImageNet features: the mark that every trained system has to beat."""

from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone, load_weights
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation, System
from skyfix.views import View


@register
class ImageNet(System):
    """Average-pooled features of a backbone as they are, without any training.

    Args:
        backbone: name of a timm network.
        input_px: side of the square input in px.
    """

    name = "imagenet"
    trainable = False
    citation = Citation(
        title="Features of a network trained on ImageNet classification",
        authors="-",
        venue="-",
        year=2012,
    )

    def __init__(self, backbone: str = "tf_efficientnet_lite0", input_px: int = 256) -> None:
        size = (input_px, input_px)
        network = Backbone(backbone, size, stride=32)
        super().__init__(Preprocess(size, network.mean, network.std), network.channels)
        self.backbone = network

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``; all views share the network."""
        return F.normalize(self.feature_map(images, view).mean(dim=(2, 3)))

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """See ``System.feature_map``."""
        return self.backbone(images)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Raises SkyfixError: there is nothing to train."""
        raise SkyfixError("imagenet is not trained. Choose another system, for example sdpl.")

    def load_backbone(self, weights: str) -> None:
        """Fill the backbone (see ``layers.backbone.load_weights``)."""
        load_weights(self.backbone, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """None: there is no head."""
        return []
