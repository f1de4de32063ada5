"""Training pairs rendered from a map and its heights: true parallax of buildings and trees."""

from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.datasets.grounds import PAIR_COLUMNS, PAIR_TABLE
from skyfix.errors import SkyfixError
from skyfix.files import write_csv
from skyfix.geo.ground import offset
from skyfix.world.crew import Job, start_crew
from skyfix.world.scene import Scene
from skyfix.world.waypoints import Place, any_pose, look_at

_MOST_PLACES, _VIEWS = 64, 3
_STRIDE = 0.6
"""Distance of neighbouring places in tiles: they overlap as the tiles of a gallery do."""
_OFF_CENTRE = 0.12
"""A photo's centre lies so far off its tile's, in tiles, at most."""


def render_pairs(
    ortho: Path, dsm: Path, folder: Path, tile_m: float, side_px: int, least: int, seed: int
) -> None:
    """Write a source of pairs: tiles of a map, and views of its surface aslant and from above.

    Args:
        ortho, dsm: what ``Scene.of_ortho`` opens.
        folder: is made.
        tile_m: side of a tile, ground metres.
        side_px: of the pictures.
        least: places that must find room.
        seed: decides places and poses.

    Raises:
        RasterError: an unfit map or height model.
        SkyfixError: too little ground.
    """
    scene = Scene.of_ortho(ortho, dsm)
    places = scene.grid(_STRIDE * tile_m, tile_m / 2)
    if len(places) < least:
        raise SkyfixError(
            f"{ortho} has room for {len(places)} tiles of {tile_m:g} m, half a batch takes "
            f"{least}. Use a larger map, smaller tiles or a smaller batch."
        )
    order = np.random.default_rng(seed).permutation(len(places))[:_MOST_PLACES]
    folder.mkdir()

    def job(number: int) -> Job:
        return lambda: _render(
            scene, places[order[number]], folder, number, tile_m, side_px, (seed, number)
        )

    with start_crew("Render", len(order), "places") as crew:
        crew.work(map(job, range(len(order))))
    rows = [
        [f"{number}.jpg", f"{number}_{view}.jpg", number, "map", 0]
        for number in range(len(order))
        for view in range(_VIEWS)
    ]
    write_csv(folder / PAIR_TABLE, PAIR_COLUMNS, rows)


def _render(
    scene: Scene,
    place: Place,
    folder: Path,
    number: int,
    tile_m: float,
    side_px: int,
    seed: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    _save(scene.tile(place, tile_m, side_px), folder / f"{number}.jpg")
    for view in range(_VIEWS):
        east, north = rng.uniform(-_OFF_CENTRE, _OFF_CENTRE, 2) * tile_m
        lon, lat = offset(place.lon, place.lat, east, north)
        at = look_at(scene.place(float(lon), float(lat)), any_pose(rng, tile_m))
        _save(scene.photo(at, (side_px, side_px), rng), folder / f"{number}_{view}.jpg")


def _save(picture: np.ndarray, path: Path) -> None:
    Image.fromarray(picture).save(path, quality=90)
