"""One call that writes fixes in the format that a file's name asks for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skyfix.errors import SkyfixError
from skyfix.localize.fix import Fix
from skyfix.outputs.csv_table import write_csv
from skyfix.outputs.geojson import write_geojson
from skyfix.outputs.gpx import write_gpx
from skyfix.outputs.json_lines import write_json_array, write_json_lines
from skyfix.outputs.kml import write_kml
from skyfix.outputs.map_page import write_map_page
from skyfix.outputs.nmea import write_nmea
from skyfix.outputs.ros_bag import check_bag, write_ros_bag

if TYPE_CHECKING:
    from skyfix.gallery import Gallery

WRITERS: dict[str, Callable[[Sequence[Fix], Path], None]] = {
    ".json": write_json_array,
    ".jsonl": write_json_lines,
    ".geojson": write_geojson,
    ".kml": write_kml,
    ".gpx": write_gpx,
    ".csv": write_csv,
    ".nmea": write_nmea,
    ".bag": write_ros_bag,
    ".html": write_map_page,
}
"""Formats by suffix; a ``.bag`` is a folder (ROS 2)."""


def check_output(path: Path | str) -> None:
    """Refuse a file name that no format belongs to, before work is done for it.

    Raises:
        SkyfixError: listing what is known; or a bag that exists already.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".bag":
        check_bag(Path(path))
    if suffix not in WRITERS:
        known = ", ".join(WRITERS)
        raise SkyfixError(f"No output format for {path}. Name the file with one of: {known}.")


def write_fixes(fixes: Sequence[Fix], path: Path | str, gallery: "Gallery | None" = None) -> None:
    """Write fixes to a file; its suffix says how, see ``WRITERS``.

    Args:
        fixes: at least one.
        path: file, or folder for ``.bag``.
        gallery: where they were found; the map page (``.html``) shows its imagery.

    Raises:
        SkyfixError: no fixes, an unknown suffix, or the file cannot be written.
    """
    path = Path(path)
    check_output(path)
    if not fixes:
        raise SkyfixError(f"No fixes to write to {path}. Locate at least one photo.")
    if path.suffix.lower() == ".html":
        write_map_page(fixes, path, gallery)
    else:
        WRITERS[path.suffix.lower()](fixes, path)
