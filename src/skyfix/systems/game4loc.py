"""Game4Loc: InfoNCE weighted by how much the footprints of a pair overlap."""

from typing import Literal, get_args

import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.losses.info_nce import weighted_info_nce
from skyfix.losses.semihard_triplet import semihard_triplet
from skyfix.systems.pair_system import PairSystem, paired
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation

Loss = Literal["info_nce", "triplet"]


@register
class Game4Loc(PairSystem):
    """A shared ViT trained on drone photos and tiles that overlap in part.

    Batches without overlaps train it as full pairs, with label smoothing. The recipe is the
    authors' for the cross-area split of GTA-UAV, 20 epochs for the same-area one. It leaves out
    mirroring of both views together and quarter turns of the drone image, and the sampler that
    keeps tiles connected to each other out of a batch.

    Args:
        backbone: name of a timm network, with the tag of its weights.
        input_px: side of the square input in px.
        sharpness: how fast a label grows sure with the overlap, k in the paper.
        loss: ``info_nce`` (the paper), or ``triplet``, which the authors' code holds as well:
            margin 0.2 on semi-hard triplets of both views together, whatever the overlaps.

    Raises:
        SkyfixError: unknown loss.
    """

    name = "game4loc"
    citation = Citation(
        title="Game4Loc: A UAV Geo-Localization Benchmark from Game Data",
        authors="Ji et al.",
        venue="AAAI",
        year=2025,
        code="Yux1angJi/GTA-UAV",
        code_licence="Apache-2.0",
    )
    paper_recipe = Recipe(
        optim=Optim(kind="adamw", lr=1e-4, backbone_scale=1.0, weight_decay=0.01, clip_value=100),
        schedule=Schedule(kind="cosine", epochs=5, warmup_epochs=0.1),
        augment=Augment(
            pad_px=0,
            satellite_rotation_deg=0.0,
            flip=0.0,
            joint_flip=0.5,
            quarter_turns="photo",
        ),
        sampler=Sampler(pairing="links", batch_size=64),
    )

    def __init__(
        self,
        backbone: str = "vit_base_patch16_rope_reg1_gap_256.sbb_in1k",
        input_px: int = 384,
        sharpness: float = 5.0,
        loss: Loss = "info_nce",
    ) -> None:
        if loss not in get_args(Loss):
            raise SkyfixError(f"Unknown loss {loss!r}. Choose one of: {', '.join(get_args(Loss))}.")
        super().__init__(backbone, input_px)
        self.sharpness, self.loss = sharpness, loss

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE, weighted if the batch knows its overlaps, or the triplet loss."""
        if self.loss == "triplet":
            vectors = torch.cat([self.backbone.vector(images) for images in paired(batch)])
            triplet = semihard_triplet(vectors, batch.places["satellite"].repeat(2))
            return {"triplet": triplet, "total": triplet}
        if batch.overlaps is None:
            return super().objective(batch)
        first, second = (self.backbone.vector(images) for images in paired(batch))
        loss = weighted_info_nce(first, second, self.scale(), batch.overlaps, self.sharpness)
        return {"info_nce": loss, "total": loss}
