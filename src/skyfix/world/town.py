"""A made-up town: colours and heights of a square of ground in a real coordinate system."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyproj import Proj, Transformer

from skyfix.errors import SkyfixError
from skyfix.world import greens, homes, quarters, streets
from skyfix.world.buildings import Builder
from skyfix.world.canvas import Canvas, Cover
from skyfix.world.layout import Block, Layout, Street, curve_across, lay_out
from skyfix.world.site import Site

MAX_PIXELS = 100_000_000
"""Above this many pixels a town is refused: it would not fit a modest machine's memory."""


@dataclass(frozen=True, eq=False)
class Town:
    """Flat ground at height 0 with everything that stands on it, north up.

    The colours are those of the material in even light: no sun, no shadows, no cars (see
    ``skyfix.world.appearance``).

    Attributes:
        rgb: (H, W, 3) uint8.
        height_m: (H, W) float32, height of roofs and crowns above the ground.
        cover: (H, W) uint8, ``skyfix.world.canvas.Cover``.
        building: (H, W) uint16, number of the building, 0 for none.
        wall_rgb: (B + 1, 3) float32, wall colour of each building number; row 0 is unused.
        wall_angle_rad: (B + 1,) float32, direction of its walls, clockwise from east.
        car_slots: (S, 3) float32, where cars can stand: metres right and down from the upper
            left corner, direction in radians clockwise from east.
        gsd_m: size of a pixel.
        left_m, top_m: map coordinates (easting, northing) of the upper left corner.
        epsg: code of the map's projected coordinate system in metres.
    """

    rgb: np.ndarray
    height_m: np.ndarray
    cover: np.ndarray
    building: np.ndarray
    wall_rgb: np.ndarray
    wall_angle_rad: np.ndarray
    car_slots: np.ndarray
    gsd_m: float
    left_m: float
    top_m: float
    epsg: int

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the ground in metres."""
        height, width = self.height_m.shape
        return width * self.gsd_m, height * self.gsd_m

    def lonlat(
        self, x_m: np.ndarray | float, y_m: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """WGS84 lon, lat of points ``x_m`` right of and ``y_m`` below the upper left corner."""
        to_degrees = Transformer.from_crs(self.epsg, 4326, always_xy=True)
        return to_degrees.transform(
            self.left_m + np.asarray(x_m, np.float64), self.top_m - np.asarray(y_m, np.float64)
        )

    def convergence_deg(self, x_m: float, y_m: float) -> float:
        """Angle from true north to the map's up direction at a point, clockwise."""
        lon, lat = self.lonlat(x_m, y_m)
        return float(Proj(self.epsg).get_factors(lon, lat).meridian_convergence)


def build_town(
    seed: int,
    size_m: float = 1000.0,
    gsd_m: float = 0.5,
    left_m: float = 431_000.0,
    top_m: float = 5_083_000.0,
    epsg: int = 32631,
) -> Town:
    """Build the town of a seed: same arguments, same town.

    Args:
        seed: any whole number from 0.
        size_m: side of the square.
        gsd_m: size of a pixel.
        left_m, top_m: map coordinates of the upper left corner.
        epsg: a projected coordinate system in metres.

    Raises:
        SkyfixError: a size that is not positive, or more than ``MAX_PIXELS``.
    """
    if not (size_m >= 100 and gsd_m > 0 and (size_m / gsd_m) ** 2 <= MAX_PIXELS):
        raise SkyfixError(
            f"Cannot build a town of {size_m:g} m at {gsd_m:g} m per pixel. Give a size from "
            f"100 m and at most {MAX_PIXELS // 1_000_000} million pixels."
        )
    rng = np.random.default_rng(seed)
    canvas = Canvas(size_m, gsd_m)
    site = Site(canvas, rng, Builder(canvas, rng))
    _construct(site, lay_out(rng, size_m))
    canvas.roughen(rng)
    no_wall = np.zeros((1, 3))
    return Town(
        rgb=canvas.rgb,
        height_m=canvas.height_m,
        cover=canvas.cover,
        building=canvas.building,
        wall_rgb=np.concatenate([no_wall, *(w[None] for w in site.builder.wall_rgb)]).astype(
            np.float32
        ),
        wall_angle_rad=np.array([0.0, *site.builder.wall_angle_rad], np.float32),
        car_slots=np.array(site.car_slots, np.float32).reshape(-1, 3),
        gsd_m=gsd_m,
        left_m=left_m,
        top_m=top_m,
        epsg=epsg,
    )


Fill = Callable[[Site, Block], None]
_CENTRE: list[tuple[Fill, float]] = [
    (quarters.courtyard, 5), (quarters.slabs, 1.5), (quarters.shops, 0.7), (greens.park, 0.7),
    (quarters.church, 0.5), (quarters.school, 0.6), (homes.terraces, 1.0),
]  # fmt: skip
_SUBURB: list[tuple[Fill, float]] = [
    (homes.detached, 6), (homes.terraces, 2), (quarters.slabs, 1.5), (quarters.school, 0.4),
    (greens.park, 0.5), (greens.sports_ground, 0.4), (quarters.shops, 0.4),
    (greens.allotments, 0.3), (quarters.works, 0.5),
]  # fmt: skip
_EDGE: list[tuple[Fill, float]] = [
    (homes.detached, 4), (quarters.works, 2), (greens.allotments, 0.8), (greens.meadow, 0.8),
    (greens.sports_ground, 0.7), (greens.orchard, 0.7), (greens.forest, 0.6), (greens.fields, 1),
]  # fmt: skip
_COUNTRY: list[tuple[Fill, float]] = [
    (greens.fields, 6), (greens.forest, 2), (greens.meadow, 1.5), (greens.orchard, 1),
    (homes.detached, 0.3),
]  # fmt: skip
_OPEN: tuple[Fill, ...] = (greens.fields, greens.forest, greens.meadow, greens.orchard)


def _construct(site: Site, layout: Layout) -> None:
    rng, size_m = site.rng, site.canvas.size_m
    site.canvas.rgb[:] = (124, 126, 84)
    site.canvas.cover[:] = Cover.GRASS
    turn = rng.uniform(0, np.pi)
    river = curve_across(rng, size_m, 0.06 * size_m, turn, rng.uniform(-0.3, 0.3) * size_m)
    river_width = float(rng.uniform(12, 26))
    streets.river(site, river, river_width)
    turn += rng.uniform(0.8, 2.2)
    rails = curve_across(rng, size_m, 0.03 * size_m, turn, rng.uniform(-0.4, 0.4) * size_m)
    streets.railway(site, rails)
    fills = _choose(rng, layout.blocks, size_m)
    open_blocks = {number for number, fill in enumerate(fills) if fill in _OPEN}
    dry = [street for street in layout.streets if street.is_main or _is_dry(site, street)]
    tracks = [street for street in dry if streets.is_track(street, open_blocks)]
    paved = [street for street in dry if not streets.is_track(street, open_blocks)]
    streets.pave_streets(site, paved, tracks)
    streets.roundabouts(site, layout.crossings_m)
    for block, fill in zip(layout.blocks, fills, strict=True):
        outline = block.patch(0, 1, 0, 1)
        if (outline.max(axis=0) > 0).all() and (outline.min(axis=0) < size_m).all():
            fill(site, block)
    streets.furnish(site, paved)
    streets.river_trees(site, river, river_width)


def _choose(rng: np.random.Generator, blocks: list[Block], size_m: float) -> list[Fill]:
    """What each block holds, from how far it lies from the town's one or two centres."""
    middles = np.array([block.at(0.5, 0.5) for block in blocks])
    centres = size_m * rng.uniform(0.25, 0.75, (max(1, round((size_m / 900) ** 2)), 2))
    reach = 0.46 * min(size_m, 1000.0)
    nearest = np.linalg.norm(middles[:, None] - centres, axis=-1).min(axis=1) / reach
    nearest += rng.normal(0, 0.10, len(blocks))
    fills = []
    for distance in nearest:
        limits = (0.38, 0.88, 1.12)
        menu = (_CENTRE, _SUBURB, _EDGE, _COUNTRY)[int(np.searchsorted(limits, distance))]
        weights = np.array([weight for _, weight in menu])
        fills.append(menu[rng.choice(len(menu), p=weights / weights.sum())][0])
    return fills


def _is_dry(site: Site, street: Street) -> bool:
    return not (site.canvas.covers(street.points_m) == Cover.WATER).any()
