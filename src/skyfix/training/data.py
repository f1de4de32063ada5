"""What a run trains on, and what it keeps apart to judge itself by."""

import hashlib
from dataclasses import dataclass

import numpy as np

from skyfix.datasets.contract import (
    Images,
    LinkedSet,
    Matches,
    PlaceSet,
    Positions,
    RetrievalSet,
    is_linked,
)
from skyfix.datasets.grounds import Grounds, Pair
from skyfix.errors import SkyfixError
from skyfix.systems.recipe import Recipe, Validation
from skyfix.systems.system import System
from skyfix.training.batches import ViewImages
from skyfix.views import View

_HELD_OUT_STREAM = 200


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images of a run.

    Attributes:
        views: training images per view.
        places: number of classes.
        matches: links from the photos to the tiles, of data whose pairs overlap in part.
        positions: of each place, as far as its satellite images tell.
        judged_by: what the checkpoint is selected by; None selects the last state.
        listing: digest of the training images' names; equal for equal data, wherever it lies.
        grounds: what pairs are made from while training; the views are then its pairs.
    """

    views: dict[View, ViewImages]
    places: int
    matches: Matches | None
    positions: Positions | None
    judged_by: RetrievalSet | None
    listing: str
    grounds: Grounds | None = None

    @property
    def photo(self) -> View:
        """The view that is not the satellite one."""
        return next(view for view in self.views if view != "satellite")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training places that are kept out of training."""

    images: dict[View, Images]

    @property
    def views(self) -> tuple[View, ...]:
        """What the images were taken from."""
        return tuple(self.images)

    def query(self, view: View) -> Images:
        """Images that are asked for."""
        return self.images[view]

    def gallery(self, view: View) -> Images:
        """Images that are searched."""
        return self.images[view]


@dataclass(frozen=True, eq=False)
class HeldOutPhotos(HeldOut):
    """Photos that are kept out of training; all training tiles are searched."""

    links: Matches

    def matches(self, query_view: View) -> Matches:
        """From the photos to the tiles."""
        return self.links


def training_data(
    dataset: PlaceSet | LinkedSet | Grounds, system: type[System], recipe: Recipe, seed: int
) -> TrainingData:
    """Divide a data set's training images into what is trained on and what is kept apart.

    Args:
        dataset: gives the training images.
        system: says which views it is trained on.
        recipe: its sampler says whether links or labels pair the views.
        seed: decides what is held out.

    Raises:
        SkyfixError: as the data set's readers; too few places to hold some out.
    """
    if isinstance(dataset, Grounds):
        return _from_grounds(dataset, recipe)
    views = system.views
    if system.any_photo and "drone" not in dataset.views:
        views = tuple("ground" if view == "drone" else view for view in views)
    images = {view: dataset.train(view) for view in views}
    judged_by: RetrievalSet | None = dataset if recipe.validation.select == "test" else None
    generator = np.random.default_rng((seed, _HELD_OUT_STREAM))
    if is_linked(dataset):
        photo = next(view for view in views if view != "satellite")
        matches = dataset.train_matches()
        if recipe.validation.select == "held-out":
            images, matches, judged_by = _photos_apart(
                images, photo, matches, recipe.validation, generator
            )
        by_links = recipe.sampler.pairing == "links"
        return _numbered(images, matches if by_links else None, judged_by)
    if recipe.validation.select == "held-out":
        images, judged_by = _places_apart(images, recipe.validation, generator)
    return _numbered(images, None, judged_by)


def _from_grounds(grounds: Grounds, recipe: Recipe) -> TrainingData:
    """Pairs are made while training, so that there are no classes and the folder says what is
    kept apart.
    """
    items = [item for source in grounds.sources for item in source.items]
    pairs = [item for item in items if isinstance(item, Pair)]
    numbers = np.arange(len(pairs))
    views: dict[View, ViewImages] = {
        "satellite": ViewImages([pair.satellite for pair in pairs], numbers),
        "drone": ViewImages([pair.drone for pair in pairs], numbers),
    }
    judged_by = grounds if recipe.validation.select == "held-out" else None
    return TrainingData(views, len(items), None, None, judged_by, _listing(views), grounds)


def _places_apart(
    images: dict[View, Images], validation: Validation, generator: np.random.Generator
) -> tuple[dict[View, Images], HeldOut]:
    places = np.unique(images["satellite"].labels)
    apart = generator.permutation(places)[: _held_out(len(places), validation)]
    rows = {view: np.isin(side.labels, apart) for view, side in images.items()}
    kept = {view: side.take(np.flatnonzero(~rows[view])) for view, side in images.items()}
    held = {view: side.take(np.flatnonzero(rows[view])) for view, side in images.items()}
    return kept, HeldOut(held)


def _photos_apart(
    images: dict[View, Images],
    photo: View,
    matches: Matches,
    validation: Validation,
    generator: np.random.Generator,
) -> tuple[dict[View, Images], Matches, HeldOutPhotos]:
    count, tiles = len(images[photo]), np.arange(len(images["satellite"]))
    order = generator.permutation(count)
    held = _held_out(count, validation)
    apart, kept = np.sort(order[:held]), np.sort(order[held:])
    judged_by = HeldOutPhotos(
        {**images, photo: images[photo].take(apart)}, matches.only(apart, tiles, len(tiles))
    )
    rest = {**images, photo: images[photo].take(kept)}
    return rest, matches.only(kept, tiles, len(tiles)), judged_by


def _held_out(count: int, validation: Validation) -> int:
    held = max(2, round(validation.share * count))
    if held > count - 2:
        raise SkyfixError(
            f"{count} training places are too few to hold out {held}. Train on all of them with "
            "--set validation.select=last."
        )
    return held


def _numbered(
    images: dict[View, Images], matches: Matches | None, judged_by: RetrievalSet | None
) -> TrainingData:
    labels = [np.unique(side.labels) for side in images.values()]
    if matches is None:
        # Classes need images of every view; of linked data some tiles are nobody's best one.
        shared = labels[0]
        for other in labels[1:]:
            shared = np.intersect1d(shared, other)
        images = {
            view: side.take(np.flatnonzero(np.isin(side.labels, shared)))
            for view, side in images.items()
        }
    else:
        shared = np.unique(np.concatenate(labels))
    views = {
        view: ViewImages(side.paths, np.searchsorted(shared, side.labels), side.altitude_m)
        for view, side in images.items()
    }
    positions = _positions(images["satellite"], views["satellite"].classes, len(shared))
    return TrainingData(views, len(shared), matches, positions, judged_by, _listing(views))


def _listing(views: dict[View, ViewImages]) -> str:
    digest = hashlib.sha256()
    for view, side in views.items():
        for path in side.paths:
            # Of the place and the file: the data set may move.
            digest.update(f"{view} {'/'.join(path.parts[-2:])}\n".encode())
    return digest.hexdigest()[:16]


def _positions(tiles: Images, classes: np.ndarray, places: int) -> Positions | None:
    known = tiles.positions
    if known is None or np.isnan(known.values).any():
        return None
    first = np.full(places, -1)
    first[classes[::-1]] = np.arange(len(classes))[::-1]
    return None if (first < 0).any() else Positions(known.values[first], known.unit)
