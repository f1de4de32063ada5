"""The contract of a published system: network, objective and recipe."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.layers.answers import answers
from skyfix.systems.preprocess import Preprocess, normalized
from skyfix.systems.recipe import Recipe
from skyfix.views import VIEWS, View

WHOLE = "whole map"


@dataclass(frozen=True)
class Batch:
    """One training step's images.

    Attributes:
        images: per view ``(N, 3, H, W)``, preprocessed.
        places: per view ``(N,)`` class index of each image.
        overlaps: ``(N,)`` intersection over union of the footprints of row i's two images, for
            data whose pairs overlap in part.
        altitude_m: per view ``(N,)`` metres above ground, NaN where unknown, as far as known.
    """

    images: dict[View, Tensor]
    places: dict[View, Tensor]
    overlaps: Tensor | None = None
    altitude_m: dict[View, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Citation:
    """Where a system was published."""

    title: str
    authors: str
    venue: str
    year: int
    code: str = ""
    code_licence: str = ""


class System(nn.Module):
    """Base of every published system.

    Attributes:
        name: registered name.
        citation: where it was published.
        recipe: how it is trained; the paper's values unless replaced.
        options: constructor arguments, as a checkpoint records them (set by ``create``).
        views: the views that it is trained on, in the order of the authors' loop.
        any_photo: ground images can stand in for the drone images of ``views``.
        shows_maps: whether ``feature_map`` and ``part_maps`` can be asked.
        own_tensors: state that the authors' checkpoints do not hold.
        preprocess: how the images of each view enter.
        descriptor_dim: length D of a descriptor.
    """

    name: str
    citation: ClassVar[Citation]
    paper_recipe: ClassVar[Recipe] = Recipe()
    trainable: ClassVar[bool] = True
    views: ClassVar[tuple[View, ...]] = ("satellite", "drone")
    any_photo: ClassVar[bool] = False
    shows_maps: ClassVar[bool] = True
    own_tensors: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, preprocess: Preprocess | dict[View, Preprocess], descriptor_dim: int
    ) -> None:
        super().__init__()
        self.preprocess = (
            dict.fromkeys(VIEWS, preprocess) if isinstance(preprocess, Preprocess) else preprocess
        )
        self.descriptor_dim = descriptor_dim
        self.recipe = self.paper_recipe
        self.options: dict[str, Any] = {}

    @abstractmethod
    def embed(self, images: Tensor, view: View) -> Tensor:
        """Test-time descriptors of the paper, ``(N, 3, H, W)`` to unit rows ``(N, D)``."""

    @property
    def descriptor_parts(self) -> int:
        """Number K of parts that a descriptor lays together as ``layers.descriptors`` does."""
        return 1

    @abstractmethod
    def feature_map(self, images: Tensor, view: View) -> Tensor:
        """The map that the descriptor is pooled from, ``(N, 3, H, W)`` to ``(N, C, h, w)``."""

    def part_maps(self, images: Tensor, view: View) -> dict[str, Tensor]:
        """How strongly each cell answers in each part: maps ``(N, h, w)`` by the parts' names.

        An answer is the length of a cell's vector; it is zero where the part is not. Systems
        whose descriptor has no parts, or parts that are no places of the image, give one map.
        """
        return {WHOLE: answers(self.feature_map(images, view))}

    def embed_at(self, images: Tensor, view: View, altitude_m: Tensor) -> Tensor:
        """``embed`` for images of known altitude, which only some systems make use of.

        Args:
            altitude_m: ``(N,)`` metres above ground, NaN where unknown.
        """
        return self.embed(images, view)

    def embed_photos(self, photos: Tensor, view: View, altitude_m: Tensor) -> Tensor:
        """``embed_at`` for images as they are decoded: uint8 RGB ``(N, 3, H, W)``.

        It is what ``skyfix export`` writes: normalization cannot be forgotten or done twice.
        """
        return self.embed_at(normalized(photos, self.preprocess[view]), view, altitude_m)

    @abstractmethod
    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalar loss terms and their sum under ``"total"``."""

    @abstractmethod
    def load_backbone(self, weights: str) -> None:
        """Start from ``imagenet`` weights or from a file of backbone weights."""

    @abstractmethod
    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters that train at the full learning rate; all others are the backbone's."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The objective; distributed training calls a module through ``forward``."""
        return self.objective(batch)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimizer groups: heads at ``optim.lr``, the rest scaled by ``backbone_scale``."""
        optim = self.recipe.optim
        heads = self.head_parameters()
        chosen = {id(parameter) for parameter in heads}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in chosen]
        return [
            {"params": rest, "lr": optim.lr * optim.backbone_scale},
            {"params": heads, "lr": optim.lr},
        ]

    def author_key(self, key: str) -> tuple[str, int | None] | None:
        """Our tensor, and the part's index in it, for an entry of the authors' checkpoint.

        ``None`` for entries that do not take part in the descriptor.

        Raises:
            SkyfixError: a system whose authors' weights cannot be read.
        """
        raise SkyfixError(f"{self.name} has no authors' checkpoints to read.")

    def with_input_px(self, height: int, width: int) -> None:
        """Change the size that images are brought to (px)."""
        self.preprocess = {
            view: replace(entry, input_px=(height, width))
            for view, entry in self.preprocess.items()
        }
