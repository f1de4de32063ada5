"""Photo in, position out."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.nearby import Near
from skyfix.geo.camera import Pose
from skyfix.inference import Embedder
from skyfix.localize.calibration import Calibration, read_calibration
from skyfix.localize.fix import Candidate, Fix, not_located
from skyfix.localize.match import Matcher
from skyfix.localize.prepare import (
    HEADINGS,
    Photo,
    Prepared,
    Scale,
    prepare,
    prepare_many,
    prepare_or_say,
)
from skyfix.localize.refine import Refiner
from skyfix.localize.scales import Scores, scored
from skyfix.localize.verdict import Finding, fix_of, of_registration, of_tiles
from skyfix.progress import counting

MIN_TILES = 10
"""With fewer tiles a good score cannot be told from a lucky one."""


def locate(
    photo: Path | str,
    gallery: Gallery,
    *,
    pose: Pose | None = None,
    heading_deg: float | None = None,
    near: Near | None = None,
    k: int = 5,
    headings: int = HEADINGS,
    embedder: Embedder | None = None,
    register: bool = True,
) -> Fix:
    """Find where a photo was taken.

    Args:
        photo: path of a drone photo.
        gallery: what is searched.
        pose: what is known of the camera; the more, the better the fix.
        heading_deg: short for ``Pose(heading_deg=...)``.
        near: (lon, lat, radius_m): the ground point at the photo's centre lies in this circle.
        k: how many candidates to name.
        headings: directions that are tried where the heading is unknown; the best is the fix's.
        embedder: the gallery's embedder, if there already is one.
        register: compare photos with the map itself, which is far more exact and takes one to
            three seconds. Without pitch, altitude and field of view a photo is taken to look
            straight down, and the tiles decide where it does not fit. The map's files have to be
            where they were when the gallery was built; if not, the fix rests on the tiles.

    Returns:
        The fix; ``located`` is False, with a reason, where the photo cannot be placed.

    Raises:
        SkyfixError: the photo cannot be read, the camera does not look at the ground, both
            ``pose`` and ``heading_deg`` are given, ``k`` or ``headings`` is out of range, or the
            embedder is not the gallery's.
    """
    if pose is not None and heading_deg is not None:
        raise SkyfixError("Give pose or heading_deg, not both: a pose has a heading.")
    locator = Locator(gallery, embedder, near, k, headings, register)
    known = pose or Pose(heading_deg=heading_deg)
    return locator.fixes([prepare(photo, known, locator.scales)])[0]


def locate_many(
    photos: Sequence[Path | str],
    gallery: Gallery,
    *,
    poses: Sequence[Pose | None] | None = None,
    near: Near | None = None,
    k: int = 5,
    headings: int = HEADINGS,
    embedder: Embedder | None = None,
    register: bool = True,
) -> list[Fix]:
    """``locate`` for many photos, in batches, with a progress bar.

    A photo that cannot be read or placed gives a fix that says why; the others go on.

    Args:
        photos: paths of drone photos.
        gallery, near, k, headings, embedder, register: as for ``locate``.
        poses: what is known of the camera, one for each photo.

    Raises:
        SkyfixError: not one pose for each photo, or the embedder is not the gallery's.
    """
    known = [pose or Pose() for pose in poses or [None] * len(photos)]
    if len(known) != len(photos):
        raise SkyfixError(f"{len(known)} poses for {len(photos)} photos. Give one for each.")
    locator = Locator(gallery, embedder, near, k, headings, register)
    prepared = prepare_many(zip(photos, known, strict=True), locator.scales)
    fixes: list[Fix] = []
    with counting("Locating", len(photos), "photos") as counter:
        for group in _groups(prepared, locator.embedder.batch_size):
            fixes += locator.fixes(group)
            counter.advance(len(group))
    return fixes


class Locator:
    """``locate`` in steps, for sequences: prepare, embed, score the tiles, find, decide.

    Args:
        gallery, near, k, embedder, headings, register: as for ``locate``.
        calibration: how sure fixes are; by default the gallery's own.

    Attributes:
        gallery, embedder: as given, or the gallery's own.
        scales: what patches have to be like, for each of the gallery's tile sizes.

    Raises:
        SkyfixError: k below 1, or the embedder is not the gallery's.
    """

    def __init__(
        self,
        gallery: Gallery,
        embedder: Embedder | None = None,
        near: Near | None = None,
        k: int = 5,
        headings: int = HEADINGS,
        register: bool = True,
        calibration: Calibration | None = None,
    ) -> None:
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 candidate.")
        self.embedder = embedder or gallery.embedder()
        gallery.require(self.embedder.identity)
        self.gallery = gallery
        input_px = self.embedder.input_px
        self.scales = [
            Scale(one.tile_m, one.stride_m, input_px, headings, register) for one in gallery.scales
        ]
        self._near, self._k = near, k
        self._matchers = [Matcher(layer, near) for layer in gallery.layers]
        self._refiner = Refiner(gallery) if register else None
        self._calibration = calibration or read_calibration(gallery.path, gallery.identity)

    def around(self, near: Near | None) -> "Locator":
        """The same locator, searching only within ``near``, or everywhere without it."""
        other = copy(self)
        other._near = near
        other._matchers = [matcher.around(near) for matcher in self._matchers]
        return other

    @property
    def rows(self) -> np.ndarray:
        """(T,) gallery rows that are searched, size by size."""
        return self._rows(range(len(self._matchers)))

    def rows_of(self, photo: Prepared) -> np.ndarray:
        """(T,) gallery rows of the columns of ``scores``."""
        return self._rows(photo.fits)

    def prepare(self, photo: Photo, pose: Pose) -> Prepared:
        """A photo, or a frame in memory, as patches; what is wrong with it becomes the reason."""
        return prepare_or_say(photo, pose, self.scales)

    def embed(self, group: Sequence[Prepared]) -> list[list[np.ndarray]]:
        """Descriptors of prepared photos, embedded together: (P, D) for each view of each."""
        pixels = [patch.pixels for photo in group for view in photo.views for patch in view]
        known_m = [photo.pose.altitude_m for photo in group for view in photo.views for _ in view]
        altitude_m = np.array([np.nan if m is None else m for m in known_m])
        descriptors = iter(self.embedder.embed(pixels, "drone", altitude_m=altitude_m))
        return [
            [np.array([next(descriptors) for _ in view]) for view in photo.views] for photo in group
        ]

    def scores(self, photo: Prepared, descriptors: Sequence[np.ndarray]) -> np.ndarray:
        """Scores (V, T) of each tile being the one under the photo's centre.

        The tiles are those of ``rows``, of the sizes that the photo fits. One row a heading
        tried, in standard deviations above the mean of the size's tiles; one row of zeros for a
        photo that has no patches. ``posterior`` makes the best of each column probabilities.
        """
        matchers = self._matchers_of(photo)
        if not photo.views:
            return np.zeros((1, _rows(matchers)))
        views = list(zip(photo.views, descriptors, strict=True))
        by_size = [
            np.stack([matcher.scores(patches, rows) for patches, rows in views])
            for matcher in matchers
        ]
        return np.concatenate(by_size, axis=1)

    def find(self, photo: Prepared, view_scores: np.ndarray) -> Finding | Fix:
        """What speaks for a position; a fix that says no where nothing can.

        Args:
            photo: prepared.
            view_scores: (V, T), see ``scores``.
        """
        matchers = self._matchers_of(photo)
        if reason := photo.reason or _refusal(self.gallery, self._near, _rows(matchers)):
            return not_located(photo.photo, reason)
        best_scores = view_scores.max(axis=0)
        heading_deg = photo.headings_deg[int(view_scores.max(axis=1).argmax())]
        scores = scored(matchers, best_scores)
        tiles_say = of_tiles(scores, self._candidates(scores), heading_deg)
        if self._refiner is None or photo.ground is None:
            return tiles_say
        turn_deg = heading_deg if photo.pose.heading_deg is None else 0.0
        # Photos that have a ground view fit one size.
        registered, place_scores = self._refiner.register(photo, matchers[0], best_scores, turn_deg)
        if registered is None:
            return replace(tiles_say, remark=self._refiner.why_not)
        return of_registration(photo, registered, place_scores, tiles_say)

    def fix(self, photo: Prepared, view_scores: np.ndarray) -> Fix:
        """What the scores (V, T) of a prepared photo say about its position."""
        found = self.find(photo, view_scores)
        return fix_of(photo, found, self._calibration) if isinstance(found, Finding) else found

    def fixes(self, group: Sequence[Prepared]) -> list[Fix]:
        """Fixes of prepared photos, their patches embedded together."""
        return [
            self.fix(photo, self.scores(photo, descriptors))
            for photo, descriptors in zip(group, self.embed(group), strict=True)
        ]

    def _rows(self, sizes: Iterable[int]) -> np.ndarray:
        layers, matchers = self.gallery.layers, self._matchers
        return np.concatenate([layers[size].rows[matchers[size].rows] for size in sizes])

    def _matchers_of(self, photo: Prepared) -> list[Matcher]:
        return [self._matchers[size] for size in photo.fits]

    def _candidates(self, found: Scores) -> tuple[Candidate, ...]:
        best = np.argsort(-found.scores, kind="stable")[: self._k]
        return tuple(
            Candidate(
                float(found.lon[row]),
                float(found.lat[row]),
                float(found.scores[row]),
                str(found.ids[row]),
            )
            for row in best
        )


def _rows(matchers: Sequence[Matcher]) -> int:
    return sum(len(matcher.rows) for matcher in matchers)


def _refusal(gallery: Gallery, near: Near | None, rows: int) -> str:
    """Why no photo can be placed in the gallery, or nothing."""
    if near is not None and rows == 0:
        return (
            f"The gallery has no tile within {near[2]:g} m of longitude {near[0]:g}, "
            f"latitude {near[1]:g}."
        )
    if rows < MIN_TILES:
        where, remedy = ("The gallery has", "Use a larger map or a smaller stride")
        if near is not None and len(gallery) >= MIN_TILES:
            where, remedy = (f"Within {near[2]:g} m there are", "Search in a wider circle")
        return (
            f"{where} {rows} tiles, too few to tell a match from chance (at least {MIN_TILES}). "
            f"{remedy}."
        )
    return ""


def _groups(prepared: Iterable[Prepared], patches: int) -> Iterator[list[Prepared]]:
    """Photos in order, in groups that hold at least ``patches`` patches."""
    group: list[Prepared] = []
    held = 0
    for photo in prepared:
        group.append(photo)
        held += sum(map(len, photo.views))
        if held >= patches:
            yield group
            group, held = [], 0
    if group:
        yield group
