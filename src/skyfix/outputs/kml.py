"""Fixes as KML 2.3 (OGC 12-007r2), for Google Earth and its like."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from skyfix.localize.fix import Fix
from skyfix.outputs.antimeridian import cut_line, cut_ring
from skyfix.outputs.positions import LonLat, camera, ground, track, utc_text
from skyfix.outputs.xml import add, degrees_text, write_xml

NAMESPACE = "http://www.opengis.net/kml/2.2"


def write_kml(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write folders of fixes, cameras, footprints, candidates (hidden at first) and the track.

    A placemark of a fix carries accuracy, confidence, method and time; one of a photo that was
    not located has no geometry and says why.
    """
    root = Element("kml", xmlns=NAMESPACE)
    document = add(root, "Document")
    add(document, "name", "skyfix")
    _add_style(document)
    folder = _folder(document, "Fixes")
    for fix in fixes:
        _add_fix(folder, fix)
    _add_cameras(document, fixes)
    _add_footprints(document, fixes)
    _add_candidates(document, fixes)
    _add_track(document, fixes)
    write_xml(root, path)


def _add_style(document: Element) -> None:
    style = add(document, "Style", id="outline")
    line = add(style, "LineStyle")
    # KML colours are alpha, blue, green, red.
    add(line, "color", "ff00aaff")
    add(line, "width", "2")
    add(add(style, "PolyStyle"), "color", "3300aaff")


def _add_fix(folder: Element, fix: Fix) -> None:
    mark = add(folder, "Placemark")
    add(mark, "name", Path(fix.photo).name)
    position = ground(fix)
    if position is None:
        add(mark, "description", f"Not located: {fix.reason}")
    else:
        add(mark, "description", f"Within {fix.accuracy_m or 0:.0f} m at 68 %, "
            f"{fix.accuracy_95_m or 0:.0f} m at 95 %.")  # fmt: skip
    if fix.time is not None:
        add(add(mark, "TimeStamp"), "when", utc_text(fix))
    _add_data(mark, fix)
    if position is not None:
        add(add(mark, "Point"), "coordinates", _coordinates([position]))


def _add_data(mark: Element, fix: Fix) -> None:
    data = add(mark, "ExtendedData")
    values = {"photo": fix.photo, "confidence": f"{fix.confidence:.4f}", "method": fix.method}
    if fix.accuracy_m is not None and fix.accuracy_95_m is not None:
        values |= {
            "accuracy_m": f"{fix.accuracy_m:.2f}",
            "accuracy_95_m": f"{fix.accuracy_95_m:.2f}",
        }
    for name, value in values.items():
        add(add(data, "Data", name=name), "value", value)


def _add_cameras(document: Element, fixes: Sequence[Fix]) -> None:
    known = [(Path(fix.photo).name, position) for fix in fixes if (position := camera(fix))]
    if known:
        _add_points(_folder(document, "Cameras"), known, shown=True)


def _add_candidates(document: Element, fixes: Sequence[Fix]) -> None:
    found = [
        (f"{rank}. of {Path(fix.photo).name}, score {one.score:.2f}", (one.lon, one.lat))
        for fix in fixes
        for rank, one in enumerate(fix.candidates, start=1)
    ]
    if found:
        folder = _folder(document, "Candidates", shown=False)
        _add_points(folder, found, shown=False)


def _add_points(folder: Element, points: Sequence[tuple[str, LonLat]], shown: bool) -> None:
    for name, position in points:
        mark = add(folder, "Placemark")
        add(mark, "name", name)
        if not shown:
            add(mark, "visibility", "0")
        add(add(mark, "Point"), "coordinates", _coordinates([position]))


def _add_footprints(document: Element, fixes: Sequence[Fix]) -> None:
    known = [fix for fix in fixes if fix.located and len(fix.footprint) > 2]
    folder = _folder(document, "Footprints") if known else document
    for fix in known:
        geometry = _outlined(folder, Path(fix.photo).name)
        for ring in cut_ring(fix.footprint):
            outside = add(add(geometry, "Polygon"), "outerBoundaryIs")
            add(add(outside, "LinearRing"), "coordinates", _coordinates(ring))


def _add_track(document: Element, fixes: Sequence[Fix]) -> None:
    lines = [[point for fix in part if (point := ground(fix))] for part in track(fixes)]
    pieces = [piece for line in lines if len(line) > 1 for piece in cut_line(line)]
    if not pieces:
        return
    geometry = _outlined(document, "Track")
    for piece in pieces:
        add(add(geometry, "LineString"), "coordinates", _coordinates(piece))


def _outlined(parent: Element, name: str) -> Element:
    mark = add(parent, "Placemark")
    add(mark, "name", name)
    add(mark, "styleUrl", "#outline")
    return add(mark, "MultiGeometry")


def _folder(document: Element, name: str, shown: bool = True) -> Element:
    folder = add(document, "Folder")
    add(folder, "name", name)
    if not shown:
        add(folder, "visibility", "0")
    return folder


def _coordinates(points: Sequence[LonLat]) -> str:
    return " ".join(f"{degrees_text(lon)},{degrees_text(lat)}" for lon, lat in points)
