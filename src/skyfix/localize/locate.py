"""Photo in, position out."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.nearby import Near
from skyfix.geo.camera import Pose, centre_on_ground, footprint
from skyfix.geo.ground import offset
from skyfix.inference import Embedder
from skyfix.localize.fix import Candidate, Fix, not_located
from skyfix.localize.match import Matcher
from skyfix.localize.posterior import Estimate
from skyfix.localize.prepare import Prepared, Scale, prepare, prepare_many
from skyfix.localize.scales import Scores, scored
from skyfix.progress import counting

MIN_CONFIDENCE = 0.5
"""Below this a photo counts as not located: the position is more likely wrong than right."""

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
    embedder: Embedder | None = None,
) -> Fix:
    """Find where a photo was taken.

    Args:
        photo: path of a drone photo.
        gallery: what is searched.
        pose: what is known of the camera; the more, the better the fix.
        heading_deg: short for ``Pose(heading_deg=...)``.
        near: (lon, lat, radius_m): the ground point at the photo's centre lies in this circle.
        k: how many candidates to name.
        embedder: the gallery's embedder, if there already is one.

    Returns:
        The fix; ``located`` is False, with a reason, where the photo cannot be placed. Its
        confidence takes for granted that the photo was taken over the gallery.

    Raises:
        SkyfixError: the photo cannot be read, the camera does not look at the ground, both
            ``pose`` and ``heading_deg`` are given, or the embedder is not the gallery's.
    """
    if pose is not None and heading_deg is not None:
        raise SkyfixError("Give pose or heading_deg, not both: a pose has a heading.")
    locator = _Locator(gallery, embedder, near, k)
    known = pose or Pose(heading_deg=heading_deg)
    return locator.fixes([prepare(photo, known, locator.scales)])[0]


def locate_many(
    photos: Sequence[Path | str],
    gallery: Gallery,
    *,
    poses: Sequence[Pose | None] | None = None,
    near: Near | None = None,
    k: int = 5,
    embedder: Embedder | None = None,
) -> list[Fix]:
    """``locate`` for many photos, in batches, with a progress bar.

    A photo that cannot be read or placed gives a fix that says why; the others go on.

    Args:
        photos: paths of drone photos.
        gallery, near, k, embedder: as for ``locate``.
        poses: what is known of the camera, one for each photo.

    Raises:
        SkyfixError: not one pose for each photo, or the embedder is not the gallery's.
    """
    known = [pose or Pose() for pose in poses or [None] * len(photos)]
    if len(known) != len(photos):
        raise SkyfixError(f"{len(known)} poses for {len(photos)} photos. Give one for each.")
    locator = _Locator(gallery, embedder, near, k)
    prepared = prepare_many(zip(photos, known, strict=True), locator.scales)
    fixes: list[Fix] = []
    with counting("Locating", len(photos), "photos") as counter:
        for group in _groups(prepared, locator.embedder.batch_size):
            fixes += locator.fixes(group)
            counter.advance(len(group))
    return fixes


class _Locator:
    def __init__(
        self, gallery: Gallery, embedder: Embedder | None, near: Near | None, k: int
    ) -> None:
        if k < 1:
            raise SkyfixError(f"k is {k}. Ask for at least 1 candidate.")
        self.embedder = embedder or gallery.embedder()
        gallery.require(self.embedder.identity)
        self.scales = [
            Scale(one.tile_m, one.stride_m, self.embedder.input_px) for one in gallery.scales
        ]
        self._gallery, self._near, self._k = gallery, near, k
        self._matchers = [Matcher(layer, near) for layer in gallery.layers]

    def fixes(self, group: Sequence[Prepared]) -> list[Fix]:
        """Fixes of prepared photos, their patches embedded together."""
        pixels = [patch.pixels for photo in group for view in photo.views for patch in view]
        known_m = [photo.pose.altitude_m for photo in group for view in photo.views for _ in view]
        altitude_m = np.array([np.nan if m is None else m for m in known_m])
        descriptors = iter(self.embedder.embed(pixels, "drone", altitude_m=altitude_m))
        fixes = []
        for photo in group:
            views = [np.array([next(descriptors) for _ in view]) for view in photo.views]
            rows = sum(len(self._matchers[size].rows) for size in photo.fits)
            reason = photo.reason or _refusal(self._gallery, self._near, rows)
            fixes.append(not_located(photo.photo, reason) if reason else self._fix(photo, views))
        return fixes

    def _fix(self, photo: Prepared, descriptors: Sequence[np.ndarray]) -> Fix:
        scores = scored([self._matchers[size] for size in photo.fits], photo.views, descriptors)
        found, candidates = scores.found, self._candidates(scores)
        if found.confidence < MIN_CONFIDENCE:
            reason = f"No place stands out: confidence {found.confidence:.2f}."
            return not_located(photo.photo, reason, candidates, found.confidence)
        return _located(photo, found, candidates)

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


def _located(photo: Prepared, found: Estimate, candidates: tuple[Candidate, ...]) -> Fix:
    camera: tuple[float | None, float | None] = (None, None)
    outline: tuple[tuple[float, float], ...] = ()
    if photo.pose.is_complete:
        east_m, north_m = -centre_on_ground(photo.pose)
        lon, lat = offset(found.lon, found.lat, east_m, north_m)
        camera = float(lon), float(lat)
        corners = offset(lon, lat, *footprint(photo.pose, *photo.size_px).T)
        outline = tuple(zip(*(values.tolist() for values in corners), strict=True))
    return Fix(
        photo=photo.photo,
        located=True,
        lon=found.lon,
        lat=found.lat,
        accuracy_m=found.accuracy_m,
        accuracy_95_m=found.accuracy_95_m,
        confidence=found.confidence,
        candidates=candidates,
        camera_lon=camera[0],
        camera_lat=camera[1],
        footprint=outline,
        heading_deg=photo.pose.heading_deg,
    )


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
