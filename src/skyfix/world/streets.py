"""Streets, crossings, river and railway."""

import numpy as np

from skyfix.world import plants
from skyfix.world.canvas import Cover
from skyfix.world.layout import MAIN_STREET_M, SIDE_STREET_M, Street
from skyfix.world.site import ASPHALT, GRASS, PAVING, Site

_MARKING = np.array((216.0, 214.0, 206.0))
_WATER = np.array((70.0, 88.0, 84.0))


def pave_streets(site: Site, streets: list[Street], tracks: list[Street]) -> None:
    """Farm tracks, pavements, carriageways, markings: in this order crossings stay clear."""
    for street in tracks:
        colour = site.tone(np.array((168.0, 152.0, 124.0)))
        site.canvas.line(street.points_m, 3.2, colour, Cover.ROAD)
        site.canvas.line(street.points_m, 0.7, GRASS * 1.1)
    for street in streets:
        width = MAIN_STREET_M if street.is_main else SIDE_STREET_M
        site.canvas.line(street.points_m, width, PAVING, Cover.ROAD)
    for street in streets:
        tone = site.tone(ASPHALT, 0.04)
        site.canvas.line(street.points_m, 10.5 if street.is_main else 6.4, tone, Cover.ROAD)
    for street in streets:
        if street.is_main:
            _mark(site, street)


def river(site: Site, line_m: np.ndarray, width_m: float) -> None:
    """Water with sandy banks and a strip of grass; clears what is under it."""
    canvas, bank = site.canvas, np.array((150.0, 140.0, 112.0))
    canvas.line(line_m, width_m + 16, site.tone(GRASS), Cover.GRASS)
    canvas.line(line_m, width_m + 4, bank, Cover.BARE)
    canvas.line(line_m, width_m, _WATER, Cover.WATER)
    # The middle is deeper and darker.
    canvas.line(line_m, width_m * 0.55, _WATER * 0.92, Cover.WATER)


def river_trees(site: Site, line_m: np.ndarray, width_m: float) -> None:
    """Loose rows of trees on both banks."""
    for side in (-1, 1):
        along = _resampled(_parallel(line_m, side * (width_m / 2 + 5.0)), 7.0)
        keep = site.rng.random(len(along)) < 0.55
        centres = along[keep] + site.rng.normal(0, 1.5, (int(keep.sum()), 2))
        plants.plant(site.canvas, site.rng, centres, site.rng.uniform(2, 5, len(centres)), 0.0)


def railway(site: Site, line_m: np.ndarray) -> None:
    """Two tracks on ballast."""
    canvas = site.canvas
    canvas.line(line_m, 17.0, site.tone(np.array((128.0, 126.0, 92.0))), Cover.GRASS)
    canvas.line(line_m, 10.0, np.array((142.0, 132.0, 122.0)), Cover.ROAD)
    for track in (-2.2, 2.2):
        middle = _parallel(line_m, track)
        canvas.line(middle, 2.4, np.array((112.0, 104.0, 98.0)))
        for rail in (-0.75, 0.75):
            canvas.line(_parallel(middle, rail), 0.2, np.array((158.0, 148.0, 142.0)))


def roundabouts(site: Site, crossings_m: np.ndarray) -> None:
    """Every second crossing of main streets is a roundabout with a planted island."""
    for centre in crossings_m[::2]:
        site.canvas.disc(centre, 19.0, PAVING, Cover.ROAD)
        site.canvas.disc(centre, 16.5, ASPHALT, Cover.ROAD)
        site.canvas.disc(centre, 8.6, _MARKING * 0.9, Cover.ROAD)
        site.canvas.disc(centre, 8.0, site.tone(GRASS), Cover.GRASS)
        spots = centre + site.rng.normal(0, 2.6, (5, 2))
        plants.plant(site.canvas, site.rng, spots, site.rng.uniform(1.2, 3.0, 5))


def furnish(site: Site, streets: list[Street]) -> None:
    """Places for cars at the kerb and on the lanes, and rows of trees."""
    rng = site.rng
    for street in streets:
        lanes, spacing = ((1.7, 5.0), 16.0) if street.is_main else ((2.3,), 6.4)
        for offset in [side * lane for lane in lanes for side in (-1, 1)]:
            line = _resampled(_parallel(street.points_m, offset), spacing)[1:-1]
            if len(line) < 3:
                continue
            directions = np.gradient(line, axis=0)
            kept = rng.random(len(line)) < 0.45
            angles = np.arctan2(directions[:, 1], directions[:, 0])
            slots = np.column_stack([line, angles])[kept]
            site.car_slots += [(float(x), float(y), float(angle)) for x, y, angle in slots]
        if rng.random() < (0.75 if street.is_main else 0.25):
            for side in (-1, 1):
                offset = 8.6 if street.is_main else 5.6
                spots = _resampled(_parallel(street.points_m, side * offset), 11.0)[1:-1]
                plants.avenue(site.canvas, rng, spots)


def is_track(street: Street, open_blocks: set[int]) -> bool:
    """Whether a street runs between open blocks only."""
    return not street.is_main and all(block in open_blocks or block < 0 for block in street.blocks)


def _mark(site: Site, street: Street) -> None:
    """Dashes along the middle, and sometimes a zebra crossing near the segment's start."""
    dashes = _resampled(street.points_m, 3.0)[3:-3]
    for start, end in zip(dashes[:-1:3], dashes[1::3], strict=False):
        site.canvas.line(np.stack([start, end]), 0.3, _MARKING)
    line = _resampled(street.points_m, 1.0)
    if len(line) < 40 or site.rng.random() < 0.4:
        return
    along = line[13] - line[12]
    across = np.array([-along[1], along[0]])
    for step in np.arange(-4.2, 4.3, 1.2):
        start = line[12] + across * step
        site.canvas.line(np.stack([start, start + along * 3.0]), 0.5, _MARKING)


def _parallel(points_m: np.ndarray, offset_m: float) -> np.ndarray:
    """The line (P, 2) moved sideways, positive to the right of its direction."""
    along = np.gradient(points_m, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return points_m + offset_m * np.stack([-along[:, 1], along[:, 0]], axis=1)


def _resampled(points_m: np.ndarray, spacing_m: float) -> np.ndarray:
    """Points (N, 2) at even distances along a polyline."""
    steps = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(0, travelled[-1], spacing_m)
    return np.stack([np.interp(at, travelled, points_m[:, axis]) for axis in (0, 1)], axis=1)
