"""The whole path on the sample that is shipped: gallery, photos, flight, report."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize import Fix, Selection, known_of, locate_many, open_frames, track
from skyfix.outputs import write_fixes
from skyfix.outputs.page import Page
from skyfix.outputs.pictures import fixes_on_map, match_strip
from skyfix.progress import tracked
from skyfix.world import sample_folder

SYSTEM = "skyfix_s"
TILE_M, STRIDE_M = 120.0, 40.0
EVERY_S = 2.0
_DRAWS = 200
_STRIPS = 6
_LonLat = tuple[float, float]

HEADER = ("asked", "number", "tile right %", "tile m", "located %", "fix right %", "fix m")


@dataclass(frozen=True)
class Answers:
    """Fixes and the truth about them.

    Attributes:
        name: what was asked, and with what.
        files: name of the files of these fixes, without suffix.
        fixes: one a photo or frame.
        truths: (lon, lat) of the ground at the centre of each, degrees.
    """

    name: str
    files: str
    fixes: tuple[Fix, ...]
    truths: tuple[_LonLat, ...]

    def tile_errors_m(self) -> np.ndarray:
        """(N,) metres from the truth to the centre of the best tile; infinite where none is."""
        best = [fix.candidates[:1] for fix in self.fixes]
        return _errors_m([(tile[0].lon, tile[0].lat) if tile else None for tile in best],
                         self.truths)  # fmt: skip

    def errors_m(self) -> np.ndarray:
        """(N,) metres from the truth to the fix; infinite where not located."""
        places = [
            None if fix.lon is None or fix.lat is None else (fix.lon, fix.lat) for fix in self.fixes
        ]
        return _errors_m(places, self.truths)

    def cells(self) -> list[str]:
        """The row of the table."""
        tiles_m, errors_m = self.tile_errors_m(), self.errors_m()
        located = np.isfinite(errors_m)
        return [
            self.name,
            f"{len(self.fixes)}",
            _percent(tiles_m <= TILE_M),
            _metres(float(np.median(tiles_m))),
            _percent(located),
            _percent(errors_m <= TILE_M),
            _metres(float(np.median(errors_m[located]))) if located.any() else "-",
        ]


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        answers: photos alone, photos with their pose, the flight.
        rows: the table's, chance first; columns as ``HEADER``.
        report: the HTML page.
    """

    answers: tuple[Answers, ...]
    rows: tuple[list[str], ...]
    report: Path


def run_demo(out: Path | str) -> DemoResult:
    """Build a gallery of the sample's map, locate its photos, track its flight, and report.

    A gallery that is in ``out`` already is used. Written are ``report.html`` and, for each kind
    of answer, a map page (``.html``) and the fixes (``.json``).

    Args:
        out: folder for gallery and report.

    Raises:
        SkyfixError: ``out`` cannot be written or holds a gallery of something else.
    """
    out, sample = Path(out), sample_folder()
    embedder = Embedder(SYSTEM)
    gallery = Gallery.build(sample / "map.tif", out / "gallery", embedder, TILE_M, STRIDE_M)
    answers = (*_photos(sample, gallery, embedder), _flight(sample, gallery, embedder))
    for one in answers:
        write_fixes(one.fixes, out / f"{one.files}.json")
        write_fixes(one.fixes, out / f"{one.files}.html", gallery)
    rows = (_chance(answers[0], gallery), *(one.cells() for one in answers))
    report = out / "report.html"
    _page(answers, rows, gallery, sample / "map.tif").write(report)
    return DemoResult(answers, rows, report)


def _photos(sample: Path, gallery: Gallery, embedder: Embedder) -> tuple[Answers, Answers]:
    rows = [row for row in _truth(sample) if row["file"]]
    photos = [sample / row["file"] for row in rows]
    poses = [known_of(photo).pose for photo in photos]
    truths = tuple(map(_ground, rows))
    # Registration supposes a photo of unknown geometry to look straight down; most here do not.
    alone = locate_many(photos, gallery, embedder=embedder, register=False)
    posed = locate_many(photos, gallery, poses=poses, embedder=embedder)
    return (
        Answers("photo alone", "photos_alone", tuple(alone), truths),
        Answers("photo + pose", "photos_with_pose", tuple(posed), truths),
    )


def _flight(sample: Path, gallery: Gallery, embedder: Embedder) -> Answers:
    """The flight, a frame every other second; its telemetry gives poses and no positions."""
    rows = [row for row in _truth(sample) if not row["file"]]
    source = open_frames(sample / "flight.mp4", Selection(every_s=EVERY_S))
    running = track(source, gallery, sample / "flight.srt", embedder=embedder)
    seconds = round(float(rows[-1]["time_s"]) / EVERY_S)
    steps = list(tracked(running, "Tracking", seconds, "frames"))
    truths = tuple(_ground(rows[step.index]) for step in steps)
    fixes = tuple(step.filtered for step in steps)
    return Answers("video + pose", "flight", fixes, truths)


def _truth(sample: Path) -> list[dict[str, str]]:
    with (sample / "truth.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _ground(row: dict[str, str]) -> _LonLat:
    return float(row["ground_lon"]), float(row["ground_lat"])


def _errors_m(places: Sequence[_LonLat | None], truths: Sequence[_LonLat]) -> np.ndarray:
    return np.array(
        [
            np.inf if place is None else float(distance_m(*place, *truth))
            for place, truth in zip(places, truths, strict=True)
        ]
    )


def _chance(photos: Answers, gallery: Gallery) -> list[str]:
    """What random tiles would give for the photos, over many draws."""
    lon, lat = np.array(photos.truths).T
    shape = (_DRAWS, len(lon))
    tiles = np.random.default_rng(0).integers(len(gallery), size=shape)
    away_m = distance_m(gallery.tiles.lon[tiles], gallery.tiles.lat[tiles], lon, lat)
    found = [_percent(away_m <= TILE_M), _metres(float(np.median(away_m)))]
    return ["chance", f"{len(lon)}", *found, "-", "-", "-"]


def _percent(true: np.ndarray) -> str:
    return f"{100 * float(np.mean(true)):.0f}"


def _metres(value: float) -> str:
    return f"{value:.1f}"


def _page(
    answers: Sequence[Answers], rows: Sequence[list[str]], gallery: Gallery, map_path: Path
) -> Page:
    alone, posed, flight = answers
    page = Page("skyfix demo")
    page.text(
        f"A made-up town of 800 m, {len(gallery)} tiles of {TILE_M:.0f} m at {STRIDE_M:.0f} m, "
        f"system {SYSTEM}, which has never seen this town. Nobody tells where photos and "
        "frames were taken; truth is the ground at their centre, as rendered. Rendered photos are "
        "easier than real ones."
    )
    page.table(HEADER, rows)
    page.notes(
        [
            f"right: within {TILE_M:.0f} m, a tile's side, of the truth; m: median error.",
            "tile: the best one, sure or not. fix: given only where it is sure enough (located). "
            "chance: tiles drawn at random.",
            "Of a photo alone only the tiles are compared. With its pose (heading, pitch, height, "
            "field of view; from EXIF and XMP, or from the video's subtitles; no position) it is "
            "registered to the map.",
            "Beside this page lie map pages to look around in, and the fixes as JSON: "
            + ", ".join(f"{one.files}.html, {one.files}.json" for one in answers) + ".",
        ]
    )  # fmt: skip
    for one in (posed, flight):
        page.heading(one.name.capitalize())
        page.picture(
            fixes_on_map(map_path, one.fixes, one.truths),
            "Circles are true ground points, crosses the fixes.",
        )
    page.heading("Photos alone and their best tiles")
    page.text(
        f"The best {_STRIPS // 2} and the worst {_STRIPS // 2} of {len(alone.fixes)} photos of "
        f"which nothing is known. Tiles best first; green within {TILE_M:.0f} m of the truth."
    )
    errors_m = alone.tile_errors_m()
    order = np.argsort(errors_m, kind="stable")
    for index in (*order[: _STRIPS // 2], *order[-_STRIPS // 2 :]):
        fix = alone.fixes[index]
        page.picture(
            match_strip(fix, gallery, alone.truths[index], TILE_M),
            f"{Path(fix.photo).name}: best tile {errors_m[index]:.0f} m off, confidence "
            f"{fix.confidence:.2f}.",
        )
    return page
