"""CVM-Net I and II: VGG16 and NetVLAD, with weights apart or shared between the views."""

from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from skyfix.errors import SkyfixError
from skyfix.layers.netvlad import NetVLAD
from skyfix.layers.vgg import VGG16
from skyfix.systems.ground_system import GroundSystem, paired_recipe
from skyfix.systems.registry import register
from skyfix.systems.system import Citation
from skyfix.views import View

Network = Literal["I", "II"]
Variant = Literal["paper", "released"]


@register
class CVMNet(GroundSystem):
    """Cross-view matching network.

    The recipe holds the authors' values: batch 12, Adam at 1e-5, 5 epochs a run of their script,
    which goes on from its last checkpoint. Their satellite augmentation (zoom up to 512 of 748 px
    and quarter turns) and their stage of hard mining are not part of it.

    Args:
        network: ``I`` gives each view its own NetVLAD and shares one linear layer; ``II`` aligns
            the maps by convolutions, two of them shared, and shares NetVLAD and projection.
        variant: ``paper`` scales the descriptor to unit length; ``released`` leaves that of II
            as it is, as the authors' code does, although it ranks by 2 - 2 <a, b>.
        satellite_px: side of the satellite input.
        ground_height_px, ground_width_px: size of the panorama's input.
        clusters: centres of a NetVLAD.
        width: length of the descriptor.
        dropout: after the trained convolutions.
        frozen_blocks: leading blocks of the VGG16s that are not trained.
        alpha: weight in the soft margin.

    Raises:
        SkyfixError: an unknown network or variant.
    """

    name = "cvm_net"
    citation = Citation(
        title="CVM-Net: Cross-View Matching Network for Image-Based Ground-to-Aerial "
        "Geo-Localization",
        authors="Hu et al.",
        venue="CVPR",
        year=2018,
        code="david-husx/crossview_localisation",
        code_licence="none",
    )
    paper_recipe = paired_recipe(batch_size=12, epochs=5).replaced(
        "augment", {"quarter_turns": "satellite", "satellite_zoom": 0.316}
    )
    author_names: ClassVar[dict[str, str]] = {
        "netvlad_sat/cluster_weights": "vlad.satellite.assignment.weight",
        "netvlad_sat/cluster_biases": "vlad.satellite.assignment.bias",
        "netvlad_sat/cluster_weights2": "vlad.satellite.centres",
        "netvlad_grd/cluster_weights": "vlad.ground.assignment.weight",
        "netvlad_grd/cluster_biases": "vlad.ground.assignment.bias",
        "netvlad_grd/cluster_weights2": "vlad.ground.centres",
        "dim_reduction/fc1/weights": "project.weight",
        "dim_reduction/fc1/biases": "project.bias",
        "transformation_trans/sat_trans_conv1/weights": "align.satellite.0.weight",
        "transformation_trans/sat_trans_conv1/biases": "align.satellite.0.bias",
        "transformation_trans/grd_trans_conv1/weights": "align.ground.0.weight",
        "transformation_trans/grd_trans_conv1/biases": "align.ground.0.bias",
        "transformation_trans_shared/trans_conv1/weights": "align_shared.0.weight",
        "transformation_trans_shared/trans_conv1/biases": "align_shared.0.bias",
        "transformation_trans_shared/trans_conv2/weights": "align_shared.3.weight",
        "transformation_trans_shared/trans_conv2/biases": "align_shared.3.bias",
        "netvlad/cluster_weights": "vlad.shared.assignment.weight",
        "netvlad/cluster_biases": "vlad.shared.assignment.bias",
        "netvlad/cluster_weights2": "vlad.shared.centres",
        "netvlad/hidden1_weights": "project.weight",
    }

    def __init__(
        self,
        network: Network = "I",
        variant: Variant = "paper",
        satellite_px: int = 512,
        ground_height_px: int = 224,
        ground_width_px: int = 1232,
        clusters: int = 64,
        width: int = 4096,
        dropout: float = 0.2,
        frozen_blocks: int = 3,
        alpha: float = 10.0,
    ) -> None:
        if network not in ("I", "II"):
            raise SkyfixError(f"Unknown network {network!r}. Choose one of: I, II.")
        if variant not in ("paper", "released"):
            raise SkyfixError(f"Unknown variant {variant!r}. Choose one of: paper, released.")
        super().__init__(
            (satellite_px, satellite_px),
            (ground_height_px, ground_width_px),
            width,
            last_pool=False,
            frozen_blocks=frozen_blocks,
            dropout=dropout,
            alpha=alpha,
        )
        self.network = network
        self.has_unit_rows = network == "I" or variant == "paper"
        channels = VGG16.channels
        shared = network == "II"
        self.align = nn.ModuleDict()
        self.align_shared = nn.Sequential()
        if shared:
            self.align.update({view: _aligned(channels, 1, dropout) for view in self.views})
            self.align_shared.extend(_aligned(channels, 3, dropout))
            self.align_shared.extend(_aligned(channels, 1, dropout))
        names = ("shared",) if shared else self.views
        self.vlad = nn.ModuleDict({name: NetVLAD(channels, clusters) for name in names})
        self.project = nn.Linear(channels * clusters, width, bias=not shared)
        _fill(self.project, clusters)

    def vectors(self, feature_map: Tensor, view: View) -> list[Tensor]:
        """See ``GroundSystem.vectors``: one vector."""
        if self.network == "II":
            feature_map = self.align_shared(self.align[view](feature_map))
            row = self.project(self.vlad["shared"](feature_map))
        else:
            row = self.project(self.vlad[view](feature_map))
        return [F.normalize(row) if self.has_unit_rows else row]


def _aligned(channels: int, kernel: int, dropout: float) -> nn.Sequential:
    convolution = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.Dropout(dropout))


def _fill(project: nn.Linear, clusters: int) -> None:
    """Initial values of the authors: I has a bias, II has none."""
    if project.bias is None:
        nn.init.normal_(project.weight, std=clusters**-0.5)
    else:
        nn.init.trunc_normal_(project.weight, std=0.005, a=-0.01, b=0.01)
        nn.init.constant_(project.bias, 0.1)
