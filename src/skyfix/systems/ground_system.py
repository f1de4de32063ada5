"""What CVM-Net, SAFA and CVFT have in common: a VGG16 per view, trained on pairs."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.vgg import BGR_MEAN, VGG16, load_vgg_weights
from skyfix.losses.soft_margin import weighted_soft_margin
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Optim, Recipe, Sampler, Schedule
from skyfix.systems.system import Batch, System
from skyfix.views import View

_AUTHORS_VIEWS = {"sat": "satellite", "grd": "ground"}


class GroundSystem(System):
    """Satellite images and ground panoramas, each through its own VGG16.

    An image becomes one vector, or one a part; the descriptor lays these side by side, divided by
    the root of their number. Each part's vectors are trained with the weighted soft margin of
    Hu et al. over all pairs of a batch.

    Args:
        satellite_px, ground_px: (height, width) of the input of each view.
        descriptor_dim: length D of a descriptor.
        last_pool, frozen_blocks, dropout: see ``layers.vgg.VGG16``.
        alpha: see ``losses.soft_margin.weighted_soft_margin``.
        polar_px: see ``Preprocess``, for satellite images.

    Raises:
        SkyfixError: sizes or numbers that do not fit.
    """

    views = ("satellite", "ground")
    author_names: ClassVar[dict[str, str]] = {}
    """Our tensor for each variable of the authors' checkpoint outside the VGG16s."""

    def __init__(
        self,
        satellite_px: tuple[int, int],
        ground_px: tuple[int, int],
        descriptor_dim: int,
        *,
        last_pool: bool,
        frozen_blocks: int,
        dropout: float,
        alpha: float,
        polar_px: int = 0,
    ) -> None:
        smallest = 32 if last_pool else 16
        if min(*satellite_px, *ground_px) < smallest:
            raise SkyfixError(f"{self.name}: the inputs must have {smallest} px or more a side.")
        mean, std = tuple(value / 255 for value in BGR_MEAN), (1 / 255,) * 3
        satellite = Preprocess(satellite_px, mean, std, "area", bgr=True, polar_px=polar_px)
        ground = Preprocess(ground_px, mean, std, "area", bgr=True)
        super().__init__(
            {"satellite": satellite, "ground": ground, "drone": ground}, descriptor_dim
        )
        self.alpha = alpha
        self.vgg = nn.ModuleDict(
            {view: VGG16(dropout, last_pool, frozen_blocks) for view in self.views}
        )

    @abstractmethod
    def vectors(self, feature_map: Tensor, view: View) -> list[Tensor]:
        """A VGG16's map ``(N, 512, h, w)`` to vectors ``(N, D_k)`` of its parts."""

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, D)`` of images ``(N, 3, H, W)``.

        Raises:
            SkyfixError: a view that the system does not know.
        """
        parts = self._parts(images, view)
        return torch.cat(parts, dim=1) / len(parts) ** 0.5

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted soft margin, summed over parts.

        Raises:
            SkyfixError: row i of the two views does not show the same place.
        """
        if not torch.equal(batch.places["satellite"], batch.places["ground"]):
            raise SkyfixError(
                f"{self.name} is trained on pairs. Set sampler.pairing=places and "
                "sampler.images_per_place=1."
            )
        satellite, ground = (self._parts(batch.images[view], view) for view in self.views)
        ranking = torch.stack(
            [
                weighted_soft_margin(*pair, alpha=self.alpha)
                for pair in zip(satellite, ground, strict=True)
            ]
        ).sum()
        return {"ranking": ranking, "total": ranking}

    def map_size(self, view: View) -> tuple[int, int]:
        """(rows, columns) of a view's map."""
        return cast(VGG16, self.vgg[view]).map_size(*self.preprocess[view].input_px)

    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """The VGG16's map.

        Raises:
            SkyfixError: a view that the system does not know.
        """
        if view not in self.views:
            raise SkyfixError(
                f"{self.name} describes {' and '.join(self.views)} images, not {view} ones. "
                "Choose a system of that view, for example sdpl."
            )
        return self.vgg[view](images)

    def _parts(self, images: Tensor, view: View) -> list[Tensor]:
        return self.vectors(self.feature_map(images, view), view)

    def load_backbone(self, weights: str | Path) -> None:
        """Fill both VGG16s (see ``layers.vgg.load_vgg_weights``)."""
        for vgg in self.vgg.values():
            load_vgg_weights(vgg, weights)

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything that follows the VGG16s."""
        named = self.named_parameters()
        return [parameter for name, parameter in named if not name.startswith("vgg.")]

    def with_input_px(self, height: int, width: int) -> None:
        """Raises SkyfixError: each view has a size of its own, built into the network."""
        raise SkyfixError(
            f"{self.name} has one input size a view, fixed with its weights. Set them in [system] "
            "of the recipe and train again."
        )

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """See ``System.author_key``; the authors' variables are TensorFlow's."""
        scope, _, rest = key.partition("/")
        layer, _, kind = rest.partition("/")
        ending = {"weights": "weight", "biases": "bias"}.get(kind)
        if scope.startswith("VGG_") and ending:
            view = _AUTHORS_VIEWS[scope.removeprefix("VGG_")]
            return f"vgg.{view}.{layer}.{ending}", None
        return (self.author_names[key], None) if key in self.author_names else None


def paired_recipe(batch_size: int, epochs: int) -> Recipe:
    """Adam at 1e-5 for all layers, pairs, no augmentation."""
    return Recipe(
        optim=Optim(kind="adam", lr=1e-5, backbone_scale=1.0, weight_decay=0.0),
        schedule=Schedule(kind="constant", epochs=epochs),
        augment=Augment(pad_px=0, satellite_rotation_deg=0.0, flip=0.0),
        sampler=Sampler(pairing="places", batch_size=batch_size),
    )
