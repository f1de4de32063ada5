"""Photos of which the place is known, from a CSV table."""

import math
from dataclasses import dataclass
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.localize.poses import number_of, pose_of_row, read_rows

COLUMNS = ("file", "lon", "lat")
TABLE_FILE = "photos.csv"


@dataclass(frozen=True)
class Labelled:
    """A photo and the truth about it.

    Attributes:
        path: the photo.
        lon, lat: the ground point at its centre, degrees.
        pose: what is known of the camera.
    """

    path: Path
    lon: float
    lat: float
    pose: Pose


def read_labelled(path: Path | str) -> list[Labelled]:
    """Read a CSV with the columns file, lon, lat, and those of a poses file where known.

    Args:
        path: the table, or a folder that holds one as ``photos.csv``. Files are named relative
            to it. Rows without lon and lat are passed over.

    Raises:
        SkyfixError: no table, a column missing, a photo that is not there, a value that is no
            number or out of range.
    """
    path = Path(path)
    table = path / TABLE_FILE if path.is_dir() else path
    found = []
    for number, row in read_rows(table, COLUMNS, "table of labelled photos"):
        where = f"{table} row {number}"
        file = (row["file"] or "").strip()
        if not file:
            raise SkyfixError(f"{where}: the file column is empty. Name the photo.")
        lon, lat = number_of(row, "lon", where), number_of(row, "lat", where)
        if lon is None or lat is None:
            continue
        if not (math.isfinite(lon) and abs(lon) <= 180 and math.isfinite(lat) and abs(lat) <= 90):
            raise SkyfixError(f"{where}: no place on Earth: lon {lon:g}, lat {lat:g}.")
        photo = table.parent / file
        if not photo.is_file():
            raise SkyfixError(f"{where}: no such photo: {photo}. Paths are relative to the table.")
        found.append(Labelled(photo, lon, lat, pose_of_row(row, where)))
    return found
