"""`skyfix world town|render|flight|sample`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App, Parameter
from rich import print as show
from rich.markup import escape

from skyfix.cli.numbers import AtLeastOne, Count
from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.world.scene import Scene

app = App(
    name="world",
    help="Make up towns, and render photos of them or of your own maps.\n\n"
    "Example: `skyfix world town --seed 3 --out town`",
)


@Parameter(name="*")
@dataclass(frozen=True)
class Ground:
    """What is rendered, and the day that it is rendered on.

    Attributes:
        ortho: GeoTIFF in a projected coordinate system.
        dsm: GeoTIFF of heights in metres that covers it; without it the ground is flat.
        town: Seed of a made-up town instead of a map.
        size_m: Side of the town in metres.
        sun: Azimuth and elevation of the sun in degrees on the day of the flight.
        greenness: Colour of plants on that day, from -1 (dry) to 1 (lush).
        haze: Share of scattered light, from 0 (clear).
    """

    ortho: Path | None = None
    dsm: Path | None = None
    town: Count | None = None
    size_m: float = 1000.0
    sun: tuple[float, float] | None = None
    greenness: float | None = None
    haze: float | None = None

    def scene(self) -> "Scene":
        """The ground as the renderer takes it.

        Raises:
            SkyfixError: not one kind of ground, or as the scene.
        """
        from skyfix.world.scene import Look, Scene

        look = Look(self.sun, self.greenness, self.haze)
        if self.ortho is not None and self.town is None:
            return Scene.of_ortho(self.ortho, self.dsm, look)
        if self.ortho is not None or self.town is None:
            raise SkyfixError(
                "Give either a map (--ortho my.tif) or the seed of a town (--town 3)."
            )
        if self.dsm is not None:
            raise SkyfixError("A town has heights of its own. Leave --dsm out.")
        return Scene.of_town(self.town, self.size_m, look=look)


@app.command
def town(*, out: Path, seed: Count = 0, size_m: float = 1000.0, gsd_m: float = 0.4) -> None:
    """Make up a town: map.tif and dsm.tif in a real coordinate system.

    Example: `skyfix world town --seed 3 --size-m 1000 --out town`

    Parameters
    ----------
    out
        New or empty folder.
    seed
        Decides everything; the same seed gives the same files.
    size_m
        Side of the square in metres.
    gsd_m
        Size of a pixel in metres.
    """
    from skyfix.world.crew import whole_folder
    from skyfix.world.geotiff import write_surface
    from skyfix.world.scene import Scene

    scene = Scene.of_town(seed, size_m, gsd_m)
    whole_folder(out, lambda folder: write_surface(folder, scene.surface))
    show(f"{escape(str(out))}: map.tif and dsm.tif of {size_m:g} m, {_crs(scene)}.")


@app.command
def render(
    *,
    layout: Literal["university1652", "sues200", "denseuav"],
    out: Path,
    ground: Ground = Ground(),
    places: AtLeastOne = 24,
    test_share: float = 0.4,
    place_m: float | None = None,
    spacing_m: float | None = None,
    hfov_deg: float | None = None,
    side_px: int = 512,
    seed: Count = 0,
) -> None:
    """Render a data set in the layout of a published one, of a map or of a made-up town.

    Example: `skyfix world render --ortho my.tif --dsm my_dsm.tif --layout university1652
    --out data/mine`

    Parameters
    ----------
    layout
        Whose folders, file names, altitudes and numbers of views.
    out
        New or empty folder.
    places
        At most so many places, spread over the map.
    test_share
        Share of the places that are for testing; they lie on one side of the map.
    place_m
        Side of a place's satellite image in metres.
    spacing_m
        Distance between places in metres.
    hfov_deg
        Field of view of the camera.
    side_px
        Side of the images.
    seed
        Decides headings, exposure and noise; the same seed gives the same files.
    """
    from skyfix.world.layouts import LayoutSize, render_layout

    size = LayoutSize(places, test_share, place_m, spacing_m, hfov_deg, side_px, seed)
    scene = ground.scene()
    written = render_layout(scene, layout, out, size)
    choice = "@150" if layout == "sues200" else ""
    show(
        f"{written.images} images of {written.train_places} training and {written.test_places} "
        f"test places. Use them as {layout}{choice}:{escape(str(out))}"
    )


@app.command
def flight(
    *,
    out: Path,
    ground: Ground = Ground(),
    photos: Count = 20,
    seconds: float = 30.0,
    fps: AtLeastOne = 10,
    altitude_m: float = 100.0,
    focal_mm: int = 28,
    seed: Count = 0,
) -> None:
    """Fly over a map or a made-up town: photos with poses, a video with telemetry, the truth.

    Example: `skyfix world flight --town 3 --out flight`

    Parameters
    ----------
    out
        New or empty folder.
    photos
        Number of photos, with pose in EXIF and XMP.
    seconds
        Length of the video; 0 for none.
    fps
        Frames a second of the video.
    altitude_m
        Height above the place of take-off in metres.
    focal_mm
        Focal length equivalent to 35-mm film.
    seed
        Decides the way, the poses, exposure and noise; the same seed gives the same files.
    """
    from skyfix.world.flight import FlightSize, write_flight

    size = FlightSize(
        photos=photos, seconds=seconds, fps=fps, altitude_m=altitude_m, focal_mm=focal_mm, seed=seed
    )
    scene = ground.scene()
    folder = write_flight(scene, out, size)
    video = f", {seconds:g} s of video" if seconds else ""
    show(f"{escape(str(folder))}: map.tif, dsm.tif, {photos} photos{video}, truth.csv.")


@app.command
def sample(*, out: Path) -> None:
    """Write a small flight over a made-up town: a map, 60 photos and a minute of video.

    Example: `skyfix world sample --out sample`

    Parameters
    ----------
    out
        New or empty folder.
    """
    from skyfix.world.flight import write_small_sample

    folder = write_small_sample(out)
    size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    show(f"{escape(str(folder))}: map.tif, photos, flight.mp4 and flight.srt, {size_mb:.1f} MB.")


def _crs(scene: "Scene") -> str:
    return scene.surface.geo.crs.name
