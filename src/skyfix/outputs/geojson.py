"""Fixes as GeoJSON (RFC 7946)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from skyfix.files import write_json
from skyfix.localize.fix import Fix
from skyfix.outputs.antimeridian import cut_line, cut_ring
from skyfix.outputs.positions import LonLat, camera, ground, track

_DIGITS = 8


def write_geojson(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write fixes as a feature collection, see ``as_geojson``."""
    write_json(path, as_geojson(fixes))


def as_geojson(fixes: Sequence[Fix]) -> dict[str, Any]:
    """Fixes as a feature collection.

    The property ``kind`` tells features apart:

    - ``fix``: the ground point at the photo's centre, with all of ``Fix.to_json`` but the
      geometry; the geometry is null if not located;
    - ``camera``, ``footprint``: the point below the camera and the ground in the photo, where
      they are known;
    - ``candidate``: a tile that looks like the photo, with its score; ``located`` tells whether
      the photo was placed;
    - ``track``: the line through the fixes, if all tell a time.

    Geometries that cross the antimeridian are cut there (section 3.1.9).
    """
    features = [feature for fix in fixes for feature in _features(fix)]
    lines = [[point for fix in part if (point := ground(fix))] for part in track(fixes)]
    lines = [piece for line in lines if len(line) > 1 for piece in cut_line(line)]
    if lines:
        features.append(_feature(_geometry("LineString", [_rounded(line) for line in lines]),
                                 {"kind": "track"}))  # fmt: skip
    return {"type": "FeatureCollection", "features": features}


def _features(fix: Fix) -> Iterator[dict[str, Any]]:
    values = fix.to_json()
    for name in ("lon", "lat", "candidates", "camera_lon", "camera_lat", "footprint"):
        values.pop(name, None)
    yield _feature(_point(ground(fix)), {"kind": "fix", **values})
    named = {"photo": fix.photo, "located": fix.located}
    if camera(fix) is not None:
        yield _feature(_point(camera(fix)), {"kind": "camera", **named})
    if fix.located and len(fix.footprint) > 2:
        rings = [[_rounded(ring)] for ring in cut_ring(fix.footprint)]
        yield _feature(_geometry("Polygon", rings), {"kind": "footprint", **named})
    for rank, one in enumerate(fix.candidates, start=1):
        about = {"kind": "candidate", **named, "rank": rank, "score": one.score, "tile": one.tile}
        yield _feature(_point((one.lon, one.lat)), about)


def _feature(geometry: dict[str, Any] | None, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _point(position: LonLat | None) -> dict[str, Any] | None:
    if position is None:
        return None
    return {"type": "Point", "coordinates": _rounded([position])[0]}


def _geometry(kind: str, parts: list[Any]) -> dict[str, Any]:
    if len(parts) == 1:
        return {"type": kind, "coordinates": parts[0]}
    return {"type": f"Multi{kind}", "coordinates": parts}


def _rounded(points: Sequence[LonLat]) -> list[list[float]]:
    return [[round(lon, _DIGITS), round(lat, _DIGITS)] for lon, lat in points]
