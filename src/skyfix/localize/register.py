"""Registration of a photo to the map: from the right tile to the right metre.

The photo's ground view is compared with the map around the places that the tiles name, by edge
directions (``skyfix.localize.edges``), over shift, turn and scale: first coarsely around every
place, then finely at the best one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skyfix.geo.ground import east_north, offset
from skyfix.localize.edges import Agreement, Template, edge_field
from skyfix.localize.ground_view import VIEW_PX, GroundView
from skyfix.localize.maps import Maps

COARSE_PX = 128
"""Side of the ground view in the coarse search."""

SCALES = (0.82, 0.88, 0.95, 1.02, 1.1)
"""Sizes of the ground relative to the pose's: roofs are nearer than the ground at take-off."""

WIDE_SCALES = (0.7, 0.79, 0.88, 0.97, 1.07, 1.18, 1.3, 1.43)
"""The same relative to a tile's, where the photo's own scale is unknown."""

TURNS_DEG = (-8.0, -4.0, 0.0, 4.0, 8.0)
"""Turns about a known heading."""

WIDE_TURNS_DEG = tuple(np.arange(-24.0, 25.0, 4.0).tolist())
"""Turns about a heading found by tiles, which are tried 45 degrees apart."""

_NOT_LOOKED = -1.0
_APART_PX = COARSE_PX / 8
_FINE_TURNS_DEG, _FINE_SCALES = (-2.0, 0.0, 2.0), (0.97, 1.0, 1.03)


@dataclass(frozen=True)
class Place:
    """Where to look: a tile's centre (lon, lat) on the raster ``source``."""

    lon: float
    lat: float
    source: int


@dataclass(frozen=True)
class Registration:
    """How the photo fits the map best.

    Attributes:
        lon, lat: the ground point at the photo's centre, degrees.
        turn_deg: clockwise turn of the ground view.
        scale: size of the ground in the photo relative to what the pose says.
        z: agreement, in standard deviations above the mean over all shifts looked at (the best turn
            and scale of each).
        runner_up_z: the same of the best other place.
        agreement: normalized correlation of the edge directions, -1 to 1.
        place: index of the place it was found at.
    """

    lon: float
    lat: float
    turn_deg: float
    scale: float
    z: float
    runner_up_z: float
    agreement: float
    place: int


@dataclass(frozen=True)
class _Variant:
    turn_deg: float
    scale: float
    template: Template


@dataclass(frozen=True)
class _Search:
    """Best agreement (R, R) over variants for every shift around a place, and which it was."""

    best: np.ndarray
    which: np.ndarray


def register(
    view: GroundView,
    maps: Maps,
    places: Sequence[Place],
    reach_m: float,
    turns_deg: Sequence[float] = TURNS_DEG,
    scales: Sequence[float] = SCALES,
) -> Registration | None:
    """Find the shift, turn and scale of a ground view that fit the map best.

    Args:
        view: the photo's ground.
        maps: the gallery's rasters.
        places: where the photo's centre may lie, at least one.
        reach_m: how far from a place it is looked for, east, north and back, metres.
        turns_deg: turns tried, degrees clockwise.
        scales: sizes tried, relative to the view's.

    Returns:
        None where no map could be read.
    """
    gsd_m = view.side_m / COARSE_PX
    reach_px = math.ceil(reach_m / gsd_m)
    shown = view.changed(0.0, 1.0, COARSE_PX).shown
    variants = _variants(view, COARSE_PX, turns_deg, scales)
    searches = {
        number: search
        for number, place in enumerate(places)
        if (search := _search(maps, place, gsd_m, reach_px, shown, variants)) is not None
    }
    if not searches:
        return None
    number = max(searches, key=lambda one: float(searches[one].best.max()))
    search, centre = searches[number], places[number]
    peak = np.unravel_index(int(search.best.argmax()), search.best.shape)
    variant = variants[int(search.which[peak])]
    at = _moved(centre, float(peak[0]) - reach_px, float(peak[1]) - reach_px, gsd_m)
    runner_up = max(
        _best_aside(one.best, places[other], at, gsd_m) for other, one in searches.items()
    )
    values = np.concatenate([one.best[one.best > _NOT_LOOKED] for one in searches.values()])
    mean, spread = float(values.mean()), max(float(values.std()), 1e-6)
    lon, lat, turn_deg, scale = _refined(view, maps, at, variant)
    return Registration(
        lon,
        lat,
        turn_deg,
        scale,
        (float(search.best[peak]) - mean) / spread,
        (max(runner_up, mean) - mean) / spread,
        float(search.best[peak]),
        number,
    )


def _search(
    maps: Maps,
    place: Place,
    gsd_m: float,
    reach_px: int,
    shown: np.ndarray,
    variants: Sequence[_Variant],
) -> _Search | None:
    """Look at all shifts around a place; None without imagery there."""
    size_px = shown.shape[0] + 2 * reach_px
    window = maps.window(place.source, place.lon, place.lat, size_px * gsd_m, size_px)
    if window is None or not window.valid.any():
        return None
    agreement = Agreement(edge_field(window.pixels, window.valid), shown)
    best = agreement.at(variants[0].template)
    which = np.zeros(best.shape, np.int16)
    for number, variant in enumerate(variants[1:], start=1):
        found = agreement.at(variant.template)
        better = found > best
        best[better], which[better] = found[better], number
    half = shown.shape[0] // 2
    centres = window.valid[half : half + len(best), half : half + len(best)]
    if not centres.any():
        return None
    return _Search(np.where(centres, best, _NOT_LOOKED), which)


def _refined(
    view: GroundView, maps: Maps, at: Place, variant: _Variant
) -> tuple[float, float, float, float]:
    """Longitude, latitude, turn and scale on the view's own pixels, around a coarse find."""
    gsd_m, reach_px = view.side_m / VIEW_PX, 2 * VIEW_PX // COARSE_PX
    size_px = VIEW_PX + 2 * reach_px
    window = maps.window(at.source, at.lon, at.lat, size_px * gsd_m, size_px)
    if window is None:
        return at.lon, at.lat, variant.turn_deg, variant.scale
    agreement = Agreement(edge_field(window.pixels, window.valid), view.shown)
    turns = [variant.turn_deg + turn for turn in _FINE_TURNS_DEG]
    fine = _variants(view, VIEW_PX, turns, [variant.scale * scale for scale in _FINE_SCALES])
    every = np.stack([agreement.at(one.template) for one in fine])
    which, row, column = np.unravel_index(int(every.argmax()), every.shape)
    line = every[which]
    down = row + _vertex(line[:, column], int(row)) - reach_px
    right = column + _vertex(line[row], int(column)) - reach_px
    found = _moved(at, down, right, gsd_m)
    return found.lon, found.lat, fine[which].turn_deg, fine[which].scale


def _variants(
    view: GroundView, size_px: int, turns_deg: Sequence[float], scales: Sequence[float]
) -> list[_Variant]:
    variants = []
    for turn_deg in turns_deg:
        for scale in scales:
            changed = view.changed(turn_deg, scale, size_px)
            field = edge_field(changed.pixels, changed.shown)
            variants.append(_Variant(turn_deg, scale, Template(field)))
    return variants


def _best_aside(best: np.ndarray, place: Place, at: Place, gsd_m: float) -> float:
    """The best agreement around ``place``, without what lies close to ``at``."""
    reach_px = best.shape[0] // 2
    east_m, north_m = east_north(place.lon, place.lat, at.lon, at.lat)
    away = np.arange(best.shape[0]) - reach_px
    rows, columns = away[:, None] + float(north_m) / gsd_m, away - float(east_m) / gsd_m
    return float(np.where(np.hypot(rows, columns) <= _APART_PX, _NOT_LOOKED, best).max())


def _moved(place: Place, down_px: float, right_px: float, gsd_m: float) -> Place:
    lon, lat = offset(place.lon, place.lat, right_px * gsd_m, -down_px * gsd_m)
    return Place(float(lon), float(lat), place.source)


def _vertex(values: np.ndarray, peak: int) -> float:
    """Where the parabola through a peak and its neighbours is highest, relative to the peak."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, top, after = (float(value) for value in values[peak - 1 : peak + 2])
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend
