"""Where the tiles of a gallery lie."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from skyfix.geo.crs import wrap_deg
from skyfix.geo.ground import offset


@dataclass(frozen=True)
class Tiles:
    """Columns of a gallery, one value a tile; arrays (T,).

    Attributes:
        id: str, from the raster's content and the window; the same in every gallery built alike.
        source: index into ``Gallery.sources``.
        lon, lat: centre, WGS84 degrees.
        size_m: side on the ground, metres.
        gsd_m: ground metres a map pixel, geometric mean of both directions.
        heading_deg: direction of the tile's up, clockwise from true north.
        column_px, row_px, width_px, height_px: window on the raster, px, may lie between pixels.
    """

    id: np.ndarray
    source: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    size_m: np.ndarray
    gsd_m: np.ndarray
    heading_deg: np.ndarray
    column_px: np.ndarray
    row_px: np.ndarray
    width_px: np.ndarray
    height_px: np.ndarray

    def __len__(self) -> int:
        return len(self.lon)

    @classmethod
    def names(cls) -> list[str]:
        """Column names, as stored."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_table(cls, table: pa.Table) -> "Tiles":
        """Tiles of a stored table."""
        return cls(**{name: _array(table[name]) for name in cls.names()})

    def at(self, rows: np.ndarray) -> "Tiles":
        """Some of the tiles."""
        return Tiles(**{name: getattr(self, name)[rows] for name in self.names()})

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees around all tiles; across the antimeridian west is
        the larger number, as in GeoJSON (RFC 7946, section 5.2).
        """
        # Longitudes relative to the first tile: no jump at 180 degrees.
        first, reach_m = self.lon[0], self.size_m / 2
        west, south = offset(self.lon, self.lat, -reach_m, -reach_m)
        east, north = offset(self.lon, self.lat, reach_m, reach_m)
        return (
            float(wrap_deg(first + wrap_deg(west - first).min())),
            float(south.min()),
            float(wrap_deg(first + wrap_deg(east - first).max())),
            float(north.max()),
        )


def _array(column: pa.ChunkedArray) -> np.ndarray:
    array = column.to_numpy()
    return array.astype(str) if pa.types.is_string(column.type) else array
