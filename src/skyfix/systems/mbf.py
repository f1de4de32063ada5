"""MBF: images fused with a sentence on the platform's altitude, bilinear pooling, square rings."""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers, numbered, part_answers
from skyfix.layers.backbone import STRIDE, load_weights
from skyfix.layers.bilinear import HierarchicalBilinearPooling
from skyfix.layers.descriptors import unit_parts
from skyfix.layers.heads import PartHeads
from skyfix.layers.partition import square_rings
from skyfix.layers.pooling import max_rings
from skyfix.layers.status_text import StatusText
from skyfix.layers.text_fusion import FusedFeatures, TextFusion
from skyfix.losses.classification import part_cross_entropy
from skyfix.losses.mined_triplet import mined_triplet
from skyfix.systems.part_system import EMBEDDING_WIDTH, check_sizes, head_key, sum_of
from skyfix.systems.preprocess import imagenet_preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation, System
from skyfix.views import View

_BILINEAR_WIDTH = 2048
_AUTHOR_MODULES = {
    "Vit_block": "fusion.middle_block",
    "proj": "to_map",
    "bilinear_proj": "bilinear.project",
}


@register
class MBF(System):
    """Multimodal, bilinear fusion of image and status text.

    Four parts: the first token ("global"), bilinear pooling of three maps, two square rings. As
    in the authors' code, the first token is the first patch, and the text token fills the last
    cell of the token maps. The authors encode the text with BERT; here it is ``status``, see
    ``layers.status_text``.

    Args:
        backbone: name of a timm hybrid ViT with one patch per cell.
        places: number of training places.
        input_px: side of the input; 384 in the paper.
        dropout: before each classifier.
        rings: number of square rings.
        camera_angle: state the camera's angle too, as the authors do on SUES-200.

    Raises:
        SkyfixError: no ring, or a backbone of another kind.
    """

    name = "mbf"
    own_tensors = ("status.vectors",)
    citation = Citation(
        title="UAV's Status Is Worth Considering: A Fusion Representations Matching Method for "
        "Geo-Localization",
        authors="Zhu et al.",
        venue="Sensors",
        year=2023,
        code="Reza-Zhu/MBF",
        code_licence="Apache-2.0",
    )
    paper_recipe = Recipe(
        optim=Optim(lr=0.01, backbone_scale=0.1, weight_decay=1e-4),
        schedule=Schedule(epochs=80, decay_epochs=25, decay=0.5, warmup_epochs=5.0),
        augment=Augment(flipped="satellite", photo_perspective=0.5),
        sampler=Sampler(batch_size=16),
    )
    """The authors' command. They warm up the loss, which scales the gradients as a warm-up of the
    rates does."""

    def __init__(
        self,
        backbone: str = "vit_base_r50_s16_384",
        places: int = 701,
        input_px: int = 384,
        dropout: float = 0.35,
        rings: int = 2,
        camera_angle: bool = False,
    ) -> None:
        check_sizes(self.name, places, input_px, STRIDE)
        if rings < 1:
            raise SkyfixError(f"The number of rings must be at least 1, not {rings}.")
        super().__init__(imagenet_preprocess(input_px), EMBEDDING_WIDTH * (2 + rings))
        self.fusion = TextFusion(backbone, (input_px, input_px))
        width, channels = self.fusion.width, self.fusion.map_channels
        self.status = StatusText(width, camera_angle)
        self.to_map = nn.Conv2d(width, channels, kernel_size=1)
        self.bilinear = HierarchicalBilinearPooling(channels, _BILINEAR_WIDTH)

        def heads(parts: int, inputs: int) -> PartHeads:
            return PartHeads(parts, inputs, EMBEDDING_WIDTH, places, dropout, gelu=True)

        self.token_head = heads(1, width)
        self.bilinear_head = heads(1, 3 * _BILINEAR_WIDTH)
        self.ring_heads = heads(rings, channels)
        self.rings = rings

    def pooled(self, images: Tensor, text: Tensor) -> list[tuple[PartHeads, Tensor]]:
        """Heads and what enters them, ``(N, K, C)``: first token, bilinear pooling, rings.

        Args:
            images: ``(N, 3, H, W)``.
            text: ``(N, C)`` vectors of their status, see ``text_vectors``.
        """
        features = self.fusion(images, text)
        size = features.convolutional.shape[-2:]
        middle, last = (self._map_of(tokens, size) for tokens in (features.middle, features.last))
        products = self.bilinear([features.convolutional, last, middle])
        return [
            (self.token_head, features.last[:, :1]),
            (self.bilinear_head, products.unsqueeze(1)),
            (self.ring_heads, max_rings(last, self.rings)),
        ]

    def part_embeddings(self, images: Tensor, text: Tensor) -> Tensor:
        """Part embeddings ``(N, 2 + rings, 512)``; arguments as in ``pooled``."""
        return torch.cat([heads.embed(parts) for heads, parts in self.pooled(images, text)], dim=1)

    @property
    def descriptor_parts(self) -> int:
        """First token, bilinear pooling and the rings."""
        return 2 + self.rings

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """The last tokens as a map, which the rings are cut from."""
        return self._last_map(self.fusion(images, self.text_vectors(view, images.shape[0])))

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """See ``System.part_maps``; bilinear pooling takes the whole map."""
        features = self.fusion(images, self.text_vectors(view, images.shape[0]))
        feature_map = self._last_map(features)
        whole = answers(feature_map)
        first = torch.zeros_like(whole)
        first[:, 0, 0] = features.last[:, 0].norm(dim=1)
        rings = square_rings(*feature_map.shape[-2:], self.rings)
        named = part_answers(feature_map, rings, numbered("ring", self.rings))
        return {"first token": first, "bilinear pooling": whole, **named}

    def _last_map(self, features: FusedFeatures) -> Tensor:
        return self._map_of(features.last, features.convolutional.shape[-2:])

    def _map_of(self, tokens: Tensor, size: torch.Size) -> Tensor:
        return self.to_map(tokens[:, 1:].transpose(1, 2).unflatten(2, size))

    def text_vectors(self, view: View, count: int, altitude_m: Tensor | None = None) -> Tensor:
        """Vectors ``(count, C)`` of the status of images.

        Args:
            altitude_m: ``(count,)`` metres above ground of drone photos, NaN where unknown;
                None if all are. Satellites have one sentence.

        Raises:
            SkyfixError: a view that has no sentence.
        """
        if view == "satellite":
            return self.status.satellite(count)
        if view != "drone":
            raise SkyfixError(f"mbf knows drone and satellite images only, not {view} ones.")
        if altitude_m is None:
            altitude_m = self.status.vectors.new_full((count,), torch.nan)
        return self.status.drone(altitude_m)

    def embed(self, images: Tensor, view: View, altitude_m: Tensor | None = None) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``.

        Args:
            altitude_m: see ``text_vectors``.
        """
        return self.described(images, self.text_vectors(view, images.shape[0], altitude_m))

    def embed_at(self, images: Tensor, view: View, altitude_m: Tensor) -> Tensor:
        """See ``System.embed_at``."""
        return self.embed(images, view, altitude_m)

    def described(self, images: Tensor, text: Tensor) -> Tensor:
        """Unit descriptors ``(N, D)``; arguments as in ``pooled``."""
        mirrored = self.part_embeddings(images.flip(-1), text)
        return unit_parts(self.part_embeddings(images, text) + mirrored)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy summed over parts, and the mined triplet loss, one of each a view."""
        terms = {}
        for view, images in batch.images.items():
            places = batch.places[view]
            text = self.text_vectors(view, images.shape[0], batch.altitude_m.get(view))
            outputs = [
                heads.features_and_logits(heads.embed(parts))
                for heads, parts in self.pooled(images, text)
            ]
            losses = [part_cross_entropy(logits, places) for _, logits in outputs]
            features = torch.cat([features for features, _ in outputs], dim=1)
            terms[f"classification_{view}"] = torch.stack(losses).sum()
            terms[f"triplet_{view}"] = mined_triplet(features.flatten(1), places)
        return {**terms, "total": sum_of(terms)}

    def load_backbone(self, weights: str | Path) -> None:
        """Fill the ViT (see ``layers.backbone.load_weights``)."""
        load_weights(self.fusion.backbone, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """The rings' heads; the authors train everything else at a tenth of their rate."""
        return list(self.ring_heads.parameters())

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``; the checkpoint names the shared network twice."""
        module, _, entry = key.partition(".")
        if module == "model_1":
            depth = len(self.fusion.backbone.net.blocks) - 1
            return f"fusion.backbone.net.{entry.replace('last_block.0', f'blocks.{depth}')}", None
        if module in _AUTHOR_MODULES:
            return f"{_AUTHOR_MODULES[module]}.{entry}", None
        entry = entry.replace("add_block.2", "add_block.1")
        if module in ("classifier", "classifier_hbp"):
            return head_key(entry, 0, "token_head" if module == "classifier" else "bilinear_head")
        ring = re.fullmatch(r"classifier(\d+)", module)
        return head_key(entry, int(ring[1]), "ring_heads") if ring else None
