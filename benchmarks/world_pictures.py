"""Pictures of a made-up town for docs/world.md, and of the demo for the README.

    python benchmarks/world_pictures.py [--work runs/pictures]

The work folder keeps the demo's gallery; nothing but the package is needed.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from skyfix.demo import TILE_M, run_demo
from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.localize import Fix
from skyfix.outputs.pictures import fixes_on_map, match_strip
from skyfix.world import sample_folder
from skyfix.world.scene import Look, Scene
from skyfix.world.waypoints import Place, look_at, spiral

OUT = Path(__file__).parents[1] / "docs" / "pictures"
SEED = 3
EVENING = Look(sun=(250.0, 18.0), greenness=-0.6)
STRIPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/pictures"))
    arguments = parser.parse_args()
    scene = Scene.of_town(SEED)
    # One with houses of several kinds.
    places = scene.grid(spacing_m=150.0, room_m=220.0)
    place = places[5]
    save(oblique(scene, place), "world_oblique.jpg")
    save(orbit(scene, Scene.of_town(SEED, look=EVENING), place), "world_orbit.jpg")
    save(demo(arguments.work / "demo"), "demo.jpg")


def oblique(scene: Scene, place: Place) -> Image.Image:
    """The town from 90 m."""
    pose = Pose(heading_deg=30.0, pitch_deg=-38.0, altitude_m=90.0, hfov_deg=72.0)
    return Image.fromarray(scene.photo(look_at(place, pose), (1250, 533)))


def orbit(scene: Scene, evening: Scene, place: Place) -> Image.Image:
    """The satellite image of a place, eight views of its spiral, the last one in another light."""
    side = 250
    stops = spiral(place, hfov_deg=30.0)[:: 54 // 8][:8]
    cells = [scene.tile(place, 160.0, side), *(scene.photo(at, (side, side)) for at in stops)]
    cells.append(evening.photo(stops[-1], (side, side)))
    rows = [np.concatenate(cells[first : first + 5], axis=1) for first in (0, 5)]
    return Image.fromarray(np.concatenate(rows))


def demo(folder: Path) -> Image.Image:
    """From the demo's report: fixes on the map, and four photos alone beside their best tiles."""
    alone, posed, _ = run_demo(folder).answers
    gallery = Gallery.open(folder / "gallery")
    truths = dict(zip((fix.photo for fix in alone.fixes), alone.truths, strict=True))
    middle = np.argsort(alone.tile_errors_m(), kind="stable")[:: len(truths) // STRIPS][:STRIPS]
    chosen: list[Fix] = [alone.fixes[row] for row in middle]
    strips = [match_strip(fix, gallery, truths[fix.photo], TILE_M) for fix in chosen]
    side = sum(strip.height for strip in strips) + 6 * (STRIPS - 1)
    town = drawn(fixes_on_map(sample_folder() / "map.tif", posed.fixes, posed.truths), side)
    picture = Image.new("RGB", (town.width + 12 + strips[0].width, side), "white")
    picture.paste(town, (0, 0))
    for row, strip in enumerate(strips):
        picture.paste(strip, (town.width + 12, row * (strip.height + 6)))
    return picture


def drawn(figure: Figure, side_px: int) -> Image.Image:
    """A square figure as a picture."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=side_px / figure.get_figwidth())
    return Image.open(data).convert("RGB")


def save(picture: Image.Image, name: str) -> None:
    path = OUT / name
    picture.save(path, quality=88, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
