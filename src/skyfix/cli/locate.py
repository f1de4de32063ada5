"""`skyfix locate`."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich import print as show
from rich.table import Table

from skyfix.cli.deliver import Outputs, check, deliver
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.localize import Fix


def locate(
    photos: tuple[Path, ...],
    /,
    *,
    gallery: Path,
    heading_deg: float | None = None,
    poses: Path | None = None,
    near: tuple[float, float, float] | None = None,
    k: int = 5,
    device: str = "auto",
    outputs: Outputs | None = None,
) -> None:
    """Find where photos were taken.

    Examples: `skyfix locate photo.jpg --gallery gallery --heading-deg 30`,
    `skyfix locate flight --gallery gallery --poses poses.csv --out fixes.geojson --out map.html`

    Parameters
    ----------
    photos
        Drone photos, or folders of them.
    gallery
        Folder of the gallery.
    heading_deg
        Direction that the top of every photo points to, clockwise from true north.
    poses
        CSV with columns file, heading_deg, pitch_deg, altitude_m, hfov_deg; empty cells are
        unknown. Altitude is above ground, pitch -90 looks straight down.
    near
        Search only around a rough position: lon, lat in degrees and a radius in metres.
    k
        Candidates a photo.
    device
        auto, cpu or cuda.
    """
    from skyfix.gallery import Gallery
    from skyfix.geo.camera import Pose
    from skyfix.localize import locate as find
    from skyfix.localize import locate_many, read_poses

    if poses is not None and heading_deg is not None:
        raise SkyfixError("Give --heading-deg or --poses, not both: the poses have headings.")
    wanted = outputs or Outputs()
    check(wanted)
    files = _files(photos)
    table = read_poses(poses) if poses is not None else None
    known = [table.of(file) if table else Pose(heading_deg=heading_deg) for file in files]
    opened = Gallery.open(gallery)
    embedder = opened.embedder(device=device)
    if len(files) == 1:
        # A single bad photo is an error; among many it is an answer that says why.
        fixes = [find(files[0], opened, pose=known[0], near=near, k=k, embedder=embedder)]
    else:
        fixes = locate_many(files, opened, poses=known, near=near, k=k, embedder=embedder)
    _show(fixes)
    deliver(fixes, wanted, opened)


def _files(photos: tuple[Path, ...]) -> list[Path]:
    from skyfix.images import list_images

    files: list[Path] = []
    for photo in photos:
        if photo.is_dir():
            inside = list_images(photo)
            if not inside:
                raise SkyfixError(f"No images in the folder {photo}.")
            files += inside
        elif not photo.exists():
            raise SkyfixError(f"No such photo: {photo}. Check the path.")
        else:
            files.append(photo)
    return files


def _show(fixes: "list[Fix]") -> None:
    table = Table("photo", "lon", "lat", "accuracy m", "confidence", "")
    for fix in fixes:
        name = Path(fix.photo).name
        if fix.lon is None or fix.lat is None or fix.accuracy_m is None:
            table.add_row(name, "", "", "", f"{fix.confidence:.2f}", f"not located: {fix.reason}")
        else:
            accuracy, confidence = f"{fix.accuracy_m:.0f}", f"{fix.confidence:.2f}"
            table.add_row(name, f"{fix.lon:.6f}", f"{fix.lat:.6f}", accuracy, confidence, "")
    show(table)
