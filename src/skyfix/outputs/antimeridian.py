"""Lines and polygons cut at 180 degrees, as RFC 7946, section 3.1.9, asks for."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from skyfix.geo.crs import wrap_deg
from skyfix.outputs.positions import LonLat


def cut_line(points: Sequence[LonLat]) -> list[list[LonLat]]:
    """Parts of a line that do not cross the antimeridian; each leg takes the shorter way.

    Args:
        points: at least two (lon, lat).
    """
    parts = [[points[0]]]
    for start, end in pairwise(points):
        lon = start[0] + float(wrap_deg(np.asarray(end[0] - start[0])))
        if abs(lon) > 180:
            edge = 180.0 if lon > 0 else -180.0
            lat = _crossing(start, (lon, end[1]), edge)[1]
            parts[-1].append((edge, lat))
            parts.append([(-edge, lat)])
        parts[-1].append((_wrapped(lon), end[1]))
    return parts


def cut_ring(points: Sequence[LonLat]) -> list[list[LonLat]]:
    """Closed rings, counterclockwise, of a convex polygon cut at the antimeridian.

    Args:
        points: at least three corners (lon, lat) in either direction, not closed.
    """
    unwrapped = _unwrapped(points)
    if _area(unwrapped) < 0:
        unwrapped.reverse()
    rings = []
    for turns in (-360.0, 0.0, 360.0):
        shifted = [(lon + turns, lat) for lon, lat in unwrapped]
        inside = _clip(_clip(shifted, 180.0, -1.0), -180.0, 1.0)
        if len(inside) > 2 and _area(inside) > 0:
            rings.append([*inside, inside[0]])
    return rings


def _unwrapped(points: Sequence[LonLat]) -> list[LonLat]:
    """The same points with longitudes that go on past 180 instead of jumping."""
    lon = np.unwrap([point[0] for point in points], period=360.0).tolist()
    return [(east, point[1]) for east, point in zip(lon, points, strict=True)]


def _wrapped(lon: float) -> float:
    return lon if abs(lon) <= 180 else float(wrap_deg(np.asarray(lon)))


def _crossing(start: LonLat, end: LonLat, lon: float) -> LonLat:
    share = (lon - start[0]) / (end[0] - start[0])
    return lon, start[1] + share * (end[1] - start[1])


def _clip(points: Sequence[LonLat], edge: float, sign: float) -> list[LonLat]:
    """Part of a convex polygon east (sign 1) or west (-1) of a meridian."""
    kept: list[LonLat] = []
    for point, after in zip(points, [*points[1:], *points[:1]], strict=True):
        inside, next_inside = sign * (point[0] - edge) >= 0, sign * (after[0] - edge) >= 0
        if inside:
            kept.append(point)
        if inside != next_inside:
            kept.append(_crossing(point, after, edge))
    return kept


def _area(points: Sequence[LonLat]) -> float:
    """Twice the signed area, square degrees; positive is counterclockwise."""
    lon, lat = np.array(points).T
    return float(np.sum(lon * np.roll(lat, -1) - np.roll(lon, -1) * lat))
