"""Sample4Geo: one ConvNeXt, symmetric InfoNCE over large batches."""

from dataclasses import replace

from skyfix.systems.pair_system import PairSystem
from skyfix.systems.registry import register
from skyfix.systems.system import Citation


@register
class Sample4Geo(PairSystem):
    """A shared encoder trained with symmetric InfoNCE on pairs of unlike places.

    The recipe is that for University-1652: one epoch over all pairs, batches of 128 unlike
    places, no mining. The samplers by distance and by similarity, which the paper uses for
    street-level data, are not part of it.

    Args:
        backbone: name of a timm network, with the tag of its weights.
        input_px: side of the satellite and drone input; 384 in the paper.
        ground_height_px: height of a ground panorama, which is twice ``input_px`` wide; 140 for
            CVUSA and CVACT, 384 for VIGOR.
    """

    name = "sample4geo"
    citation = Citation(
        title="Sample4Geo: Hard Negative Sampling For Cross-View Geo-Localisation",
        authors="Deuser, Habel, Oswald",
        venue="ICCV",
        year=2023,
        code="Skyy93/Sample4Geo",
        code_licence="none",
    )

    def __init__(
        self,
        backbone: str = "convnext_base.fb_in22k_ft_in1k_384",
        input_px: int = 384,
        ground_height_px: int = 140,
    ) -> None:
        super().__init__(backbone, input_px)
        ground = replace(self.preprocess["ground"], input_px=(ground_height_px, 2 * input_px))
        self.preprocess = {**self.preprocess, "ground": ground}
