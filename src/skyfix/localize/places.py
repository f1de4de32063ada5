"""The places worth a closer look, out of the scores of all tiles."""

import numpy as np

from skyfix.gallery.tiles import Tiles
from skyfix.geo.ground import east_north
from skyfix.localize.register import Place

_LOOKED_THROUGH = 2048


def likely_places(
    tiles: Tiles, rows: np.ndarray, scores: np.ndarray, apart_m: float, count: int
) -> tuple[list[Place], np.ndarray]:
    """The best tiles that lie at least ``apart_m`` from each better one.

    Args:
        tiles: the gallery's.
        rows: (T,) tiles that were scored.
        scores: (T,) of the same.
        apart_m: distance between places, metres.
        count: how many places at most.

    Returns:
        The places, best first, and their scores.
    """
    best = np.argsort(-scores, kind="stable")[:_LOOKED_THROUGH]
    first = rows[best[0]]
    east_m, north_m = east_north(
        tiles.lon[first], tiles.lat[first], tiles.lon[rows[best]], tiles.lat[rows[best]]
    )
    free = np.ones(len(best), bool)
    chosen: list[int] = []
    while free.any() and len(chosen) < count:
        one = int(np.argmax(free))
        chosen.append(one)
        free &= np.hypot(east_m - east_m[one], north_m - north_m[one]) >= apart_m
    places = [
        Place(float(tiles.lon[row]), float(tiles.lat[row]), int(tiles.source[row]))
        for row in rows[best[chosen]]
    ]
    return places, scores[best[chosen]]
