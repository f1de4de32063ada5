"""Where a raster's pixels lie: longitude, latitude, ground metres per pixel, direction of up."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import CRS, Geod, Transformer
from rasterio import Affine

from skyfix.geo.ground import distance_m

_WGS84 = Geod(ellps="WGS84")
_WEB_MERCATOR = CRS("EPSG:3857")
MERCATOR_PERIOD_M = 2 * np.pi * 6_378_137.0
"""Once around the Earth in EPSG:3857."""
_KNOT_SPACING_M = 5000.0
_MOST_KNOTS = 257


@dataclass(frozen=True)
class GroundScale:
    """What a pixel covers on the ground; arrays of one shape.

    Attributes:
        x_m: ground metres a pixel step to the right.
        y_m: ground metres a pixel step down.
        heading_deg: direction of the raster's up, clockwise from true north, [-180, 180].
    """

    x_m: np.ndarray
    y_m: np.ndarray
    heading_deg: np.ndarray


@dataclass(frozen=True)
class GeoReference:
    """Pixels of a north-up raster to WGS84 and back.

    Pixel coordinates are continuous: (0, 0) is the upper left corner of the first pixel, column
    x to the right, row y down. Ground metres are geodesic lengths on the WGS84 ellipsoid, so
    they hold in every CRS: EPSG:3857 metres shrink with cos(latitude), degrees are not square.

    Attributes:
        crs: any projected or geographic CRS.
        transform: pixel to map coordinates, without rotation.
        width_px, height_px: size of the raster.
    """

    crs: CRS
    transform: Affine
    width_px: int
    height_px: int

    def lonlat(
        self, columns: np.ndarray | float, rows: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Longitude in [-180, 180) and latitude of pixels, degrees; inf where undefined."""
        x = self.transform.c + self.transform.a * np.asarray(columns, dtype=np.float64)
        y = self.transform.f + self.transform.e * np.asarray(rows, dtype=np.float64)
        x, y = np.broadcast_arrays(x, y)
        lon, lat = self._to_wgs84.transform(x, y)
        return wrap_deg(np.asarray(lon)), np.asarray(lat)

    def pixel(
        self, lon: np.ndarray | float, lat: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of positions in degrees; may lie outside the raster."""
        lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        x, y = self._to_wgs84.transform(lon, lat, direction="INVERSE")
        if self._period is not None:
            # A raster across the antimeridian may count on past 180 or start below -180.
            centre_x = self.transform.c + self.transform.a * self.width_px / 2
            x = centre_x + _wrap(np.asarray(x) - centre_x, self._period)
        columns = (np.asarray(x) - self.transform.c) / self.transform.a
        rows = (np.asarray(y) - self.transform.f) / self.transform.e
        return columns, rows

    def scale(
        self,
        columns: np.ndarray | float,
        rows: np.ndarray | float,
        span_px: tuple[float, float] = (2.0, 2.0),
    ) -> GroundScale:
        """Ground scale at pixels, measured across ``span_px`` (columns, rows) around each."""
        columns, rows = np.broadcast_arrays(
            np.asarray(columns, np.float64), np.asarray(rows, np.float64)
        )
        half_x, half_y = span_px[0] / 2, span_px[1] / 2
        left, right = self.lonlat(columns - half_x, rows), self.lonlat(columns + half_x, rows)
        above, below = self.lonlat(columns, rows - half_y), self.lonlat(columns, rows + half_y)
        heading_deg, _, _ = _WGS84.inv(*self.lonlat(columns, rows), *above)
        return GroundScale(
            x_m=distance_m(*left, *right) / span_px[0],
            y_m=distance_m(*above, *below) / span_px[1],
            heading_deg=np.asarray(heading_deg),
        )

    @cached_property
    def scales(self) -> "ScaleGrid":
        """Ground scale of the whole raster, for fast look-up."""
        return ScaleGrid(self)

    @cached_property
    def _period(self) -> float | None:
        """Map units once around the Earth, where the map goes around it."""
        if self.crs.is_geographic:
            return 360.0
        return MERCATOR_PERIOD_M if self.crs == _WEB_MERCATOR else None

    @cached_property
    def _to_wgs84(self) -> Transformer:
        return Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)


class ScaleGrid:
    """Ground scale interpolated between knots of a coarse grid.

    Knots lie at most 5 km apart (up to 257 a side), where the scale of any usual projection is
    straight to a few parts in a million; it saves four geodesics a tile.

    Args:
        geo: the raster's georeference.
    """

    def __init__(self, geo: GeoReference) -> None:
        middle = geo.scale(geo.width_px / 2, geo.height_px / 2)
        self._columns = _knots(geo.width_px, float(middle.x_m))
        self._rows = _knots(geo.height_px, float(middle.y_m))
        # Half a cell: long enough for exact distances, short enough to stay local.
        span_px = (float(self._columns[1] / 2), float(self._rows[1] / 2))
        self.knots = geo.scale(self._columns[None, :], self._rows[:, None], span_px)

    def at(self, columns: np.ndarray | float, rows: np.ndarray | float) -> GroundScale:
        """Ground scale at pixels; arguments broadcast, positions are held inside the raster."""
        columns, rows = np.broadcast_arrays(
            np.asarray(columns, np.float64), np.asarray(rows, np.float64)
        )
        column, right = _cell(self._columns, columns)
        row, down = _cell(self._rows, rows)

        def interpolated(values: np.ndarray) -> np.ndarray:
            top = values[row, column] * (1 - right) + values[row, column + 1] * right
            bottom = values[row + 1, column] * (1 - right) + values[row + 1, column + 1] * right
            return top * (1 - down) + bottom * down

        heading = np.radians(self.knots.heading_deg)
        # Sine and cosine: near a pole the angle jumps between -180 and 180.
        heading_deg = np.degrees(
            np.arctan2(interpolated(np.sin(heading)), interpolated(np.cos(heading)))
        )
        return GroundScale(interpolated(self.knots.x_m), interpolated(self.knots.y_m), heading_deg)


def wrap_deg(angle_deg: np.ndarray) -> np.ndarray:
    """The same angle in [-180, 180); what is not finite stays as it is."""
    return _wrap(angle_deg, 360.0)


def _wrap(value: np.ndarray, period: float) -> np.ndarray:
    half = period / 2
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(value), (value + half) % period - half, value)


def _knots(size_px: int, gsd_m: float) -> np.ndarray:
    extent_m = size_px * gsd_m
    count = int(np.clip(np.ceil(extent_m / _KNOT_SPACING_M) + 1, 3, _MOST_KNOTS))
    return np.linspace(0.0, size_px, count)


def _cell(knots: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the knot before each position, and how far it is to the next one (0..1)."""
    exact = np.clip(positions / knots[1], 0, len(knots) - 1)
    index = np.minimum(exact.astype(np.int64), len(knots) - 2)
    return index, exact - index
