"""Which tiles lie around a position."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.ground import distance_m

Near = tuple[float, float, float]
"""(lon, lat, radius_m): degrees and ground metres."""

_LEAST_RADIUS_M, _GREATEST_RADIUS_M = 6_335_000.0, 6_400_000.0
"""Below and above every radius of curvature of the WGS84 ellipsoid: a geodesic is longer than the
angle between its ends, as on a sphere with their latitudes, times the one, shorter than times the
other."""

_ROUNDING = 1e-9
"""More than sums of angles (radians) are off by; 6 mm on the ground."""

_SINGLE_ANGLE, _SINGLE_SHARE = 4e-7, 1e-6
"""More than angles (radians) are off by that come from unit vectors in single precision: 3 m on the
ground, and a share of the angle."""

_WIDEST = 2.5
_PIECE = 65_536
CELLS_A_DEGREE = 100
_CELLS_AROUND = 360 * CELLS_A_DEGREE


@dataclass(frozen=True)
class PositionIndex:
    """Positions sorted by cells of a hundredth of a degree, to find those in a circle fast.

    All arrays are in this order, so that a line of cells is read in one piece.

    Attributes:
        order: (T,) int32, which position each is.
        cells: (T,) int32, ascending.
        lon, lat: (T,) float64, degrees.
        directions: (3, T) float32, unit vectors.
    """

    order: np.ndarray
    cells: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, lon: np.ndarray, lat: np.ndarray) -> "PositionIndex":
        """The index of positions (T,), degrees."""
        column = np.floor((lon + 180.0) * CELLS_A_DEGREE).astype(np.int32) % _CELLS_AROUND
        cells = _line(lat) * _CELLS_AROUND + column
        order = np.argsort(cells, kind="stable").astype(np.int32)
        lon, lat = lon[order], lat[order]
        return cls(order, cells[order], lon, lat, _directions(lon, lat))

    def rows(self, near: Near) -> np.ndarray:
        """Indices (n,) of the positions within ``near``'s radius, geodesic distance, in order.

        Raises:
            SkyfixError: a position off the Earth or a radius that is not positive.
        """
        centre_lon, centre_lat, radius_m = _checked(near)
        pieces = self._in_cells(centre_lon, centre_lat, radius_m / _LEAST_RADIUS_M)
        place = np.concatenate([np.arange(piece.start, piece.stop) for piece in pieces])
        there = np.concatenate([self.directions[:, piece] for piece in pieces], axis=1)
        there -= _directions(np.array([centre_lon]), np.array([centre_lat]))
        chord = np.einsum("an,an->n", there, there)
        # The angle decides all but a thin ring at the edge, where the geodesic is worked out.
        inside = chord <= _squared_chord(radius_m / _GREATEST_RADIUS_M, -1)
        edge = place[~inside & (chord <= _squared_chord(radius_m / _LEAST_RADIUS_M, 1))]
        far_m = distance_m(centre_lon, centre_lat, self.lon[edge], self.lat[edge])
        found = np.concatenate([place[inside], edge[far_m <= radius_m]])
        return np.sort(self.order[found]).astype(np.int64)

    def _in_cells(self, lon: float, lat: float, reach: float) -> list[slice]:
        """Where all cells lie that a circle of ``reach`` (radians) touches."""
        tall = math.degrees(reach)
        lines = np.arange(_line(max(lat - tall, -90.0)), _line(min(lat + tall, 90.0)) + 1)
        # Meridians close in towards the poles; the nearer edge of the circle counts.
        room = math.cos(math.radians(abs(lat))) - math.sin(min(reach, math.pi / 2))
        wide = math.degrees(reach / room) if room > 0 else 180.0
        first = math.floor((lon + 180.0 - wide) * CELLS_A_DEGREE)
        last = math.floor((lon + 180.0 + wide) * CELLS_A_DEGREE)
        if last - first + 1 >= _CELLS_AROUND:
            spans = [(0, _CELLS_AROUND - 1)]
        else:
            first, last = first % _CELLS_AROUND, last % _CELLS_AROUND
            across = first > last
            spans = [(first, _CELLS_AROUND - 1), (0, last)] if across else [(first, last)]
        ends = [(lines * _CELLS_AROUND + low, lines * _CELLS_AROUND + high) for low, high in spans]
        # In the cells' own type, or they would all be converted.
        low, high = (np.concatenate(one).astype(np.int32) for one in zip(*ends, strict=True))
        starts = np.searchsorted(self.cells, low, "left").tolist()
        stops = np.searchsorted(self.cells, high, "right").tolist()
        return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]


class Cap:
    """The round part of the Earth around some positions, to tell which circles miss them all.

    Args:
        lon, lat: (T,) degrees.
    """

    def __init__(self, lon: np.ndarray, lat: np.ndarray) -> None:
        across, up = np.radians(lon), np.radians(lat)
        east, north = np.cos(up) * np.sin(across), np.sin(up)
        x, y, z = (float(one.mean()) for one in (np.cos(up) * np.cos(across), east, north))
        self.lon = math.degrees(math.atan2(y, x))
        self.lat = math.degrees(math.atan2(z, math.hypot(x, y)))
        self._reach = float(_angle(self.lon, self.lat, lon, lat).max())

    def meets(self, near: Near) -> bool:
        """Whether ``near``'s circle may hold one of the positions; if not, it holds none.

        Raises:
            SkyfixError: a position off the Earth or a radius that is not positive.
        """
        lon, lat, radius_m = _checked(near)
        apart = float(_angle(lon, lat, np.array(self.lon), np.array(self.lat)))
        return apart <= self._reach + radius_m / _LEAST_RADIUS_M + _ROUNDING


def rows_near(lon: np.ndarray, lat: np.ndarray, near: Near) -> np.ndarray:
    """``PositionIndex.rows`` of positions (T,) that are asked for once."""
    return PositionIndex.of(lon, lat).rows(near)


def _line(lat: Any) -> Any:
    return np.floor((lat + 90.0) * CELLS_A_DEGREE).astype(np.int32)


def _angle(lon: float, lat: float, to_lon: np.ndarray, to_lat: np.ndarray) -> np.ndarray:
    """Angle (radians) between directions on a sphere, by haversines."""
    half_lon, half_lat = np.radians(to_lon - lon) / 2, np.radians(to_lat - lat) / 2
    across = math.cos(math.radians(lat)) * np.cos(np.radians(to_lat)) * np.sin(half_lon) ** 2
    return 2 * np.arcsin(np.sqrt(np.minimum(np.sin(half_lat) ** 2 + across, 1.0)))


def _directions(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors (3, n) in single precision."""
    found = np.empty((3, len(lon)), np.float32)
    for start in range(0, len(lon), _PIECE):
        part = slice(start, start + _PIECE)
        across, up = np.radians(lon[part]), np.radians(lat[part])
        level = np.cos(up)
        found[:, part] = level * np.cos(across), level * np.sin(across), np.sin(up)
    return found


def _squared_chord(angle: float, sign: int) -> float:
    """Squared distance of unit vectors an angle (radians) apart, single precision's error added.

    Args:
        angle: between them; half a turn or more is more than there is.
        sign: 1 to be above whatever rounding makes of it, -1 to be below.
    """
    if angle >= math.pi:
        return math.inf
    if angle > _WIDEST:
        # Towards half a turn chords hardly grow: what lies there is left to the geodesic.
        return 4 * math.sin(_WIDEST / 2) ** 2 if sign < 0 else math.inf
    return 4 * math.sin(max(angle + sign * (_SINGLE_ANGLE + _SINGLE_SHARE * angle), 0.0) / 2) ** 2


def _checked(near: Near) -> Near:
    try:
        lon, lat, radius_m = (float(value) for value in near)
    except (TypeError, ValueError):
        raise SkyfixError(f"near is {near!r}. Give (lon, lat, radius_m).") from None
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise SkyfixError(
            f"near is at longitude {lon:g}, latitude {lat:g}, which is not on Earth. "
            "The order is lon, lat, radius_m."
        )
    if not (math.isfinite(radius_m) and radius_m > 0):
        raise SkyfixError(f"The search radius is {radius_m:g} m. Give metres above 0.")
    return lon, lat, radius_m
