"""Training batches: each one a pure function of the seed and the step.

That is what lets a killed run go on with exactly the images it would have seen.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms

from skyfix.errors import SkyfixError
from skyfix.images import ImageError, read_image
from skyfix.systems.preprocess import Preprocess, fitted
from skyfix.systems.recipe import Augment, Sampler
from skyfix.views import View

_DECODE_MARGIN = 2


@dataclass(frozen=True)
class ViewImages:
    """Training images of one view.

    Attributes:
        paths: image files.
        classes: ``(N,)`` class index of each.
        altitude_m: ``(N,)`` above ground, NaN where unknown; None if all are.
    """

    paths: Sequence[Path]
    classes: np.ndarray
    altitude_m: np.ndarray | None = None


@dataclass(frozen=True)
class StepImages:
    """One step's images before normalization.

    Attributes:
        images: per view uint8 ``(N, 3, H, W)``.
        places: per view ``(N,)`` class indices.
        altitude_m: per view ``(N,)`` float32 above ground, NaN where unknown.
        unreadable: what was left out, and why.
    """

    images: dict[View, Tensor]
    places: dict[View, Tensor]
    altitude_m: dict[View, Tensor]
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """What was drawn of one view; ``None`` in place of an image that cannot be read."""

    images: list[Tensor | None]
    places: np.ndarray
    altitude_m: np.ndarray


class StepDataset(Dataset[StepImages]):
    """Item ``step`` is the batch of that step.

    Views or places are shuffled anew each epoch (see ``Sampler``). An epoch ends with the view
    that has the fewest images, or with the last place; an incomplete last batch is left out.

    Args:
        views: training images per view.
        sampler: how they are drawn.
        augment: training transforms.
        preprocess: size of each view's input.
        seed: decides order and augmentation.

    Raises:
        SkyfixError: fewer images or places than one batch.
    """

    def __init__(
        self,
        views: dict[View, ViewImages],
        sampler: Sampler,
        augment: Augment,
        preprocess: dict[View, Preprocess],
        seed: int,
    ) -> None:
        self._by_place = [_rows_by_place(images.classes) for images in views.values()]
        paired = sampler.pairing == "places"
        counts = [len(images.paths) for images in views.values()]
        count = min(map(len, self._by_place)) if paired else min(counts)
        if count < sampler.batch_size:
            raise SkyfixError(
                f"There are {count} training {'places' if paired else 'images of one view'}, fewer "
                f"than a batch of {sampler.batch_size}. Lower it with --set sampler.batch_size=N."
            )
        self.steps_per_epoch = count // sampler.batch_size
        self._views, self._sampler, self._seed = views, sampler, seed
        self._preprocess = preprocess
        self._transforms = {view: _transform(view, augment, preprocess[view]) for view in views}
        self._order = functools.lru_cache(maxsize=2 * len(views))(self._shuffled)

    def __getitem__(self, step: int) -> StepImages:
        epoch, position = divmod(step, self.steps_per_epoch)
        rows: dict[View, _Rows] = {}
        unreadable: list[str] = []
        for number, (view, source) in enumerate(self._views.items()):
            chosen = self._chosen(number, view, epoch, position)
            images = [
                self._try(source.paths[index], view, (number, epoch, int(index), row), unreadable)
                for row, index in enumerate(chosen)
            ]
            known = source.altitude_m
            altitude_m = np.full(len(chosen), np.nan) if known is None else known[chosen]
            rows[view] = _Rows(images, source.classes[chosen], altitude_m)
        return _complete(rows, tuple(unreadable), self._sampler.pairing == "places")

    def _try(
        self, path: Path, view: View, key: tuple[int, ...], unreadable: list[str]
    ) -> Tensor | None:
        try:
            image = read_image(path, _DECODE_MARGIN * max(self._preprocess[view].resized_px))
        except ImageError as error:
            unreadable.append(str(error))
            return None
        state = np.random.SeedSequence((self._seed, *key)).generate_state(1)[0]
        # torchvision's transforms draw from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(state))
            transformed = self._transforms[view](image)
        return torch.from_numpy(np.array(transformed)).permute(2, 0, 1)

    def _chosen(self, number: int, view: View, epoch: int, position: int) -> np.ndarray:
        """Indices of one view's images in a step."""
        size = self._sampler.batch_size
        part = slice(position * size, (position + 1) * size)
        if self._sampler.pairing == "views":
            return self._order(number, epoch, len(self._views[view].paths))[part]
        # One order for all views: row i is the same place everywhere.
        places = self._order(len(self._views), epoch, len(self._by_place[number]))[part]
        count = 1 if view == "satellite" else self._sampler.images_per_place
        generator = np.random.default_rng((self._seed, number, epoch, position))
        candidates = [self._by_place[number][place] for place in places]
        return np.concatenate(
            [generator.choice(rows, count, replace=len(rows) < count) for rows in candidates]
        )

    def _shuffled(self, stream: int, epoch: int, count: int) -> np.ndarray:
        return np.random.default_rng((self._seed, stream, epoch)).permutation(count)


def _rows_by_place(classes: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(classes))[:-1])


def _complete(rows: dict[View, _Rows], unreadable: tuple[str, ...], paired: bool) -> StepImages:
    """Leave out what could not be read; of paired views, the whole place."""
    lost = {
        int(place)
        for drawn in rows.values()
        for place, image in zip(drawn.places, drawn.images, strict=True)
        if image is None and paired
    }
    images: dict[View, Tensor] = {}
    places: dict[View, Tensor] = {}
    altitude_m: dict[View, Tensor] = {}
    for view, drawn in rows.items():
        read = {row: image for row, image in enumerate(drawn.images) if image is not None}
        kept = [row for row in read if int(drawn.places[row]) not in lost]
        if len(kept) < 2:
            raise SkyfixError(f"Hardly any image of a batch can be read: {unreadable[-1]}")
        images[view] = torch.stack([read[row] for row in kept])
        places[view] = torch.from_numpy(drawn.places[kept])
        altitude_m[view] = torch.from_numpy(drawn.altitude_m[kept].astype(np.float32))
    return StepImages(images, places, altitude_m, unreadable)


def _transform(view: View, augment: Augment, preprocess: Preprocess) -> transforms.Compose:
    size = list(preprocess.input_px)
    steps: list[object] = [
        functools.partial(fitted, preprocess=preprocess),
        transforms.Pad(augment.pad_px, padding_mode="edge"),
    ]
    if view == "satellite" and augment.satellite_rotation_deg:
        steps.append(transforms.RandomAffine(augment.satellite_rotation_deg))
    steps += [transforms.RandomCrop(size), transforms.RandomHorizontalFlip(augment.flip)]
    return transforms.Compose(steps)
