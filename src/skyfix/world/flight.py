"""A flight over real or made-up ground: map, photos with poses, video with telemetry."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.files import write_text
from skyfix.geo.camera import Pose
from skyfix.geo.lens import hfov_deg
from skyfix.progress import tracked
from skyfix.world.crew import Job, start_crew, whole_folder
from skyfix.world.film import write_srt, write_video
from skyfix.world.geotiff import write_surface
from skyfix.world.photo_file import save_photo
from skyfix.world.scene import Scene
from skyfix.world.waypoints import Place, Waypoint, cruise, look_at

START = datetime(2024, 6, 1, 10, 0, 0, tzinfo=UTC)
"""When every made-up flight takes off."""
_SPACING_M = 20.0
_TARGETS = 40
_POSE = ("heading_deg", "pitch_deg", "altitude_m", "hfov_deg", "roll_deg")


@dataclass(frozen=True)
class FlightSize:
    """How much to fly.

    Attributes:
        photos: one in three of them straight down, the others oblique.
        seconds: length of the video; 0 for none.
        fps: frames a second of the video.
        photo_px, video_px: (width, height).
        altitude_m: above the place of take-off; photos vary by a fifth.
        focal_mm: of the camera, equivalent to 35-mm film; a whole number, as EXIF has it.
        seed: decides the way, the poses, and exposure and noise of every picture.
        photo_quality: of the JPEGs.
        video_crf: constant rate factor of the video, larger is smaller.
        has_heights: whether ``dsm.tif`` is written beside the map.
    """

    photos: int = 20
    seconds: float = 30.0
    fps: int = 10
    photo_px: tuple[int, int] = (1024, 768)
    video_px: tuple[int, int] = (640, 360)
    altitude_m: float = 100.0
    focal_mm: int = 28
    seed: int = 0
    photo_quality: int = 90
    video_crf: int = 23
    has_heights: bool = True

    def __post_init__(self) -> None:
        if not (
            self.photos >= 0
            and 0 <= self.seconds <= 3600
            and 1 <= self.fps <= 60
            and 10 <= self.altitude_m <= 1000
            and 10 <= self.focal_mm <= 200
            and self.seed >= 0
        ):
            raise SkyfixError(
                "The flight cannot be flown. Valid: photos from 0, up to 3600 s of video at 1 to "
                "60 frames a second, 10 to 1000 m of height, 10 to 200 mm, a seed from 0."
            )


SAMPLE = FlightSize(
    photos=60, seconds=60.0, fps=5, photo_px=(640, 480), video_px=(480, 270), seed=1,
    photo_quality=80, video_crf=28, has_heights=False,
)  # fmt: skip
"""A flight small enough to be shipped."""


def write_small_sample(folder: Path | str) -> Path:
    """Write the sample flight over a town of 800 m: always the same bytes, below 8 MB.

    Raises:
        SkyfixError: the folder is not empty or cannot be written.
    """
    return write_flight(Scene.of_town(12, 800.0), folder, SAMPLE)


def write_flight(scene: Scene, folder: Path | str, size: FlightSize | None = None) -> Path:
    """Fly over a scene and write what a user would have.

    Written are ``map.tif`` and ``dsm.tif``; ``photos/*.jpg`` with pose in EXIF and XMP;
    ``flight.mp4`` with ``flight.srt``; ``truth.csv`` with place, pose and the ground at the
    centre of every photo and frame (``file`` is empty for frames).

    Args:
        scene: the ground.
        folder: new or empty.
        size: how much.

    Returns:
        The folder.

    Raises:
        SkyfixError: the map is too small to fly over, or the folder cannot be used.
    """
    folder, size = Path(folder), size or FlightSize()
    targets = _targets(scene, size)
    whole_folder(folder, lambda path: _write(path, scene, targets, size))
    return folder


def survey(targets: list[Place], size: FlightSize) -> list[Waypoint]:
    """Poses of the photos: over targets in random order; heights count from the first target."""
    rng = np.random.default_rng([size.seed, 1])
    hfov = hfov_deg(size.focal_mm, size.photo_px)
    shots = []
    for number in range(size.photos):
        target = targets[int(rng.integers(len(targets)))]
        pitch = -90.0 if number % 3 == 2 else float(rng.uniform(-70, -42))
        pose = Pose(
            heading_deg=round(float(rng.uniform(0, 360)), 2),
            pitch_deg=round(pitch, 2),
            altitude_m=round(float(size.altitude_m * rng.uniform(0.8, 1.2)), 2),
            hfov_deg=hfov,
            roll_deg=0.0,
        )
        level = Place(target.lon, target.lat, targets[0].ground_m)
        shots.append(look_at(level, pose))
    return shots


def _targets(scene: Scene, size: FlightSize) -> list[Place]:
    """Places to fly to, in random order, with as much room around them as half of them have."""
    places = scene.grid(_SPACING_M, 0.2 * size.altitude_m)
    if len(places) < 2:
        raise SkyfixError(
            "The map is too small to fly over. Give a larger map, or fly lower (--altitude-m)."
        )
    room = np.array([scene.room_m(place) for place in places])
    inner = np.flatnonzero(room >= np.minimum(np.median(room), size.altitude_m))
    rng = np.random.default_rng([size.seed, 0])
    return [places[index] for index in rng.permutation(inner)[:_TARGETS]]


def _write(folder: Path, scene: Scene, targets: list[Place], size: FlightSize) -> None:
    write_surface(folder, scene.surface, size.has_heights)
    shots = survey(targets, size)
    names = [f"photo_{number:03d}.jpg" for number in range(1, len(shots) + 1)]
    (folder / "photos").mkdir()
    with start_crew("Photos", len(shots), "photos") as crew:
        crew.work(_photo_jobs(folder / "photos", scene, names, shots, size))
    rows = [(f"photos/{name}", at) for name, at in zip(names, shots, strict=True)]
    if size.seconds:
        rows += [("", at) for at in _film(folder, scene, targets, size)]
    write_text(folder / "truth.csv", _truth(scene, rows))


def _photo_jobs(
    folder: Path, scene: Scene, names: list[str], shots: list[Waypoint], size: FlightSize
) -> Iterator[Job]:
    for number, (name, at) in enumerate(zip(names, shots, strict=True)):

        def job(number: int = number, name: str = name, at: Waypoint = at) -> None:
            rng = np.random.default_rng([size.seed, 2, number])
            picture = scene.photo(at, size.photo_px, rng)
            taken = START + timedelta(seconds=10 * number)
            save_photo(folder / name, picture, at, size.focal_mm, taken, size.photo_quality)

        yield job


def _film(folder: Path, scene: Scene, targets: list[Place], size: FlightSize) -> list[Waypoint]:
    hfov = hfov_deg(size.focal_mm, size.video_px)
    flight = cruise(targets, size.altitude_m, -55.0, hfov, size.seconds, size.fps)

    def frame(number: int) -> np.ndarray:
        rng = np.random.default_rng([size.seed, 3])
        return scene.photo(flight[number], size.video_px, rng)

    with ThreadPoolExecutor(2) as pool:
        frames = tracked(pool.map(frame, range(len(flight))), "Video", len(flight), "frames")
        write_video(folder / "flight.mp4", frames, size.video_px, size.fps, size.video_crf)
    write_srt(folder / "flight.srt", flight, size.fps, START)
    return flight


def _truth(scene: Scene, rows: list[tuple[str, Waypoint]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["file", "time_s", "lon", "lat", "above_sea_m", *_POSE, "ground_lon", "ground_lat"]
    )
    for file, at in rows:
        seen = scene.seen_at_centre(at)
        ground = ("", "") if seen is None else (f"{seen.lon:.8f}", f"{seen.lat:.8f}")
        pose = [f"{getattr(at.pose, name):.4f}" for name in _POSE]
        place = (f"{at.lon:.8f}", f"{at.lat:.8f}", f"{at.above_sea_m:.3f}")
        writer.writerow([file, f"{at.time_s:.3f}", *place, *pose, *ground])
    return stream.getvalue()
