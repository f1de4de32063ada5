"""Drawings for docs/explain.md, made by the program's own functions.

    python benchmarks/explain_pictures.py [--work runs/pictures]

The work folder keeps two galleries; nothing but the package is needed.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Polygon

from skyfix.demo import STRIDE_M, SYSTEM, TILE_M
from skyfix.gallery import Gallery
from skyfix.geo.camera import centre_on_ground, footprint, project
from skyfix.geo.ground import offset
from skyfix.geo.maps import open_map
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.layers.partition import Partition, shifted_dense_parts, square_rings
from skyfix.localize import Locator, known_of
from skyfix.localize.calibration import DEFAULTS, log_odds
from skyfix.localize.normalize import patches
from skyfix.localize.verdict import MIN_CONFIDENCE, Finding
from skyfix.world import sample_folder
from skyfix.world.crew import whole_folder
from skyfix.world.geotiff import write_surface
from skyfix.world.scene import Scene

OUT = Path(__file__).parents[1] / "docs" / "pictures"
CELLS, RINGS = 32, 4
PHOTO = "photos/photo_001.jpg"
ANOTHER_TOWN = 7
BLUE, ORANGE, YELLOW = "#0072b2", "#d55e00", "#ffdd00"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/pictures"))
    work = parser.parse_args().work
    save(partition(), "explain_partition.png")
    save(normalization(), "explain_pose.jpg")
    save(refusal(work), "explain_refusal.png")


def partition() -> Figure:
    """LPN's rings, SDPL's parts at one shift, and all of SDPL's pooling weights as one matrix."""
    rings, dense = square_rings(CELLS, CELLS, RINGS), shifted_dense_parts(CELLS, CELLS, RINGS)
    parts = len(dense.weights) // 3
    figure = Figure(figsize=(10, 4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2))
    left, right = above.subfigures(1, 2, width_ratios=(RINGS, parts))
    _row_of_parts(left, rings, range(RINGS), "LPN: 4 rings")
    _row_of_parts(right, dense, range(parts, 2 * parts), "SDPL: 10 parts of the middle shift")
    axes = below.subplots()
    shown = np.log10(np.where(dense.weights > 0, dense.weights, np.nan))
    axes.imshow(shown, aspect="auto", interpolation="nearest", cmap="viridis")
    axes.set(
        title=f"The same as weights: {len(dense.weights)} parts x {CELLS * CELLS} cells "
        "(3 shifts, yellow is most)",
        xlabel="cell of the map, row by row",
        ylabel="part",
    )
    return figure


def _row_of_parts(figure: SubFigure, one: Partition, rows: range, title: str) -> None:
    figure.suptitle(title)
    panels = figure.subplots(1, len(rows))
    for axes, row in zip(panels, rows, strict=True):
        axes.imshow(one.shares(CELLS, CELLS)[row], cmap="Blues", vmin=0, vmax=1.2)
        axes.set(xticks=(), yticks=())


def normalization() -> Figure:
    """An oblique photo, its patch rectified to the ground, and the map there."""
    sample = sample_folder()
    photo = np.asarray(read_image(sample / PHOTO))
    pose = known_of(sample / PHOTO).pose
    size = (photo.shape[1], photo.shape[0])
    patch = patches(photo, pose, TILE_M, TILE_M / 2, (256, 256))[0]
    centre = centre_on_ground(pose) + np.array((patch.east_m, patch.north_m))
    half = TILE_M / 2
    square = centre + np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
    figure = Figure(figsize=(10, 3.3), layout="constrained")
    seen, flat, above = figure.subplots(1, 3, width_ratios=(4, 3, 3))
    seen.imshow(photo)
    seen.add_patch(Polygon(project(square, pose, *size), fill=False, color=YELLOW, linewidth=2))
    seen.set(xlim=(0, size[0]), ylim=(size[1], 0))
    seen.set_title(f"photo: pitch {pose.pitch_deg:.0f}, heading {pose.heading_deg % 360:.0f} deg")
    flat.imshow(patch.pixels)
    flat.set_title(f"rectified: {TILE_M:.0f} m, north up")
    with open_map(sample / "map.tif") as raster:
        (row,) = (one for one in _truth() if one["file"] == PHOTO)
        camera = float(row["lon"]), float(row["lat"])
        east, north = centre
        column, line = raster.geo.pixel(*offset(*camera, east, north))
        gsd_m = raster.geo.scale(column, line).x_m
        side = TILE_M / float(gsd_m)
        window = (float(column) - side / 2, float(line) - side / 2, side, side)
        above.imshow(raster.read(*window, (256, 256))[0])
    outline = (footprint(pose, *size) - centre) * (256 / TILE_M)
    above.add_patch(Polygon(outline * (1, -1) + 128, fill=False, color=YELLOW, linewidth=2))
    above.set(xlim=(0, 255), ylim=(255, 0))
    above.set_title("map, with the photo's outline")
    for axes in (seen, flat, above):
        axes.set(xticks=(), yticks=())
    return figure


def refusal(work: Path) -> Figure:
    """Evidence of the sample's photos on their own map and on another, and the line between."""
    sample, embedder = sample_folder(), Embedder(SYSTEM)
    town = work / "another_town"
    if not town.exists():
        surface = Scene.of_town(ANOTHER_TOWN, 800.0).surface
        whole_folder(town, lambda folder: write_surface(folder, surface))
    maps = {
        "own map": (sample / "map.tif", BLUE, "o"),
        "another map": (town / "map.tif", ORANGE, "x"),
    }
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    for title, (source, color, marker) in maps.items():
        folder = work / title.replace(" ", "_")
        gallery = Gallery.build(source, folder, embedder, TILE_M, STRIDE_M)
        values = np.array(list(_evidence(Locator(gallery, embedder, register=False))))
        sure = np.mean([DEFAULTS["tiles"].confidence(one) >= MIN_CONFIDENCE for one in values])
        label = f"{title}: {sure:.0%} of {len(values)} located"
        axes.plot(*values.T, marker, color=color, alpha=0.7, label=label)
    curve, score = DEFAULTS["tiles"], np.linspace(*axes.get_ylim(), 50)
    for probability, style in ((MIN_CONFIDENCE, "-"), (0.9, ":")):
        line = (log_odds(probability) - curve.bias - curve.weights[1] * score) / curve.weights[0]
        axes.plot(line, score, style, color="0.3", label=f"confidence {probability:g}")
    axes.set(xlim=(-8.5, 8.5), xlabel="log odds of the best tile's neighbourhood",
             ylabel="score of the best tile, standard deviations")  # fmt: skip
    axes.legend(frameon=False, loc="upper center", fontsize=8)
    return figure


def _evidence(locator: Locator) -> Iterator[tuple[float, ...]]:
    """Log odds and score of each photo, of which the pose is known and the place is not."""
    sample = sample_folder()
    for row in _truth():
        if row["file"]:
            path = sample / row["file"]
            photo = locator.prepare(path, known_of(path).pose)
            (descriptors,) = locator.embed([photo])
            found = locator.find(photo, locator.scores(photo, descriptors))
            if isinstance(found, Finding):
                yield found.evidence.values


def _truth() -> list[dict[str, str]]:
    with (sample_folder() / "truth.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def save(figure: Figure, name: str) -> None:
    path = OUT / name
    figure.savefig(path, dpi=110)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
