"""`skyfix locate`."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import print as show
from rich.markup import escape
from rich.table import Column, Table

from skyfix.cli.deliver import Outputs, check, deliver
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.gallery import Gallery
    from skyfix.localize import Fix, Known


def locate(
    photos: tuple[Path, ...],
    /,
    *,
    gallery: str,
    heading_deg: float | None = None,
    pitch_deg: float | None = None,
    altitude_m: float | None = None,
    hfov_deg: float | None = None,
    roll_deg: float | None = None,
    poses: Path | None = None,
    metadata: bool = True,
    headings: int = 8,
    right: Path | None = None,
    baseline_m: float | None = None,
    focal_px: float | None = None,
    dem: Path | None = None,
    near: tuple[float, float, float] | None = None,
    near_exif: float | None = None,
    k: int = 5,
    register: bool = True,
    system: str | None = None,
    device: str = "auto",
    outputs: Outputs | None = None,
) -> None:
    """Find where photos were taken.

    What is known of the camera is taken, value by value, from these options, else from a stereo
    pair, the poses table, an elevation model and last the photo's own EXIF and XMP tags. Of
    several photos one that cannot be read is reported, and the others go on (exit code 0).

    Examples: `skyfix locate photo.jpg --gallery gallery --heading-deg 30`,
    `skyfix locate flight --gallery gallery --poses poses.csv --out fixes.geojson --out map.html`

    Parameters
    ----------
    photos
        Drone photos, or folders of them.
    gallery
        Folder of the gallery, or s3://bucket/folder.
    heading_deg
        Direction that the top of every photo points to, clockwise from true north.
    pitch_deg
        0 looks at the horizon, -90 straight down. Without it, where altitude and field of view
        are known, the camera is taken to look straight down.
    altitude_m
        Height above the ground.
    hfov_deg
        Field of view across the width of the upright photo.
    roll_deg
        Positive when the camera's right side dips.
    poses
        CSV with columns file, heading_deg, pitch_deg, altitude_m, hfov_deg; empty cells are
        unknown. Altitude is above ground, pitch -90 looks straight down.
    metadata
        Use the pose written in the photo (EXIF, XMP). Its GPS position is never used for the
        search, except with --near-exif.
    headings
        Directions that are tried where the heading is unknown.
    right
        Right image of a rectified stereo pair whose left image is the photo; gives the altitude.
    baseline_m
        Distance between the stereo pair's cameras.
    focal_px
        Focal length of the stereo pair, in pixels of the images as they are.
    dem
        Elevation model (GeoTIFF, metres above the sea): gives the altitude above the ground from
        the photo's altitude above the sea. Needs --near or --near-exif.
    near
        Search only around a rough position: lon, lat in degrees and a radius in metres.
    near_exif
        Search only within this many metres of the photo's own GPS position.
    k
        Candidates a photo.
    register
        Compare photos with the map itself: far more exact, about a second a photo. Those of
        unknown pitch, altitude or field of view are believed only if they match it as pictures
        from straight above. Needs the map's files where they were when the gallery was built.
    system
        Another form of the gallery's system to embed with, such as a folder that
        `skyfix export` wrote; the gallery's own by default.
    device
        auto, cpu or cuda.
    """
    from skyfix.images import image_files

    # Before libraries are loaded that take seconds.
    files = image_files(photos)
    from skyfix.gallery import Gallery
    from skyfix.geo.camera import Pose
    from skyfix.geo.terrain import Terrain
    from skyfix.localize import known_of, read_poses
    from skyfix.localize.known import with_terrain
    from skyfix.localize.on_terrain import on_terrain

    _check_priors(near, near_exif, dem)
    wanted = outputs or Outputs()
    check(wanted)
    table = read_poses(poses) if poses is not None else None
    given = Pose(heading_deg, pitch_deg, altitude_m, hfov_deg, roll_deg)
    known = [known_of(file, given, table, metadata) for file in files]
    known = _with_stereo(known, right, baseline_m, focal_px)
    with Terrain(dem) if dem is not None else nullcontext() as terrain:
        if terrain is not None:
            known = [with_terrain(one, terrain, *(near or one.position)[:2]) for one in known]
        opened = Gallery.open(gallery)
        search = {
            "k": k,
            "headings": headings,
            "embedder": opened.embedder(device=device, system=system),
            "register": register,
        }
        if near_exif is None:
            fixes = _fixes(known, opened, near=near, **search)
        else:
            fixes = _fixes_near_exif(known, opened, near_exif, **search)
        if terrain is not None:
            fixes = [on_terrain(fix, one, terrain) for fix, one in zip(fixes, known, strict=True)]
    fixes = [replace(fix, time=one.metadata.time) for fix, one in zip(fixes, known, strict=True)]
    _show(fixes, known)
    deliver(fixes, wanted, opened)


def _check_priors(near: object, near_exif: float | None, dem: Path | None) -> None:
    if near is not None and near_exif is not None:
        raise SkyfixError("Give --near or --near-exif, not both.")
    if near_exif is not None and not near_exif > 0:
        raise SkyfixError(f"--near-exif is {near_exif:g}. Give a radius in metres above 0.")
    if dem is not None and near is None and near_exif is None:
        raise SkyfixError(
            "--dem needs a rough position to look the height up. Give --near or --near-exif."
        )


def _with_stereo(
    known: "list[Known]", right: Path | None, baseline_m: float | None, focal_px: float | None
) -> "list[Known]":
    from skyfix.localize.known import with_stereo

    if right is None and baseline_m is None and focal_px is None:
        return known
    if right is None or baseline_m is None or focal_px is None:
        raise SkyfixError("A stereo pair needs --right, --baseline-m and --focal-px.")
    if len(known) != 1:
        raise SkyfixError(f"--right is for one photo, but there are {len(known)}.")
    return [with_stereo(known[0], right, baseline_m, focal_px)]


def _fixes(known: "list[Known]", gallery: "Gallery", **search: Any) -> "list[Fix]":
    from skyfix.localize import locate, locate_many

    if len(known) == 1:
        # A single bad photo is an error; among many it is an answer that says why.
        return [locate(known[0].photo, gallery, pose=known[0].pose, **search)]
    photos, poses = [one.photo for one in known], [one.pose for one in known]
    return locate_many(photos, gallery, poses=poses, **search)


def _fixes_near_exif(
    known: "list[Known]", gallery: "Gallery", radius_m: float, **search: Any
) -> "list[Fix]":
    """Each photo searched around its own position, so one by one."""
    from skyfix.localize.fix import not_located
    from skyfix.progress import tracked

    fixes = []
    for one in tracked(known, "Locating", len(known), "photos"):
        try:
            fixes += _fixes([one], gallery, near=one.near(radius_m), **search)
        except SkyfixError as error:
            if len(known) == 1:
                raise
            fixes.append(not_located(str(one.photo), str(error)))
    return fixes


def _show(fixes: "Sequence[Fix]", known: "Sequence[Known]") -> None:
    """A table that 80 columns hold; what is said of many photos stands below it, once."""
    whole = [Column(name, no_wrap=True) for name in ("lon", "lat", "± m", "conf.", "method")]
    table = Table(Column("photo", overflow="fold"), *whole)
    for fix in fixes:
        place, method = ["", "", ""], "not located"
        if fix.lon is not None and fix.lat is not None and fix.accuracy_m is not None:
            place = [f"{fix.lon:.6f}", f"{fix.lat:.6f}", f"{fix.accuracy_m:.0f}"]
            method = fix.method
        table.add_row(escape(Path(fix.photo).name), *place, f"{fix.confidence:.2f}", method)
    show(table)
    kinds = Counter(one.summary or "nothing" for one in known).most_common()
    print(f"Pose known: {', '.join(f'{photos} ({kind})' for kind, photos in kinds)}")
    names: dict[str, list[str]] = {}
    for fix in fixes:
        names.setdefault(fix.reason, []).append(Path(fix.photo).name)
    for reason, photos in names.items():
        if reason:
            print(f"{photos[0] if len(photos) == 1 else f'{len(photos)} photos'}: {reason}")
    # Of a file that is no photo the reason says enough.
    read = [one for one in known if one.metadata.size_px != (0, 0)]
    for note, count in Counter(note for one in read for note in one.notes).most_common():
        print(f"{count} photo{'s' if count > 1 else ''}: {note}")
