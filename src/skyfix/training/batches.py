"""Training batches: each one a pure function of the seed and its number.

That is what lets a killed run go on with exactly the images it would have seen.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from skyfix.datasets.contract import Matches
from skyfix.errors import SkyfixError
from skyfix.images import ImageError, read_image
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.recipe import Augment, Sampler
from skyfix.training.augment import Augmentation, Joint, draw_joint
from skyfix.training.sampling import Drawing, Drawn, EachView, LinkedPairs, Places
from skyfix.views import View

_DECODE_MARGIN = 2
# Apart from the streams of the views, which are numbered from 0.
_JOINT_STREAM = 100


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
    """One batch's images before normalization.

    Attributes:
        images: per view uint8 ``(N, 3, H, W)``.
        places: per view ``(N,)`` class indices.
        altitude_m: per view ``(N,)`` float32 above ground, NaN where unknown.
        overlaps: ``(N,)`` float32, intersection over union of each pair's footprints; None where
            the views are no pairs of partial overlap.
        unreadable: what was left out, and why.
    """

    images: dict[View, Tensor]
    places: dict[View, Tensor]
    altitude_m: dict[View, Tensor]
    overlaps: Tensor | None
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """Which process of several this is; each takes its even share of every batch."""

    rank: int = 0
    processes: int = 1

    def of(self, count: int) -> slice:
        """This process's rows of ``count``."""
        first, last = (count * n // self.processes for n in (self.rank, self.rank + 1))
        return slice(first, last)


class StepDataset(Dataset[StepImages]):
    """Item ``number`` is that batch of the training.

    Args:
        views: training images per view.
        sampler: how they are drawn.
        augment: training transforms.
        preprocess: size of each view's input.
        seed: decides order and augmentation.
        matches: links from the photos to the tiles, of data whose pairs overlap in part.
        neighbours: ``(P, K)`` places easily confused with each, see ``Places``.
        shard: this process's share.

    Raises:
        SkyfixError: fewer images, places or pairs than one batch, or a batch that the processes
            cannot share evenly.
    """

    def __init__(
        self,
        views: dict[View, ViewImages],
        sampler: Sampler,
        augment: Augment,
        preprocess: dict[View, Preprocess],
        seed: int,
        matches: Matches | None = None,
        neighbours: np.ndarray | None = None,
        shard: Shard = Shard(),
    ) -> None:
        self._drawing = _drawing(views, sampler, seed, matches, neighbours)
        self.batches_per_epoch = self._drawing.batches_per_epoch
        if self.batches_per_epoch == 0:
            raise SkyfixError(
                f"There are fewer training {_COUNTED[sampler.pairing]} than a batch of "
                f"{sampler.batch_size}. Lower it with --set sampler.batch_size=N."
            )
        if sampler.batch_size % shard.processes:
            raise SkyfixError(
                f"{shard.processes} processes cannot share a batch of {sampler.batch_size} "
                "evenly. Change it with --set sampler.batch_size=N."
            )
        self._views, self._augment, self._seed, self._shard = views, augment, seed, shard
        self._preprocess = preprocess
        self._augmented = {view: Augmentation(view, augment, preprocess[view]) for view in views}

    def __getitem__(self, number: int) -> StepImages:
        epoch, position = divmod(number, self.batches_per_epoch)
        drawn = self._drawing(epoch, position)
        images: dict[View, list[Tensor | ImageError]] = {}
        for stream, view in enumerate(self._views):
            joint = self._joint(drawn, view, epoch, position)
            rows = drawn.rows[view]
            images[view] = [
                self._read(view, int(rows[row]), (stream, epoch, int(rows[row]), row), joint[row])
                for row in range(len(rows))[self._shard.of(len(rows))]
            ]
        return _complete(self._views, _share(drawn, self._shard), images)

    def _joint(self, drawn: Drawn, view: View, epoch: int, position: int) -> list[Joint]:
        if drawn.pairs is None:
            return [Joint()] * len(drawn.rows[view])
        key = (self._seed, _JOINT_STREAM, epoch, position)
        return [
            draw_joint(self._augment, np.random.default_rng((*key, int(pair))))
            for pair in drawn.pairs[view]
        ]

    def _read(
        self, view: View, row: int, key: tuple[int, ...], joint: Joint
    ) -> Tensor | ImageError:
        path = self._views[view].paths[row]
        try:
            image = read_image(path, _DECODE_MARGIN * max(self._preprocess[view].resized_px))
        except ImageError as error:
            return error
        state = np.random.SeedSequence((self._seed, *key)).generate_state(1)[0]
        # torchvision's transforms draw from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(state))
            return self._augmented[view](image, joint)


_COUNTED = {"views": "images of one view", "places": "places", "links": "pairs"}


def _drawing(
    views: dict[View, ViewImages],
    sampler: Sampler,
    seed: int,
    matches: Matches | None,
    neighbours: np.ndarray | None,
) -> Drawing:
    if sampler.pairing == "views":
        counts = {view: len(images.paths) for view, images in views.items()}
        return EachView(counts, sampler, seed)
    if sampler.pairing == "links" and matches is not None:
        return LinkedPairs(tuple(views), matches, sampler, seed)
    rows = {view: _rows_by_place(images.classes) for view, images in views.items()}
    return Places(rows, sampler, seed, neighbours)


def _rows_by_place(classes: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(classes))[:-1])


def _share(drawn: Drawn, shard: Shard) -> Drawn:
    def cut(sides: dict[View, np.ndarray]) -> dict[View, np.ndarray]:
        return {view: rows[shard.of(len(rows))] for view, rows in sides.items()}

    overlaps = drawn.overlaps
    return Drawn(
        cut(drawn.rows),
        drawn.pairs and cut(drawn.pairs),
        None if overlaps is None else overlaps[shard.of(len(overlaps))],
    )


def _complete(
    views: dict[View, ViewImages], drawn: Drawn, read: dict[View, list[Tensor | ImageError]]
) -> StepImages:
    """Leave out what could not be read; of pairs, both sides."""
    errors = [entry for side in read.values() for entry in side if isinstance(entry, ImageError)]
    good = {view: np.array([isinstance(x, Tensor) for x in side]) for view, side in read.items()}
    if drawn.pairs is not None:
        lost = np.concatenate([drawn.pairs[view][~good[view]] for view in views])
        good = {view: ~np.isin(drawn.pairs[view], lost) for view in views}
    if min(np.count_nonzero(rows) for rows in good.values()) < 2 and errors:
        raise SkyfixError(f"Hardly any image of a batch can be read: {errors[-1]}")
    images: dict[View, Tensor] = {}
    places: dict[View, Tensor] = {}
    altitude_m: dict[View, Tensor] = {}
    for view, source in views.items():
        kept = np.flatnonzero(good[view])
        rows, known = drawn.rows[view][kept], source.altitude_m
        images[view] = torch.stack(
            [x for x in (read[view][n] for n in kept) if isinstance(x, Tensor)]
        )
        places[view] = torch.from_numpy(source.classes[rows])
        heights = np.full(len(rows), np.nan) if known is None else known[rows]
        altitude_m[view] = torch.from_numpy(heights.astype(np.float32))
    overlaps = None
    if drawn.overlaps is not None:
        overlaps = torch.from_numpy(drawn.overlaps[good["satellite"]].astype(np.float32))
    return StepImages(images, places, altitude_m, overlaps, tuple(map(str, errors)))


def loading_processes(cuda: bool, ranks: int) -> int:
    """How many processes load images: one beside a CPU that trains, several beside a GPU.

    Args:
        cuda: whether a GPU trains.
        ranks: training processes that share this machine.
    """
    return max(1, min(8, (os.cpu_count() or 1) // ranks)) if cuda else 1
