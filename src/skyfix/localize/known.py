"""What is known of the camera of a photo, and from where: the first source that knows counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.nearby import Near
from skyfix.geo.camera import Pose, centre_on_ground
from skyfix.geo.ground import offset
from skyfix.geo.terrain import Terrain
from skyfix.images import read_image
from skyfix.localize.photo_metadata import NO_ANGLES, PhotoMetadata, read_metadata
from skyfix.localize.poses import PoseTable
from skyfix.localize.stereo import range_from_stereo

GIVEN, STEREO, POSES, TERRAIN, PHOTO = "given", "stereo", "poses", "terrain", "photo"
"""Sources, the first counts most."""

_NAMES = tuple(one.name for one in fields(Pose))


@dataclass(frozen=True)
class Known:
    """What is known of one photo.

    Attributes:
        photo: its path.
        pose: of its camera.
        sources: which source each known value of the pose comes from, by the value's name.
        metadata: what is written in the photo, used or not.
        notes: what could not be used, one line each.
    """

    photo: Path
    pose: Pose
    sources: Mapping[str, str]
    metadata: PhotoMetadata = field(default_factory=PhotoMetadata)
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The sources and what each gave, such as ``given: pitch; photo: heading, altitude``."""
        of_source: dict[str, list[str]] = {}
        for name, source in self.sources.items():
            of_source.setdefault(source, []).append(name.rsplit("_", 1)[0])
        return "; ".join(f"{source}: {', '.join(names)}" for source, names in of_source.items())

    @property
    def position(self) -> tuple[float, float]:
        """Longitude and latitude of the camera by its own GPS, degrees; NaN if unknown."""
        lon, lat = self.metadata.lon, self.metadata.lat
        return (np.nan, np.nan) if lon is None or lat is None else (lon, lat)

    def near(self, radius_m: float) -> Near:
        """A circle around the photo's GPS position, moved to the ground at the photo's centre.

        Without a full pose it stays around the camera, and the radius has to cover the way.

        Raises:
            SkyfixError: the photo has no usable position.
        """
        lon, lat = self.metadata.lon, self.metadata.lat
        if lon is None or lat is None:
            why = "; ".join(note for note in self.metadata.warnings if "GPS" in note)
            raise SkyfixError(
                f"{self.photo} has no usable GPS position{f' ({why})' if why else ''}. "
                "Search around a position with --near."
            )
        if self.pose.is_complete:
            lon, lat = (float(one) for one in offset(lon, lat, *centre_on_ground(self.pose)))
        return lon, lat, radius_m


def known_of(
    photo: Path | str,
    given: Pose | None = None,
    table: PoseTable | None = None,
    use_metadata: bool = True,
) -> Known:
    """Put together what is known of a photo's camera, value by value.

    Args:
        photo: its path.
        given: what the user says; counts before all else.
        table: poses of photos; counts before what is written in the photo.
        use_metadata: whether the pose written in the photo counts.

    Raises:
        SkyfixError: the table has no row for the photo.
    """
    metadata = read_metadata(photo)
    poses = [(GIVEN, given or Pose())]
    if table is not None:
        poses.append((POSES, table.of(photo)))
    if use_metadata:
        poses.append((PHOTO, metadata.pose))
    pose, sources = _merged(poses)
    notes = metadata.warnings if use_metadata else ()
    if pose.pitch_deg is not None:
        notes = tuple(note for note in notes if note != NO_ANGLES)
    return Known(Path(photo), pose, sources, metadata, notes)


def with_stereo(known: Known, right: Path, baseline_m: float, focal_px: float) -> Known:
    """Altitude and field of view out of a stereo pair whose left image is the photo.

    The range is along the optical axis; where the pitch is unknown the camera is taken to look
    straight down. Values that the user gave stay.

    Raises:
        SkyfixError: as ``range_from_stereo``; images that cannot be read; a camera that does not
            look at the ground.
    """
    left = np.asarray(read_image(known.photo))
    pitch_deg = -90.0 if known.pose.pitch_deg is None else known.pose.pitch_deg
    if pitch_deg >= 0:
        raise SkyfixError(
            f"pitch_deg is {pitch_deg:g}: the camera does not look at the ground, so a stereo "
            "pair gives no altitude."
        )
    found = range_from_stereo(left, np.asarray(read_image(right)), baseline_m, focal_px)
    stereo = Pose(
        altitude_m=found.range_m * float(np.sin(np.radians(-pitch_deg))),
        hfov_deg=float(np.degrees(2 * np.arctan(left.shape[1] / 2 / focal_px))),
    )
    return _overlaid(known, STEREO, stereo)


def with_terrain(known: Known, terrain: Terrain, lon: float, lat: float) -> Known:
    """Altitude above the ground from the camera's altitude above the sea, by a rough position.

    Values that the user or a poses table gave stay. Where the photo has no altitude or the
    elevation model no height, the altitude stays what it was and a note says so.
    """
    if known.sources.get("altitude_m") not in (None, PHOTO):
        return known
    above_sea_m = known.metadata.altitude_above_sea_m
    if above_sea_m is None:
        return _noted(known, "The photo has no altitude above the sea, so terrain gives no height.")
    ground_m = float(terrain.height_m(lon, lat))
    if not ground_m < above_sea_m:
        return _noted(
            known,
            f"The terrain at longitude {lon:.5f}, latitude {lat:.5f} is {ground_m:.0f} m high, "
            f"the camera {above_sea_m:.0f} m: no altitude."
            if np.isfinite(ground_m)
            else f"The elevation model has no height at longitude {lon:.5f}, latitude {lat:.5f}.",
        )
    return _overlaid(known, TERRAIN, Pose(altitude_m=above_sea_m - ground_m))


def _overlaid(known: Known, source: str, pose: Pose) -> Known:
    """What the user gave, then the new source, then what was known before."""
    given = {name for name, one in known.sources.items() if one == GIVEN}
    new = {name for name in _NAMES if getattr(pose, name) is not None} - given
    values = {name: getattr(pose, name) for name in new}
    sources = {**known.sources, **dict.fromkeys(new, source)}
    ordered = {name: sources[name] for name in _NAMES if name in sources}
    return replace(known, pose=replace(known.pose, **values), sources=ordered)


def _merged(poses: Iterable[tuple[str, Pose]]) -> tuple[Pose, dict[str, str]]:
    values: dict[str, float] = {}
    sources: dict[str, str] = {}
    for source, pose in poses:
        for name in _NAMES:
            value = getattr(pose, name)
            if value is not None and name not in values:
                values[name], sources[name] = value, source
    return Pose(**values), {name: sources[name] for name in _NAMES if name in sources}


def _noted(known: Known, note: str) -> Known:
    return replace(known, notes=(*known.notes, note))
