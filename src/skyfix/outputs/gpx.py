"""Fixes as GPX 1.1 (https://www.topografix.com/GPX/1/1/)."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from skyfix.geo.crs import wrap_deg
from skyfix.localize.fix import Fix
from skyfix.outputs.positions import ground, track, utc_text
from skyfix.outputs.xml import add, degrees_text, write_xml

NAMESPACE = "http://www.topografix.com/GPX/1/1"
OWN_NAMESPACE = "urn:skyfix:gpx:1"
"""Of the elements accuracy_m, accuracy_95_m, confidence and method in a point's extensions."""


def write_gpx(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write a waypoint a located fix, and a track if all fixes tell a time.

    GPX has no accuracy in metres: it stands in words in ``desc`` and as numbers in
    ``extensions``. Photos that were not located have no waypoint; the file's description names
    them. Segments of the track end where photos were not located.
    """
    root = Element("gpx", {"version": "1.1", "creator": "skyfix", "xmlns": NAMESPACE,
                           "xmlns:skyfix": OWN_NAMESPACE})  # fmt: skip
    lost = [f"{fix.photo}: {fix.reason}" for fix in fixes if not fix.located]
    if lost:
        text = f"{len(lost)} of {len(fixes)} photos were not located. " + " ".join(lost)
        add(add(root, "metadata"), "desc", text)
    for fix in fixes:
        _add_point(root, "wpt", fix)
    segments = track(fixes)
    if segments:
        line = add(root, "trk")
        for segment in segments:
            part = add(line, "trkseg")
            for fix in segment:
                _add_point(part, "trkpt", fix)
    write_xml(root, path)


def _add_point(parent: Element, name: str, fix: Fix) -> None:
    position = ground(fix)
    if position is None:
        return
    # The schema's longitudes end before 180.
    lon = float(wrap_deg(np.asarray(position[0])))
    point = add(parent, name, lat=degrees_text(position[1]), lon=degrees_text(lon))
    if fix.time is not None:
        add(point, "time", utc_text(fix))
    add(point, "name", Path(fix.photo).name)
    add(point, "desc", f"within {fix.accuracy_m or 0:.0f} m at 68 %, confidence "
        f"{fix.confidence:.2f}, from {fix.method}")  # fmt: skip
    more = add(point, "extensions")
    for own, value in (
        ("accuracy_m", f"{fix.accuracy_m or 0:.2f}"),
        ("accuracy_95_m", f"{fix.accuracy_95_m or 0:.2f}"),
        ("confidence", f"{fix.confidence:.4f}"),
        ("method", fix.method),
    ):
        add(more, f"skyfix:{own}", value)
