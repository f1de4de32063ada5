"""Which tile lies at a given place: a hash grid over tile centres."""

import numpy as np

from skyfix.geo.crs import wrap_deg

_METRES_PER_DEGREE = 111_195.0


class TileFinder:
    """Finds the tile nearest to a position, for many positions at once.

    Centres are put into cells twice as wide as the reach, so a position needs to look into four
    cells only, whatever the number of tiles.

    Args:
        lon, lat: (T,) tile centres, degrees.
        reach_m: positions farther than this from every centre have no tile.
    """

    def __init__(self, lon: np.ndarray, lat: np.ndarray, reach_m: float) -> None:
        self._lon, self._lat, self._reach_m = lon, lat, reach_m
        line = np.floor(self._north_m(lat) / (2 * reach_m)).astype(np.int64)
        keys = _key(line, self._column(lon, line, 0.0))
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._most_in_a_cell = int(np.unique(keys, return_counts=True)[1].max(initial=0))

    def nearest(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Rows (N,) of the tiles nearest to positions (N,); -1 where none is in reach."""
        rows = np.full(len(lon), -1, dtype=np.int64)
        nearest_m = np.full(len(lon), self._reach_m)
        for south_m in (-self._reach_m, self._reach_m):
            line = np.floor((self._north_m(lat) + south_m) / (2 * self._reach_m)).astype(np.int64)
            for west_m in (-self._reach_m, self._reach_m):
                key = _key(line, self._column(lon, line, west_m))
                first = np.searchsorted(self._keys, key)
                for place in range(self._most_in_a_cell):
                    entry = np.minimum(first + place, len(self._keys) - 1)
                    row = self._order[entry]
                    away_m = np.where(
                        self._keys[entry] == key, self._distance_m(lon, lat, row), np.inf
                    )
                    closer = away_m <= nearest_m
                    rows[closer], nearest_m[closer] = row[closer], away_m[closer]
        return rows

    def _north_m(self, lat: np.ndarray) -> np.ndarray:
        return np.asarray(lat) * _METRES_PER_DEGREE

    def _column(self, lon: np.ndarray, line: np.ndarray, shift_m: float) -> np.ndarray:
        # All cells of a line share one scale, so that centres and positions agree.
        lat = (line + 0.5) * 2 * self._reach_m / _METRES_PER_DEGREE
        east_m = wrap_deg(lon - self._lon[0]) * np.cos(np.radians(lat)) * _METRES_PER_DEGREE
        return np.floor((east_m + shift_m) / (2 * self._reach_m)).astype(np.int64)

    def _distance_m(self, lon: np.ndarray, lat: np.ndarray, row: np.ndarray) -> np.ndarray:
        east = wrap_deg(lon - self._lon[row]) * np.cos(np.radians(lat))
        return np.hypot(east, lat - self._lat[row]) * _METRES_PER_DEGREE


def _key(line: np.ndarray, column: np.ndarray) -> np.ndarray:
    return (line << 32) + column
