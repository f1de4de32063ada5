"""A region of interest: polygons in WGS84 degrees, read from GeoJSON (RFC 7946)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.files import read_json
from skyfix.geo.crs import GeoReference

_POLYGONS = ("Polygon", "MultiPolygon")
_EDGES_ACROSS = 128
"""Edges are split to at most this part of the region: straight in degrees is curved on a map."""

_SLACK = 0.02


class RegionError(SkyfixError):
    """A region that cannot be used."""


@dataclass(frozen=True)
class Region:
    """Polygons on Earth; get one with ``Region.read``.

    Attributes:
        path: the GeoJSON file, for messages.
        polygons: a shapely Polygon or MultiPolygon, (lon, lat) in degrees.
        fingerprint: digest (24 hexadecimal digits) of the polygons, however the file writes them.
    """

    path: Path
    polygons: Any
    fingerprint: str

    @classmethod
    def read(cls, path: Path | str) -> "Region":
        """Read a GeoJSON Polygon, MultiPolygon, Feature, FeatureCollection or GeometryCollection.

        Several polygons are taken together.

        Raises:
            RegionError: not GeoJSON, no polygons, or coordinates that are no degrees.
        """
        path = Path(path)
        return cls.of(_content(path), path)

    @classmethod
    def of(cls, content: Any, path: Path) -> "Region":
        """A region out of GeoJSON that is read already; ``path`` is for messages. See ``read``."""
        import shapely

        polygons = [_polygon(path, geometry) for geometry in _geometries(path, content)]
        if not polygons:
            raise RegionError(f"The region {path} holds no polygon. Draw one.")
        whole = shapely.normalize(shapely.union_all(polygons))
        if whole.is_empty or whole.area == 0.0:
            raise RegionError(f"The region {path} has no area. Draw a polygon around the ground.")
        digest = hashlib.blake2b(shapely.to_wkb(whole, byte_order=1), digest_size=12)
        shapely.prepare(whole)
        return cls(path, whole, digest.hexdigest())

    @property
    def geojson(self) -> dict[str, Any]:
        """The polygons as a GeoJSON geometry; a region of it has the same fingerprint."""
        from shapely.geometry import mapping

        return dict(mapping(self.polygons))

    def contains(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Which positions in degrees lie inside; bool of the arguments' shape."""
        import shapely

        return shapely.contains_xy(self.polygons, lon, lat)

    def window(self, geo: GeoReference) -> tuple[float, float, float, float] | None:
        """Left, top, right, bottom in px of a window of the map that holds all of the region.

        None where the region does not reach the map.
        """
        return _window(self.polygons, geo)

    def misses(self, maps: Sequence[GeoReference]) -> RegionError:
        """The error for a region in which no tile of any map lies, saying what may be wrong."""
        import shapely

        swapped = shapely.transform(self.polygons, lambda pairs: pairs[:, ::-1])
        if any(_window(self.polygons, geo) for geo in maps):
            return RegionError(
                f"The centre of no tile lies in the region {self.path}. "
                "Use a smaller stride, smaller tiles or a larger region."
            )
        hint = "Check the region's coordinates (longitude first, then latitude)"
        if any(_window(swapped, geo) for geo in maps):
            hint = "With longitude and latitude exchanged it would: write the longitude first"
        return RegionError(f"The region {self.path} does not touch the imagery. {hint}.")


def _window(polygons: Any, geo: GeoReference) -> tuple[float, float, float, float] | None:
    import shapely

    size_px = np.array([geo.width_px, geo.height_px], float)
    first, last = np.full(2, np.inf), np.full(2, -np.inf)
    for polygon in shapely.get_parts(polygons):
        west, south, east, north = polygon.bounds
        longest = max(east - west, north - south) / _EDGES_ACROSS
        ring = shapely.segmentize(polygon.exterior, longest)
        lon, lat = shapely.get_coordinates(ring).T
        pixels = np.stack(geo.pixel(lon, lat), axis=1)
        if not np.isfinite(pixels).all():
            # It reaches beyond what the map's projection can show: look everywhere.
            pixels = np.array([[0.0, 0.0], size_px])
        slack = _SLACK * (pixels.max(axis=0) - pixels.min(axis=0)) + 1
        first = np.minimum(first, pixels.min(axis=0) - slack)
        last = np.maximum(last, pixels.max(axis=0) + slack)
    if (first >= size_px).any() or (last <= 0).any():
        return None
    left, top = np.maximum(first, 0.0)
    right, bottom = np.minimum(last, size_px)
    return float(left), float(top), float(right), float(bottom)


def _content(path: Path) -> Any:
    try:
        content = read_json(path, "region")
    except RecursionError as error:
        raise RegionError(f"Cannot read the region {path}: nested too deeply.") from error
    if not isinstance(content, dict) or "type" not in content:
        raise RegionError(
            f"The region {path} is not GeoJSON. Give a Polygon, MultiPolygon, Feature or "
            "FeatureCollection."
        )
    return content


def _geometries(path: Path, content: Any) -> list[Any]:
    """All polygons and multipolygons of a GeoJSON object."""
    kind = content.get("type") if isinstance(content, dict) else None
    if kind in _POLYGONS:
        return [content]
    nested: Any = None
    if kind == "Feature":
        nested = [content.get("geometry")]
    elif kind == "FeatureCollection":
        nested = content.get("features")
    elif kind == "GeometryCollection":
        nested = content.get("geometries")
    if not isinstance(nested, list):
        raise RegionError(
            f"The region {path} holds {kind or 'nothing'} where a Polygon or MultiPolygon is "
            "expected. Draw an area."
        )
    return [geometry for part in nested for geometry in _geometries(path, part)]


def _polygon(path: Path, geometry: Any) -> Any:
    import shapely
    from shapely.geometry import shape

    try:
        # What is not a number is refused below, with a better text than NumPy's warning.
        with np.errstate(invalid="ignore"):
            polygon = shapely.force_2d(shape(geometry))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError,
            shapely.errors.ShapelyError) as error:  # fmt: skip
        raise RegionError(
            f"The region {path} has a damaged {geometry['type']}: {' '.join(str(error).split())}. "
            "Draw it anew."
        ) from error
    _check_degrees(path, shapely.get_coordinates(polygon))
    # A ring that crosses itself becomes the polygons that it goes around.
    valid = shapely.make_valid(polygon)
    parts = [part for part in shapely.get_parts(valid) if part.geom_type in _POLYGONS]
    return shapely.union_all(parts)


def _check_degrees(path: Path, coordinates: np.ndarray) -> None:
    on_earth = (np.abs(coordinates) <= (180.0, 90.0)).all(axis=1)
    if on_earth.all():
        return
    lon, lat = coordinates[np.argmin(on_earth)]
    hint = "Give degrees of WGS84 (EPSG:4326)"
    if abs(lon) <= 90 < abs(lat) <= 180:
        hint = "Longitude comes first, then latitude: exchange them"
    raise RegionError(
        f"The region {path} has the coordinates ({lon:g}, {lat:g}), which are not on Earth. {hint}."
    )
