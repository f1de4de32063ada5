"""Classified parts with a backbone for each view and heads that the views share."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, cast

from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import Backbone, load_weights
from skyfix.layers.descriptors import unit_parts
from skyfix.layers.heads import PartHeads
from skyfix.losses.classification import part_cross_entropy
from skyfix.systems.part_system import head_key, sum_of
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.system import Batch, System
from skyfix.views import View


class ViewPartSystem(System):
    """As ``PartSystem``, but the views share the heads alone.

    Args:
        preprocess: see ``System``.
        backbones: the network of each view.
        heads: one head a part.
    """

    author_networks: ClassVar[dict[str, View]] = {}
    """View of each network in the authors' checkpoint."""

    def __init__(
        self,
        preprocess: Preprocess | dict[View, Preprocess],
        backbones: Mapping[View, Backbone],
        heads: PartHeads,
    ) -> None:
        super().__init__(preprocess, heads.parts * heads.width)
        self.backbones = nn.ModuleDict({str(view): net for view, net in backbones.items()})
        self.heads = heads

    @abstractmethod
    def pool(self, feature_map: Tensor, view: View) -> Tensor:
        """A view's map ``(N, C, h, w)`` to parts ``(N, K, C)``."""

    def part_embeddings(self, images: Tensor, view: View) -> Tensor:
        """Images ``(N, 3, H, W)`` of one view to part embeddings ``(N, K, width)``.

        Raises:
            SkyfixError: a view that has no network.
        """
        return self.heads.embed(self.pool(self.feature_map(images, view), view))

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``, summed with the mirror image's.

        Raises:
            SkyfixError: a view that has no network.
        """
        mirrored = self.part_embeddings(images.flip(-1), view)
        return unit_parts(self.part_embeddings(images, view) + mirrored)

    @property
    def descriptor_parts(self) -> int:
        """One for each head."""
        return self.heads.parts

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """See ``System.feature_map``; a view that has no network is refused."""
        return self.backbone_of(view)(images)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy summed over parts, one term a view."""
        terms = {
            f"classification_{view}": part_cross_entropy(
                self.heads.classify(self.part_embeddings(images, view)), batch.places[view]
            )
            for view, images in batch.images.items()
        }
        return {**terms, "total": sum_of(terms)}

    def load_backbone(self, weights: str | Path) -> None:
        """Start all networks from the same weights (see ``layers.backbone.load_weights``)."""
        for view in self.views:
            load_weights(self.backbone_of(view), weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """The heads; the networks train at a fraction of their rate."""
        return list(self.heads.parameters())

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``."""
        model, _, entry = key.partition(".")
        if model in self.author_networks:
            name = entry.removeprefix("model.")
            return f"backbones.{self.author_networks[model]}.net.{name}", None
        found = re.fullmatch(r"classifier(\d*)", model)
        return head_key(entry, int(found[1] or 0)) if found else None

    def backbone_of(self, view: View) -> Backbone:
        """The network of a view.

        Raises:
            SkyfixError: there is none.
        """
        if view not in self.views:
            raise SkyfixError(
                f"{self.name} has networks for {' and '.join(self.views)} images only, not for "
                f"{view} ones. Choose another system, for example lpn."
            )
        return cast(Backbone, self.backbones[view])
