"""Batches of pairs that are made while training: real ones seen anew, others cut from grounds.

As all batches, each is a pure function of the seed and its number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from skyfix.datasets.grounds import Ground, Grounds, Pair, Source
from skyfix.errors import SkyfixError
from skyfix.images import read_image
from skyfix.training import viewpoint
from skyfix.training.batches import Shard, StepImages
from skyfix.training.gaps import disturbed
from skyfix.training.viewpoint import Pyramid

_APART = 0.4
"""Tiles of one ground that meet in a batch lie at least so many sides apart."""
_TRIES = 20
_DRAWN_STREAM, _MADE_STREAM = 300, 301

Views = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Cut:
    """A tile to be cut from a ground: its centre (x, y) and side, px of the picture."""

    ground: Ground
    centre: np.ndarray
    side: float


class MadePairs(Dataset[StepImages]):
    """Item ``number`` is that batch of the training; all images are decoded once, beforehand.

    Args:
        grounds: where pairs come from.
        batch_size: pairs.
        side_px: of the images.
        seed: decides everything.
        shard: this process's share.

    Attributes:
        batches_per_epoch: what an epoch is counted as: as many pairs as there are in all.

    Raises:
        SkyfixError: an image that cannot be read, a ground that is smaller than its tiles or of
            another size than its other picture, or a source with too few places for its share.
    """

    def __init__(
        self, grounds: Grounds, batch_size: int, side_px: int, seed: int, shard: Shard
    ) -> None:
        # A forked loader waits for ever for OpenCV's threads, which stayed with its parent.
        cv2.setNumThreads(0)
        self._sources, self._side, self._seed = grounds.sources, side_px, seed
        self._counts = _shares(self._sources, batch_size)
        self._rows = shard.of(batch_size)
        self._pictures: dict[object, Pyramid] = {}
        self._clusters = {source.name: _clusters(source) for source in self._sources}
        for source in self._sources:
            self._decode(source)
        pairs = sum(len(source.items) for source in self._sources)
        self.batches_per_epoch = max(1, pairs // batch_size)

    def __getitem__(self, number: int) -> StepImages:
        rng = np.random.default_rng((self._seed, _DRAWN_STREAM, number))
        drawn: list[Pair | _Cut] = []
        for source, count in zip(self._sources, self._counts, strict=True):
            drawn += self._drawn(source, count, rng)
        rows = range(len(drawn))[self._rows]
        made = [
            self._made(drawn[row], np.random.default_rng((self._seed, _MADE_STREAM, number, row)))
            for row in rows
        ]
        satellite, drone = (
            torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2) for side in zip(*made, strict=True)
        )
        labels, unknown = torch.tensor(rows), torch.full((len(rows),), torch.nan)
        return StepImages(
            {"satellite": satellite.contiguous(), "drone": drone.contiguous()},
            {"satellite": labels, "drone": labels},
            {"satellite": unknown, "drone": unknown},
            None,
            (),
        )

    def _decode(self, source: Source) -> None:
        for item in source.items:
            files = (item.satellite, item.drone) if isinstance(item, Pair) else (
                item.file, item.other)  # fmt: skip
            for file in files:
                if file is not None and file not in self._pictures:
                    self._pictures[file] = Pyramid(np.asarray(read_image(file)))
            if isinstance(item, Ground):
                self._check(item)

    def _check(self, ground: Ground) -> None:
        size_px = self._pictures[ground.file].size_px
        largest_px = min(ground.most_px, *size_px)
        if ground.least_px > largest_px:
            raise SkyfixError(
                f"{ground.file}: tiles of {ground.least_px} px and more, but at most {largest_px} "
                "px. Give a larger picture or smaller tiles."
            )
        if ground.other is not None and self._pictures[ground.other].size_px != size_px:
            raise SkyfixError(
                f"{ground.other} is not of the size of {ground.file}. Both pictures of a ground "
                "must lie pixel on pixel."
            )

    def _drawn(
        self, source: Source, count: int, rng: np.random.Generator
    ) -> list[Pair] | list[_Cut]:
        cut = partial(self._cuts, rng=rng)
        clusters = self._clusters[source.name]
        found: list = []
        for number in rng.permutation(len(clusters)):
            wanted = min(source.together, count - len(found))
            cluster = clusters[number]
            if isinstance(cluster, Ground):
                found += cut(cluster, wanted)
            else:
                places = rng.permutation(len(cluster))[:wanted]
                found += [cluster[place][rng.integers(len(cluster[place]))] for place in places]
            if len(found) == count:
                return found
        raise SkyfixError(
            f"{source.name} gives {len(found)} places at most, its share of a batch is {count}. "
            "Lower the share, or the batch with --set sampler.batch_size=N."
        )

    def _cuts(self, ground: Ground, wanted: int, rng: np.random.Generator) -> list[_Cut]:
        """Up to ``wanted`` tiles of one size that do not show the same ground."""
        height, width = self._pictures[ground.file].size_px
        side = float(rng.uniform(ground.least_px, min(ground.most_px, height, width)))
        low, high = np.full(2, side / 2), np.array([width, height]) - side / 2
        centres: list[np.ndarray] = []
        for _ in range(_TRIES * wanted):
            centre = rng.uniform(low, high)
            if all(np.abs(centre - other).max() > _APART * side for other in centres):
                centres.append(centre)
            if len(centres) == wanted:
                break
        return [_Cut(ground, centre, side) for centre in centres]

    def _made(self, item: Pair | _Cut, rng: np.random.Generator) -> Views:
        satellite, drone = self._seen(item, rng)
        if rng.random() < 0.5:
            satellite, drone = satellite[:, ::-1], drone[:, ::-1]
        return (
            disturbed(np.ascontiguousarray(satellite), rng),
            disturbed(np.ascontiguousarray(drone), rng),
        )

    def _seen(self, item: Pair | _Cut, rng: np.random.Generator) -> Views:
        """Both views before their photometric changes."""
        if isinstance(item, Pair):
            return self._look(item.satellite, False, rng), self._look(item.drone, True, rng)
        side, ground = self._side, self._pictures[item.ground.file]
        other = self._pictures[item.ground.other or item.ground.file]
        turned = viewpoint.tile(item.centre, item.side, viewpoint.random_turn(rng), side)
        border = cv2.BORDER_REFLECT_101
        satellite = ground.view(turned, side, item.side / side, border)
        camera, step = viewpoint.random_photo(item.centre, item.side, side, rng)
        return satellite, viewpoint.with_relief(other.view(camera, side, step, border), rng)

    def _look(self, file: object, slanted: bool, rng: np.random.Generator) -> np.ndarray:
        picture = self._pictures[file]
        look, step, border = viewpoint.random_look(picture.size_px, self._side, slanted, rng)
        return picture.view(look, self._side, step, border)


def _shares(sources: tuple[Source, ...], batch_size: int) -> list[int]:
    """Pairs of each source in a batch; rounding favours the first."""
    shares = np.array([source.share for source in sources])
    ends = np.rint(np.cumsum(shares) / shares.sum() * batch_size).astype(int)
    return np.diff(ends, prepend=0).tolist()


def _clusters(source: Source) -> list[Ground] | list[list[list[Pair]]]:
    """Grounds, or clusters of places of pairs."""
    grounds = [item for item in source.items if isinstance(item, Ground)]
    if grounds:
        return grounds
    clusters: dict[str, dict[str, list[Pair]]] = {}
    for pair in _pairs(source):
        clusters.setdefault(pair.cluster, {}).setdefault(pair.place, []).append(pair)
    return [list(places.values()) for places in clusters.values()]


def _pairs(source: Source) -> Iterator[Pair]:
    return (item for item in source.items if isinstance(item, Pair))
