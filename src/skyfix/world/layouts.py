"""Data sets rendered in the layouts of University-1652, SUES-200 and DenseUAV."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.sues200 import Sues200
from skyfix.datasets.university1652 import University1652
from skyfix.errors import SkyfixError
from skyfix.files import write_text
from skyfix.world.appearance import SATELLITE, on_another_day
from skyfix.world.crew import Job, start_crew, whole_folder
from skyfix.world.scene import Scene
from skyfix.world.waypoints import SUES200_PITCH_DEG, Place, Waypoint, nadir, ring, spiral

Layout = Literal["university1652", "sues200", "denseuav"]
_ROOM = 0.6
"""Map that a place needs in every direction, in sides of its satellite tile."""
_OTHER_YEAR = replace(SATELLITE, greenness=-0.7, warmth=0.6, haze=0.15, blur_px=0.8)


@dataclass(frozen=True)
class LayoutSize:
    """How much to render; None takes what suits the layout.

    Attributes:
        places: at most so many, spread over the map.
        test_share: share of them that are test places, in (0, 1).
        place_m: side of a place's satellite image; DenseUAV's follow from the photos instead.
        spacing_m: distance between neighbouring places.
        hfov_deg: field of view of the camera.
        side_px: side of all images.
        seed: decides first headings, and exposure and noise of every photo.
    """

    places: int = 24
    test_share: float = 0.4
    place_m: float | None = None
    spacing_m: float | None = None
    hfov_deg: float | None = None
    side_px: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        wanted = {
            "places": self.places >= 2,
            "test share": 0 < self.test_share < 1,
            "place size": self.place_m is None or 10 <= self.place_m <= 10_000,
            "spacing": self.spacing_m is None or 1 <= self.spacing_m <= 10_000,
            "field of view": self.hfov_deg is None or 5 <= self.hfov_deg <= 120,
            "image size": 16 <= self.side_px <= 4096,
            "seed": self.seed >= 0,
        }
        for name, fine in wanted.items():
            if not fine:
                raise SkyfixError(
                    f"The {name} cannot be used. Valid: at least 2 places, a test share between 0 "
                    "and 1, places of 10 to 10000 m, spacing from 1 m, 5 to 120 degrees, images of "
                    "16 to 4096 px, a seed from 0."
                )


@dataclass(frozen=True)
class Written:
    """What a layout holds: places of each half, and images of both views."""

    train_places: int
    test_places: int
    images: int


@dataclass(frozen=True)
class _Kind:
    place_m: float
    """For DenseUAV it follows from the photos."""
    spacing_m: float
    """0: places lie side by side."""
    hfov_deg: float
    jobs: Callable[["_Order"], Iterator[Job]]
    images_a_place: int


@dataclass(frozen=True)
class _Order:
    """What is to be written where."""

    root: Path
    scene: Scene
    train: list[Place]
    test: list[Place]
    place_m: float
    hfov_deg: float
    size: LayoutSize

    def photo(self, files: list[Path], at: Waypoint, *key: int) -> Job:
        """One view, written to one or more files."""

        def job() -> None:
            rng = np.random.default_rng([self.size.seed, *key])
            side = self.size.side_px
            _save(self.scene.photo(at, (side, side), rng), files)

        return job

    def tile(self, files: list[Path], place: Place, side_m: float, old: bool = False) -> Job:
        """One satellite image; an old one is of another season."""

        def job() -> None:
            tile = self.scene.tile(place, side_m, self.size.side_px)
            if old:
                flat = np.zeros((1, 1), np.float32)
                tile = on_another_day(tile, flat, 1.0, _OTHER_YEAR, relit=False)
            _save(tile, files)

        return job


def render_layout(
    scene: Scene, layout: Layout, folder: Path | str, size: LayoutSize | None = None
) -> Written:
    """Render a data set that the layout's reader loads.

    The test places lie on one side of the map, the training places on the other, so that few
    photos of one half show ground of the other. Galleries hold what the published ones hold: in
    SUES-200 and DenseUAV the training places too.

    Args:
        scene: the ground.
        layout: whose folders, file names and flights.
        folder: new or empty.
        size: how much.

    Raises:
        SkyfixError: the map has no room for two places, or the folder cannot be used.
    """
    size, kind = size or LayoutSize(), _KINDS[layout]
    hfov_deg = size.hfov_deg or kind.hfov_deg
    if layout == "denseuav":
        place_m = _width_m(max(DenseUAV.ALTITUDES_M), hfov_deg)
    else:
        place_m = size.place_m or kind.place_m
    spacing_m = size.spacing_m or kind.spacing_m or place_m
    train, test = _halves(scene, place_m, spacing_m, size)
    count = len(train) + len(test)

    def make(root: Path) -> None:
        order = _Order(root, scene, train, test, place_m, hfov_deg, size)
        with start_crew("Render", count * kind.images_a_place, "images") as crew:
            crew.work(kind.jobs(order))

    whole_folder(Path(folder), make)
    return Written(len(train), len(test), count * kind.images_a_place)


def _halves(
    scene: Scene, place_m: float, spacing_m: float, size: LayoutSize
) -> tuple[list[Place], list[Place]]:
    places = scene.grid(spacing_m, _ROOM * place_m)
    if len(places) < 2:
        raise SkyfixError(
            f"The map has room for {len(places)} places of {place_m:g} m, two are needed. Give a "
            "larger map, or ask for smaller places (--place-m) or a smaller spacing (--spacing-m)."
        )
    chosen = np.linspace(0, len(places) - 1, min(size.places, len(places))).round().astype(int)
    kept = [places[index] for index in chosen]
    # The halves lie side by side along the longer way.
    lon, lat = np.array([(place.lon, place.lat) for place in kept]).T
    wide = np.ptp(lon) * np.cos(np.radians(lat.mean())) >= np.ptp(lat)
    kept.sort(key=lambda place: (place.lon, place.lat) if wide else (place.lat, place.lon))
    tests = int(np.clip(round(size.test_share * len(kept)), 1, len(kept) - 1))
    return kept[:-tests], kept[-tests:]


def _university1652(order: _Order) -> Iterator[Job]:
    for number, place in enumerate((*order.train, *order.test), 1):
        name = f"{number:04d}"
        is_training = number <= len(order.train)
        halves = ("train/{}",) if is_training else ("test/query_{}", "test/gallery_{}")
        folders = [str(order.root / half) for half in halves]
        satellite = [Path(folder.format("satellite"), name, f"{name}.jpg") for folder in folders]
        yield order.tile(satellite, place, order.place_m)
        start = np.random.default_rng([order.size.seed, number]).uniform(0, 360)
        for view, at in enumerate(spiral(place, order.hfov_deg, float(start)), 1):
            file = f"image-{view:02d}.jpeg"
            files = [Path(folder.format("drone"), name, file) for folder in folders]
            yield order.photo(files, at, number, view)


def _sues200(order: _Order) -> Iterator[Job]:
    ids = (sorted(Sues200.TRAIN_PLACES), sorted(Sues200.TEST_PLACES))
    named = [
        *zip(ids[0], order.train, strict=False),
        *zip(ids[1], order.test, strict=False),
    ]
    for name, place in named:
        tile = order.root / Sues200.SATELLITE_FOLDER / name / "0.png"
        yield order.tile([tile], place, order.place_m)
        start = np.random.default_rng([order.size.seed, int(name)]).uniform(0, 360)
        for altitude_m, pitch_deg in SUES200_PITCH_DEG.items():
            flight = ring(place, altitude_m, pitch_deg, order.hfov_deg, float(start))
            for view, at in enumerate(flight):
                file = order.root / f"drone_view_512/{name}/{altitude_m}/{view}.jpg"
                yield order.photo([file], at, int(name), altitude_m, view)


def _denseuav(order: _Order) -> Iterator[Job]:
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for number, place in enumerate((*order.train, *order.test)):
        name = f"{number:06d}"
        half = "train" if number < len(order.train) else "test"
        own = "train/{}" if half == "train" else "test/query_{}"
        folders = [str(order.root / folder) for folder in (own, "test/gallery_{}")]
        for altitude_m in DenseUAV.ALTITUDES_M:
            at = nadir(place, altitude_m, 0.0, order.hfov_deg)
            drone = [Path(f.format("drone"), name, f"H{altitude_m}.JPG") for f in folders]
            yield order.photo(drone, at, number, altitude_m)
            side_m = _width_m(altitude_m, order.hfov_deg)
            for ending, old in (("", False), ("_old", True)):
                file = f"H{altitude_m}{ending}.tif"
                satellite = [Path(f.format("satellite"), name, file) for f in folders]
                yield order.tile(satellite, place, side_m, old)
            path = f"{half}/drone/{name}/H{altitude_m}.JPG"
            position = f"E{place.lon:.8f} N{place.lat:.8f} {at.above_sea_m:.2f}"
            lines[half].append(f"{path} {position}\n")
    lines["ALL"] = lines["train"] + lines["test"]
    for table, rows in lines.items():
        write_text(order.root / f"Dense_GPS_{table}.txt", "".join(rows))


def _width_m(altitude_m: float, hfov_deg: float) -> float:
    """Width of flat ground in a photo straight down."""
    return 2 * altitude_m * float(np.tan(np.radians(hfov_deg) / 2))


def _save(picture: np.ndarray, files: list[Path]) -> None:
    image = Image.fromarray(picture)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Formats without losses pass over the quality.
        image.save(file, quality=90)


_HEIGHTS, _VIEWS = len(Sues200.CHOICES), Sues200.IMAGES["drone"]
_KINDS: dict[Layout, _Kind] = {
    "university1652": _Kind(150.0, 0.0, 30.0, _university1652, University1652.DRONE_IMAGES + 1),
    "sues200": _Kind(200.0, 0.0, 45.0, _sues200, _HEIGHTS * _VIEWS + 1),
    "denseuav": _Kind(0.0, 20.0, 58.0, _denseuav, sum(DenseUAV.IMAGES.values())),
}
