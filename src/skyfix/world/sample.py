"""The sample for trying everything without any data: a map, training and test places, photos.

The training places lie in one made-up town, the map, the test places and the photos in another,
so nothing that is tested has been seen in training.
"""

import csv
import io
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.files import read_json, write_json, write_text
from skyfix.geo.camera import centre_on_ground
from skyfix.geo.ground import offset
from skyfix.world.crew import Crew, Job, start_crew, whole_folder
from skyfix.world.flights import Shot, orbit, survey
from skyfix.world.geotiff import write_map
from skyfix.world.scenery import MARGIN_M, Scenery, places_along

MAP_GSD_M = 0.5
_MANIFEST = "sample.json"


@dataclass(frozen=True)
class SampleSize:
    """How much to make.

    Attributes:
        training_places: places under ``train/``.
        test_places: places under ``test/``; the map's other squares are distractors there.
        views: drone views of each place.
        photos: photos under ``photos/``.
        map_m: side of the map.
        place_m: side of a place's satellite tile; tiles do not overlap.
        view_px: side of the images of places.
        photo_px: width and height of the photos.
        gsd_m: size of the pixels that the towns are painted with.
    """

    training_places: int = 60
    test_places: int = 24
    views: int = 3
    photos: int = 40
    map_m: float = 1000.0
    place_m: float = 125.0
    view_px: int = 256
    photo_px: tuple[int, int] = (480, 360)
    gsd_m: float = 0.4


def write_sample(
    folder: Path | str, seed: int = 0, size: SampleSize | None = None, workers: int = 2
) -> Path:
    """Make the sample in a folder; parts that are there already are kept.

    Written are ``map.tif``; ``train/`` and ``test/`` laid out as University-1652;
    ``photos/*.jpg`` with ``photos/poses.csv`` (file, heading_deg, pitch_deg, altitude_m,
    hfov_deg) and ``photos/truth.csv`` (file, lon, lat of the drone, ground_lon, ground_lat of
    the flat ground at the image centre). Same seed and size, same pixels.

    Args:
        folder: new, empty, or holding a sample of the same seed and size, finished or not.
        seed: any whole number from 0.
        size: how much to make; the default takes about a minute on two cores.
        workers: threads that render.

    Returns:
        The folder.

    Raises:
        SkyfixError: the folder holds something else or cannot be written, the seed is
            negative, there are no workers, or the map has no room for the test places.
    """
    folder, size = Path(folder), size or SampleSize()
    _check(seed, size, workers)
    _claim(folder, seed, size)
    missing = [name for name in ("train", "map.tif", "test", "photos") if not _has(folder, name)]
    total = sum(_images(name, size) for name in missing)
    with start_crew("Sample", total, "images", workers) as crew:
        if "train" in missing:
            whole_folder(folder / "train", lambda path: _write_training(path, seed, size, crew))
        if set(missing) - {"train"}:
            _write_mapped(folder, missing, seed, size, crew)
    return folder


def _write_training(path: Path, seed: int, size: SampleSize, crew: Crew) -> None:
    side_m = math.ceil(math.sqrt(size.training_places)) * size.place_m + 2 * MARGIN_M
    scenery = Scenery.build(2 * seed + 1, side_m, size.gsd_m, crew.pool)
    squares = scenery.squares(size.place_m, np.random.default_rng([seed, 1]))
    places = {
        f"{number:04d}": square for number, square in enumerate(squares[: size.training_places], 1)
    }
    crew.work(_place_jobs(path / "drone", path / "satellite", scenery, places, seed, size))


def _write_mapped(
    folder: Path, missing: list[str], seed: int, size: SampleSize, crew: Crew
) -> None:
    """The parts that show the map's town."""
    scenery = Scenery.build(2 * seed, size.map_m, size.gsd_m, crew.pool)
    if "map.tif" in missing:
        write_map(folder / "map.tif", scenery.town, scenery.satellite, MAP_GSD_M)
    if "test" in missing:
        whole_folder(folder / "test", lambda path: _write_test(path, scenery, seed, size, crew))
    if "photos" in missing:
        whole_folder(folder / "photos", lambda path: _write_photos(path, scenery, seed, size, crew))


def _write_test(path: Path, scenery: Scenery, seed: int, size: SampleSize, crew: Crew) -> None:
    squares = scenery.squares(size.place_m, np.random.default_rng([seed, 2]))
    first = size.training_places + 1
    named = {f"{number:04d}": square for number, square in enumerate(squares, first)}
    places = dict(list(named.items())[: size.test_places])
    queries, gallery = path / "query_drone", path / "gallery_satellite"
    crew.work(_place_jobs(queries, gallery, scenery, places, seed, size))
    # As in the original, query and gallery folders of a view hold the same files.
    shutil.copytree(queries, path / "gallery_drone")
    shutil.copytree(gallery, path / "query_satellite")
    for place in list(named)[size.test_places :]:
        _save_tile(gallery, place, scenery, named[place], size)


def _place_jobs(
    drone: Path,
    satellite: Path,
    scenery: Scenery,
    places: dict[str, tuple[float, float]],
    seed: int,
    size: SampleSize,
) -> Iterator[Job]:
    for place, square in places.items():
        _save_tile(satellite, place, scenery, square, size)
        (drone / place).mkdir(parents=True)
        rng = np.random.default_rng([seed, 4, int(place)])
        shots = orbit(rng, scenery.town, *square, size.place_m, size.views)
        for number, shot in enumerate(shots, 1):
            file = drone / place / f"image-{number:02d}.jpeg"
            yield _view_job(file, scenery, shot, (size.view_px, size.view_px), rng.spawn(1)[0])


def _write_photos(path: Path, scenery: Scenery, seed: int, size: SampleSize, crew: Crew) -> None:
    rng = np.random.default_rng([seed, 5])
    shots = survey(rng, scenery.town, size.photos)
    names = [f"photo_{number:03d}.jpg" for number in range(1, len(shots) + 1)]
    path.mkdir(parents=True, exist_ok=True)
    crew.work(
        _view_job(path / name, scenery, shot, size.photo_px, photo_rng)
        for name, shot, photo_rng in zip(names, shots, rng.spawn(len(shots)), strict=True)
    )
    columns = ("heading_deg", "pitch_deg", "altitude_m", "hfov_deg")
    poses = [[name, *(getattr(shot.pose, column) for column in columns)]
             for name, shot in zip(names, shots, strict=True)]  # fmt: skip
    write_text(path / "poses.csv", _table(["file", *columns], poses))
    truth = [[name, *_truth(scenery, shot)] for name, shot in zip(names, shots, strict=True)]
    header = ["file", "lon", "lat", "ground_lon", "ground_lat"]
    write_text(path / "truth.csv", _table(header, truth))


def _truth(scenery: Scenery, shot: Shot) -> list[str]:
    lon, lat = scenery.town.lonlat(shot.x_m, shot.y_m)
    ground_lon, ground_lat = offset(lon, lat, *centre_on_ground(shot.pose))
    return [f"{float(value):.8f}" for value in (lon, lat, ground_lon, ground_lat)]


def _view_job(
    file: Path, scenery: Scenery, shot: Shot, size_px: tuple[int, int], rng: np.random.Generator
) -> Job:
    def job() -> None:
        scenery.photo(shot, size_px, rng).save(file, format="JPEG", quality=90)

    return job


def _save_tile(
    folder: Path, place: str, scenery: Scenery, square: tuple[float, float], size: SampleSize
) -> None:
    (folder / place).mkdir(parents=True)
    tile = scenery.tile(*square, size.place_m, size.view_px)
    tile.save(folder / place / f"{place}.jpg", quality=90)


def _table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def _images(name: str, size: SampleSize) -> int:
    return {
        "train": size.training_places * size.views,
        "map.tif": 0,
        "test": size.test_places * size.views,
        "photos": size.photos,
    }[name]


def _has(folder: Path, name: str) -> bool:
    return (folder / name).exists()


def _check(seed: int, size: SampleSize, workers: int) -> None:
    if seed < 0 or workers < 1:
        raise SkyfixError(
            f"The seed is {seed} with {workers} workers. Give a seed from 0 and workers from 1."
        )
    room = places_along(size.map_m, size.place_m) ** 2
    if room < size.test_places:
        raise SkyfixError(
            f"A map of {size.map_m:g} m has room for {room} test places, not "
            f"{size.test_places}. Make the map larger or ask for fewer places."
        )


def _claim(folder: Path, seed: int, size: SampleSize) -> None:
    """Note in the folder what it is to hold; refuse one that holds something else."""
    wanted = {"seed": seed, **asdict(size), "photo_px": list(size.photo_px)}
    manifest = folder / _MANIFEST
    if manifest.exists():
        if read_json(manifest, "sample description") != wanted:
            raise SkyfixError(
                f"{folder} holds a sample of another seed or size ({manifest}). "
                "Delete it or choose another folder."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SkyfixError(f"{folder} holds something else. Choose a new or empty folder.")
    write_json(manifest, wanted)
