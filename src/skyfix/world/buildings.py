"""Buildings: a footprint, a roof with its shape in the height model, and walls.

Roofs carry their own colour only; which side is bright is decided by the sun, from the heights.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from skyfix.world.canvas import Canvas, Cover, Window
from skyfix.world.noise import smooth_noise

RoofShape = Literal["gable", "hip", "flat", "shed", "vault"]

TILES = np.array(
    [
        (172, 98, 72), (158, 84, 62), (148, 92, 74), (184, 120, 88), (128, 76, 62),
        (112, 88, 78), (98, 96, 98), (82, 84, 90), (140, 132, 122), (150, 106, 76),
    ],
    np.float32,
)  # fmt: skip
"""Colours (10, 3) of pitched roofs: clay, brown concrete, slate."""
MEMBRANES = np.array(
    [
        (188, 186, 180), (194, 192, 188), (152, 150, 146), (120, 118, 116), (172, 160, 144),
        (134, 140, 138), (164, 168, 172), (176, 150, 128),
    ],
    np.float32,
)  # fmt: skip
"""Colours (8, 3) of flat roofs: gravel, white membrane, bitumen."""
SHEETS = np.array(
    [(176, 182, 188), (148, 160, 172), (190, 186, 176), (128, 146, 150), (168, 118, 100)],
    np.float32,
)
"""Colours (5, 3) of metal roofs."""
PLASTER = np.array(
    [
        (214, 206, 190), (222, 212, 178), (196, 190, 182), (204, 176, 150), (226, 222, 214),
        (176, 128, 104), (190, 168, 132), (186, 194, 196),
    ],
    np.float32,
)  # fmt: skip
"""Colours (8, 3) of walls."""


@dataclass(frozen=True)
class House:
    """One rectangular building.

    Attributes:
        centre_m: (2,) canvas metres.
        length_m: along the ridge.
        width_m: across the ridge.
        angle_rad: direction of the ridge on the canvas.
        eave_m: height of the walls.
        shape: of the roof.
        roof_rgb: (3,).
    """

    centre_m: np.ndarray
    length_m: float
    width_m: float
    angle_rad: float
    eave_m: float
    shape: RoofShape
    roof_rgb: np.ndarray

    def corners_m(self, margin_m: float = 0.0) -> np.ndarray:
        """Footprint corners (4, 2), moved out by ``margin_m``."""
        half = np.array([self.length_m / 2 + margin_m, self.width_m / 2 + margin_m])
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return self.centre_m + (signs * half) @ np.array([[cos, sin], [-sin, cos]])


@dataclass
class Builder:
    """Puts houses on a canvas and keeps the list of their walls."""

    canvas: Canvas
    rng: np.random.Generator
    wall_rgb: list[np.ndarray] = field(default_factory=list)
    wall_angle_rad: list[float] = field(default_factory=list)

    def build(self, house: House, overlaps: bool = False) -> bool:
        """Build unless roads, water or another building are in the way; tells whether it did.

        Large buildings are tried smaller before they are given up.

        Args:
            house: what to build.
            overlaps: allow standing on another building, as towers, wings and rows do.
        """
        sizes = (1.0, 0.85, 0.7) if house.length_m > 18 else (1.0,)
        for size in sizes:
            smaller = replace(house, length_m=house.length_m * size, width_m=house.width_m * size)
            if self._is_free(smaller, overlaps):
                return self._raise_walls(smaller)
        return False

    def _raise_walls(self, house: House) -> bool:
        window = self.canvas.window(house.centre_m, house.length_m, house.width_m, house.angle_rad)
        if window is None:
            return False
        share = window.coverage(house.length_m, house.width_m)
        self.canvas.blend(window, share, self._roof_colour(house, window))
        inside = share >= 0.5
        felled = inside & (self.canvas.cover[window.area] == Cover.TREE)
        self.canvas.height_m[window.area][felled] = 0
        self._raise(window, share, _roof_height(house, window))
        self.canvas.cover[window.area][inside] = Cover.ROOF
        self.wall_rgb.append(PLASTER[self.rng.integers(len(PLASTER))] + self.rng.normal(0, 5))
        self.wall_angle_rad.append(house.angle_rad)
        self.canvas.building[window.area][inside] = len(self.wall_rgb)
        self._details(house, window)
        return True

    def _is_free(self, house: House, overlaps: bool) -> bool:
        blocked = [Cover.ROAD, Cover.WATER] + ([] if overlaps else [Cover.ROOF])
        corners = house.corners_m(0.6)
        t = np.linspace(0, 1, max(3, int(house.length_m / 6)))[:, None, None]
        s = np.linspace(0, 1, 3)[None, :, None]
        grid = corners[0] + t * (corners[1] - corners[0]) + s * (corners[3] - corners[0])
        return not np.isin(self.canvas.covers(grid.reshape(-1, 2)), blocked).any()

    def _raise(self, window: Window, share: np.ndarray, top_m: np.ndarray | float) -> None:
        # Edges rise by the pixel's covered share: between pixels the outline stays straight.
        heights = self.canvas.height_m[window.area]
        heights += share * np.maximum(top_m - heights, 0)

    def _roof_colour(self, house: House, window: Window) -> np.ndarray:
        """Colour (h, w, 3): weather stains, and courses of tiles or sheets across the ridge."""
        shape = window.u.shape
        stains = smooth_noise(self.rng, shape, max(2.0, 3.0 / window.gsd_m))
        speckle = self.rng.standard_normal(shape, dtype=np.float32)
        factor = 1 + 0.05 * stains + 0.03 * speckle
        if house.shape in ("gable", "hip"):
            courses = np.sin(window.v * (2 * np.pi / 1.1))
            ridge = np.clip(1 - np.abs(window.v) / 0.5, 0, 1) * (house.width_m > 5)
            factor += 0.03 * courses + 0.10 * ridge
        elif house.shape in ("shed", "vault"):
            factor += 0.05 * np.sin(window.u * (2 * np.pi / 2.4))
        return house.roof_rgb * factor[..., None]

    def _details(self, house: House, window: Window) -> None:
        area_m2 = house.length_m * house.width_m
        if house.shape == "flat" and area_m2 > 30:
            self._parapet(house, window)
            self._plant_on_roof(house, window, int(np.clip(area_m2 / 70, 1, 16)))
        elif house.shape in ("gable", "hip") and area_m2 > 50:
            self._chimney_and_panels(house, window)
        elif house.shape in ("shed", "vault") and area_m2 > 250:
            self._skylights(house, window)

    def _parapet(self, house: House, window: Window) -> None:
        outer = window.coverage(house.length_m, house.width_m)
        inner = window.coverage(house.length_m - 1.2, house.width_m - 1.2)
        self.canvas.blend(window, np.clip(outer - inner, 0, 1) * 0.8, house.roof_rgb * 1.12 + 8)
        self._raise(window, np.clip(outer - inner, 0, 1), house.eave_m + 0.7)

    def _box(
        self, window: Window, at: tuple[float, float], size: tuple[float, float],
        top_m: float, colour: np.ndarray, share: float = 1.0,
    ) -> None:  # fmt: skip
        covered = window.coverage(*size, at=at)
        self.canvas.blend(window, covered * share, colour)
        self._raise(window, covered, top_m)

    def _plant_on_roof(self, house: House, window: Window, count: int) -> None:
        """Stair heads, ventilation and solar panels, along the roof's axes."""
        rng = self.rng
        free_u, free_v = house.length_m / 2 - 3.0, house.width_m / 2 - 2.5
        if free_u <= 0 or free_v <= 0:
            return
        for at_u, at_v, kind in rng.uniform(-1, 1, (count, 3)):
            at = (at_u * free_u, at_v * free_v)
            if kind < -0.5:
                size = (float(rng.uniform(2.5, 4.5)), float(rng.uniform(2.5, 3.5)))
                self._box(window, at, size, house.eave_m + 2.6, house.roof_rgb * 0.9 + 20)
            elif kind < 0.72:
                size = (float(rng.uniform(0.9, 2.2)), float(rng.uniform(0.9, 1.8)))
                tone = np.full(3, rng.choice([225.0, 205.0, 95.0]))
                self._box(window, at, size, house.eave_m + 1.1, tone)
            else:
                size = (float(rng.uniform(3, 7)), 1.7)
                self._box(window, at, size, house.eave_m + 0.5, np.array((48.0, 56.0, 78.0)), 0.9)

    def _chimney_and_panels(self, house: House, window: Window) -> None:
        rng = self.rng
        at_u = float(rng.uniform(-0.35, 0.35)) * house.length_m
        top = house.eave_m + 0.45 * house.width_m * 0.5 + 1.3
        self._box(window, (at_u, 0.6), (0.9, 0.9), top, np.array((120.0, 92.0, 80.0)))
        if rng.random() < 0.22:
            side = float(rng.choice([-1.0, 1.0]))
            size = (house.length_m * float(rng.uniform(0.3, 0.6)), house.width_m * 0.24)
            covered = window.coverage(*size, at=(-0.3 * at_u, side * house.width_m * 0.24))
            self.canvas.blend(window, 0.9 * covered, (46.0, 54.0, 80.0))
        elif rng.random() < 0.5:
            for at in rng.uniform(-0.35, 0.35, 2) * house.length_m:
                covered = window.coverage(1.1, 1.4, at=(float(at), house.width_m * 0.22))
                self.canvas.blend(window, 0.7 * covered, (92.0, 104.0, 116.0))

    def _skylights(self, house: House, window: Window) -> None:
        spacing = float(self.rng.uniform(6, 12))
        for at_u in np.arange(-house.length_m / 2 + spacing, house.length_m / 2 - 3, spacing):
            covered = window.coverage(1.4, house.width_m * 0.7, at=(float(at_u), 0.0))
            self.canvas.blend(window, 0.55 * covered, (214.0, 222.0, 226.0))


def _roof_height(house: House, window: Window) -> np.ndarray:
    """Heights (h, w) in metres of the roof's surface."""
    from_eave = np.maximum(house.width_m / 2 - np.abs(window.v), 0)
    if house.shape == "gable":
        rise = 0.7 * from_eave
    elif house.shape == "hip":
        rise = 0.6 * np.minimum(from_eave, np.maximum(house.length_m / 2 - np.abs(window.u), 0))
    elif house.shape == "shed":
        rise = 0.08 * (window.v + house.width_m / 2)
    elif house.shape == "vault":
        rise = 0.14 * np.sqrt(np.maximum(house.width_m**2 / 4 - window.v**2, 0))
    else:
        rise = np.zeros_like(window.u)
    return (house.eave_m + rise).astype(np.float32)
