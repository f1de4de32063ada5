"""Small made-up data sets cut from one map, in the layouts of VIGOR and GTA-UAV."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from skyfix.datasets import scenes
from skyfix.datasets.gta_uav import GtaUav
from skyfix.datasets.vigor import Vigor

# Left, top, right and bottom edge.
_Box = tuple[float, float, float, float]

_SIDE_PX = 64
_PANORAMA_PX = (48, 96)
# Tiles overlap by half their side, as VIGOR's do.
_STEP_PX = _SIDE_PX // 2
_GRID = 4
# The made-up ground is the game's upper left tile of one zoom; the tiles are of two others.
_GROUND_ZOOM, _ZOOMS = 3, (5, 6)
_GROUND_PX = 512
# The authors' bounds of the overlap.
_POSITIVE, _SEMI = 0.39, 0.14


def generate_vigor(root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0) -> Path:
    """Write made-up cities in the layout of VIGOR, 16 tiles each.

    Args:
        root: folder to write to; made where missing.
        places: training panoramas of a city.
        test_places: test panoramas of a city.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    with scenes.writing(root):
        for city in Vigor.CITIES:
            _write_city(root, city, places, test_places, seed)
    return root


def _write_city(root: Path, city: str, places: int, test_places: int, seed: int) -> None:
    order = Vigor.CITIES.index(city)
    rng = np.random.default_rng((seed, order))
    ground = scenes.mosaic((_GRID + 1) * _STEP_PX, rng, blocks=3 * (_GRID + 1), colours=64)
    corners = [(column, row) for row in range(_GRID) for column in range(_GRID)]
    names = {}
    for column, row in corners:
        name = f"satellite_{_lat(order, row + 1):.8f}_{_lon(order, column + 1):.8f}.png"
        names[column, row] = name
        scenes.save(_cut(ground, column, row), root / "satellite" / city / name)
    lines = []
    for number in range(places + test_places):
        # Where in tiles' steps from the upper left corner the panorama stands.
        x, y = rng.uniform(1, _GRID, 2)
        name = f"pano{order}{number:04d},{_lat(order, y):.6f},{_lon(order, x):.6f},.jpg"
        seen = _cut(ground, x - 1, y - 1)
        panorama = scenes.from_street(seen, _PANORAMA_PX, rng)
        scenes.save(panorama, root / "ground" / city / name)
        offsets = {corner: (corner[0] + 1 - x, corner[1] + 1 - y) for corner in corners}
        nearest = sorted(corners, key=lambda corner: float(np.hypot(*offsets[corner])))[:4]
        cells = [name]
        for corner in nearest:
            dx, dy = (offset * _STEP_PX for offset in offsets[corner])
            cells += [names[corner], f"{dx:.4f}", f"{dy:.4f}"]
        lines.append(" ".join(cells) + "\n")
    splits = root / "splits" / city
    splits.mkdir(parents=True, exist_ok=True)
    tables = {
        Vigor.TILE_LIST: [f"{name}\n" for name in names.values()],
        Vigor.TABLES["same"].format("train"): lines[:places],
        Vigor.TABLES["same"].format("test"): lines[places:],
        Vigor.TABLES["cross"]: lines,
    }
    for name, of_table in tables.items():
        (splits / name).write_text("".join(of_table), encoding="utf-8")


def generate_gta_uav(
    root: Path | str, places: int = 8, test_places: int = 4, seed: int = 0
) -> Path:
    """Write a made-up map, its tiles and photos over it in the layout of GTA-UAV.

    Args:
        root: folder to write to; made where missing.
        places: training photos.
        test_places: test photos.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    root = Path(root)
    rng = np.random.default_rng(seed)
    ground = scenes.mosaic(_GROUND_PX, rng, blocks=32, colours=256)
    boxes = {f"{zoom}_{x}_{y}.png": box for zoom in _ZOOMS for x, y, box in _tiles(zoom)}
    tables: dict[str, list[dict[str, object]]] = {
        f"{area}-{split}": [] for area in GtaUav.CHOICES for split in ("train", "test")
    }
    with scenes.writing(root):
        for name, box in boxes.items():
            scenes.save(_shown(ground, box), root / GtaUav.TILE_FOLDER / name)
        # Same area: any photo may be for training. Cross area: those of the left half.
        training = rng.permutation(places + test_places) < places
        for number, same in enumerate(training.tolist()):
            cross = number < places
            box, entry = _photo(boxes, number, left=cross, rng=rng)
            light = np.asarray(_shown(ground, box), dtype=np.float64) * rng.uniform(0.8, 1.1, 3)
            photo = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))
            scenes.save(photo, root / GtaUav.DRONE_FOLDER / str(entry["drone_img_name"]))
            tables[f"same-{'train' if same else 'test'}"].append(entry)
            tables[f"cross-{'train' if cross else 'test'}"].append(entry)
        for name, entries in tables.items():
            path = root / GtaUav.TABLE.format(*name.split("-"))
            path.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return root


def _tiles(zoom: int) -> Iterator[tuple[int, int, _Box]]:
    """Column, row and box of the tiles of a zoom that lie on the made-up ground."""
    count, side = 2 ** (zoom - _GROUND_ZOOM), GtaUav.MAP_PX / 2**zoom
    for x in range(count):
        for y in range(count):
            yield x, y, (x * side, y * side, (x + 1) * side, (y + 1) * side)


def _photo(
    boxes: Mapping[str, _Box], number: int, left: bool, rng: np.random.Generator
) -> tuple[_Box, dict[str, object]]:
    """Footprint of a photo with a positive tile in one half of the ground, and its entry."""
    ground = GtaUav.MAP_PX / 2**_GROUND_ZOOM
    overlap: dict[str, float] = {}
    while max(overlap.values(), default=0.0) <= _POSITIVE:
        side = rng.uniform(0.1, 0.3) * ground
        x, y = rng.uniform(side / 2, ground - side / 2, 2)
        x = x / 2 if left else (x + ground) / 2
        box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        if box[0] < 0 or box[2] > ground:
            continue
        overlap = {name: _overlap(box, tile) for name, tile in boxes.items()}
    entry: dict[str, object] = {
        "drone_img_dir": GtaUav.DRONE_FOLDER,
        "drone_img_name": f"{round(side / 300) * 100}_0001_{number:010d}.png",
        "drone_loc_x_y": [x * GtaUav.METRES_PER_PX, y * GtaUav.METRES_PER_PX],
        "sate_img_dir": GtaUav.TILE_FOLDER,
        "drone_metadata": {"height": side * GtaUav.METRES_PER_PX, "drone_yaw": 0.0},
    }
    for kind, least in (("pair_pos", _POSITIVE), ("pair_pos_semipos", _SEMI)):
        linked = {name: value for name, value in overlap.items() if value > least}
        entry[f"{kind}_sate_img_list"] = list(linked)
        entry[f"{kind}_sate_weight_list"] = list(linked.values())
    return box, entry


def _overlap(one: _Box, other: _Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (sum(areas) - shared)


def _shown(ground: Image.Image, box: _Box) -> Image.Image:
    """What lies in a box of the game's map (px)."""
    scale = ground.width / (GtaUav.MAP_PX / 2**_GROUND_ZOOM)
    left, top, right, bottom = (edge * scale for edge in box)
    size = (_SIDE_PX, _SIDE_PX)
    return ground.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))


def _cut(ground: Image.Image, column: float, row: float) -> Image.Image:
    left, top = column * _STEP_PX, row * _STEP_PX
    box = (left, top, left + _SIDE_PX, top + _SIDE_PX)
    return ground.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR, box=box)


def _lat(city: int, y: float) -> float:
    return 40 + city - 3e-4 * y


def _lon(city: int, x: float) -> float:
    return -80 - city + 3e-4 * x
