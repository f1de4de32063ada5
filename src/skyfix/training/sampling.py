"""Which images meet in a batch: pure functions of the seed, the epoch and the place in it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from skyfix.datasets.contract import Matches, Positions
from skyfix.errors import SkyfixError
from skyfix.systems.recipe import Sampler
from skyfix.views import View

_CACHED_EPOCHS = 2


@dataclass(frozen=True)
class Drawn:
    """Images of one batch.

    Attributes:
        rows: per view ``(N,)`` numbers of its training images.
        pairs: per view ``(N,)`` number of the place or link that each stands for; None where the
            views are drawn on their own. What bears one number stays or goes together.
        overlaps: ``(N,)`` intersection over union of each pair's footprints, where known.
    """

    rows: dict[View, np.ndarray]
    pairs: dict[View, np.ndarray] | None = None
    overlaps: np.ndarray | None = None


class Drawing(Protocol):
    """A way to draw batches."""

    batches_per_epoch: int

    def __call__(self, epoch: int, position: int) -> Drawn:
        """The images of one batch of an epoch."""
        ...


def batches_in(count: int, sampler: Sampler) -> int:
    """Batches that ``count`` images, places or pairs give in an epoch."""
    # One image is no batch: batch normalization has nothing to go by.
    rest = sampler.keep_last and count % sampler.batch_size > 1
    return count // sampler.batch_size + rest


class EachView:
    """Every view shuffled on its own; an epoch ends with the view that has the fewest images."""

    def __init__(self, counts: dict[View, int], sampler: Sampler, seed: int) -> None:
        self.batches_per_epoch = batches_in(min(counts.values()), sampler)
        self._counts, self._size = counts, sampler.batch_size
        self._shortest = min(counts.values())
        cached = functools.lru_cache(_CACHED_EPOCHS * len(counts))
        self._order = cached(functools.partial(shuffled, seed))

    def __call__(self, epoch: int, position: int) -> Drawn:
        """See ``Drawing``."""
        part = slice(position * self._size, min((position + 1) * self._size, self._shortest))
        return Drawn(
            {
                view: self._order(number, epoch, count)[part]
                for number, (view, count) in enumerate(self._counts.items())
            }
        )


class Places:
    """Every place once an epoch, with a random image of each view.

    Args:
        rows: per view, the numbers of each place's images.
        neighbours: ``(P, K)`` places easily confused with each, nearest first; None shuffles.
    """

    def __init__(
        self,
        rows: dict[View, list[np.ndarray]],
        sampler: Sampler,
        seed: int,
        neighbours: np.ndarray | None = None,
    ) -> None:
        self._rows, self._sampler, self._seed = rows, sampler, seed
        self._places = min(map(len, rows.values()))
        self._neighbours = neighbours
        self.batches_per_epoch = batches_in(self._places * sampler.repeats, sampler)
        self._order = functools.lru_cache(_CACHED_EPOCHS)(self._places_of)

    def __call__(self, epoch: int, position: int) -> Drawn:
        """See ``Drawing``."""
        size = self._sampler.batch_size
        places = self._order(epoch)[position * size : (position + 1) * size]
        drawn: dict[View, np.ndarray] = {}
        pairs: dict[View, np.ndarray] = {}
        for number, (view, rows) in enumerate(self._rows.items()):
            count = 1 if view == "satellite" else self._sampler.images_per_place
            generator = np.random.default_rng((self._seed, number, epoch, position))
            chosen = [
                generator.choice(rows[place], count, replace=len(rows[place]) < count)
                for place in places
            ]
            drawn[view], pairs[view] = np.concatenate(chosen), np.repeat(places, count)
        return Drawn(drawn, pairs)

    def _places_of(self, epoch: int) -> np.ndarray:
        order = shuffled(self._seed, len(self._rows), epoch, self._places)
        if self._neighbours is not None:
            generator = np.random.default_rng((self._seed, epoch))
            order = confusable(order, self._neighbours, self._sampler.batch_size, generator)
        return np.repeat(order, self._sampler.repeats)


class LinkedPairs:
    """Every link once an epoch, in batches whose pairs are not linked to each other.

    An epoch has as many batches as the links fill. Where the last links exclude each other, the
    epoch is filled up from a new shuffle.

    Args:
        views: the photos' view and ``satellite``, in the order of the batch.
        matches: from the training photos to the training tiles.
    """

    def __init__(
        self, views: tuple[View, ...], matches: Matches, sampler: Sampler, seed: int
    ) -> None:
        photos = np.repeat(np.arange(len(matches.start) - 1), np.diff(matches.start))
        used = np.flatnonzero(~matches.semi | sampler.semi_positives)
        self._views, self._seed, self._size = views, seed, sampler.batch_size
        self._photos, self._tiles = photos[used], matches.columns[used]
        self._overlaps = matches.overlap[used]
        self._tiles_of = _grouped(matches.columns, photos)
        self._photos_of = _grouped(photos, matches.columns)
        self.batches_per_epoch = len(used) // sampler.batch_size
        self._order = functools.lru_cache(_CACHED_EPOCHS)(self._links_of)

    def __call__(self, epoch: int, position: int) -> Drawn:
        """See ``Drawing``."""
        links = self._order(epoch)[position]
        sides = {
            view: self._tiles[links] if view == "satellite" else self._photos[links]
            for view in self._views
        }
        return Drawn(sides, dict.fromkeys(self._views, links), self._overlaps[links])

    def _links_of(self, epoch: int) -> np.ndarray:
        batches: list[list[int]] = []
        shuffles = 0
        while len(batches) < self.batches_per_epoch:
            order = shuffled(self._seed, shuffles, epoch, len(self._photos))
            found = list(self._exclusive(order.tolist()))
            if not found:
                raise SkyfixError(
                    f"There are no {self._size} pairs that are not linked to each other. Lower "
                    "the batch with --set sampler.batch_size=N."
                )
            batches += found
            shuffles += 1
        return np.array(batches[: self.batches_per_epoch])

    def _exclusive(self, left: list[int]) -> Iterator[list[int]]:
        """Full batches; a link that does not fit into one waits for the next."""
        while len(left) >= self._size:
            batch: list[int] = []
            waiting: list[int] = []
            photos: set[int] = set()
            tiles: set[int] = set()
            for position, link in enumerate(left):
                photo, tile = int(self._photos[link]), int(self._tiles[link])
                if photo in photos or tile in tiles:
                    waiting.append(link)
                    continue
                batch.append(link)
                photos.update(self._photos_of[tile])
                tiles.update(self._tiles_of[photo])
                if len(batch) == self._size:
                    waiting += left[position + 1 :]
                    break
            if len(batch) < self._size:
                return
            yield batch
            left = waiting


def shuffled(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    """``count`` numbers in random order."""
    return np.random.default_rng((seed, stream, epoch)).permutation(count)


def confusable(
    order: np.ndarray, neighbours: np.ndarray, batch_size: int, generator: np.random.Generator
) -> np.ndarray:
    """The places of ``order`` ``(P,)`` so that neighbours stand together (Sample4Geo).

    Anchors come in the given order. After each stand those of its nearest quarter of ``neighbours``
    ``(P, K)`` and of a random third of the others that are still free; a batch that is full cuts
    them off, and the next one begins with a new anchor.
    """
    near = -(-neighbours.shape[1] // 4)
    free = np.ones(len(order), dtype=bool)
    chosen: list[int] = []
    for anchor in order:
        if not free[anchor]:
            continue
        far = neighbours[anchor, near:]
        others = generator.choice(far, min(near, len(far)), replace=False)
        room = batch_size - len(chosen) % batch_size
        joined = dict.fromkeys([int(anchor), *neighbours[anchor, :near].tolist(), *others.tolist()])
        taken = [place for place in joined if free[place]][:room]
        free[taken] = False
        chosen += taken
    return np.array(chosen)


def nearest_places(positions: Positions, count: int) -> np.ndarray:
    """The ``count`` nearest other places of each, ``(P, count)``, nearest first.

    Distances in degrees are taken on the sphere.
    """
    points = positions.values
    if positions.unit == "deg":
        lon, lat = np.radians(points).T
        points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)
    count = min(count, len(points) - 1)
    found = cKDTree(points).query(points, count + 1)[1]
    # At one spot with others a place need not come first among its own neighbours.
    itself = found == np.arange(len(points))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return found[~itself].reshape(len(points), count)


def _grouped(values: np.ndarray, keys: np.ndarray) -> dict[int, list[int]]:
    order = np.argsort(keys, kind="stable")
    found, start = np.unique(keys[order], return_index=True)
    parts = np.split(values[order], start[1:])
    return {int(key): part.tolist() for key, part in zip(found, parts, strict=True)}
