"""What the builders of blocks and streets share: canvas, randomness, houses and parking bays."""

from dataclasses import dataclass, field

import numpy as np

from skyfix.world.buildings import Builder
from skyfix.world.canvas import Canvas, Cover
from skyfix.world.layout import Block

Part = tuple[float, float, float, float]
"""A part of a block in its own coordinates: a0, a1, b0, b1."""

ASPHALT = np.array((112.0, 111.0, 110.0))
PAVING = np.array((164.0, 158.0, 149.0))
GRASS = np.array((110.0, 120.0, 78.0))
_BAY_M = (2.7, 5.0)
_AISLE_M = 6.0


@dataclass
class Site:
    """A town under construction."""

    canvas: Canvas
    rng: np.random.Generator
    builder: Builder
    car_slots: list[tuple[float, float, float]] = field(default_factory=list)
    """x, y in canvas metres and direction in radians of places where a car may stand."""

    def tone(self, colour: np.ndarray, spread: float = 0.08) -> np.ndarray:
        """The colour (3,), a little brighter or darker and a little off in hue."""
        return colour * self.rng.normal(1, spread) + self.rng.normal(0, 25 * spread, 3)

    def lawn(self, block: Block, part: Part) -> None:
        """Grass over a part of a block, from lush to dry."""
        dryness = self.rng.uniform(0, 1) ** 2
        colour = GRASS * (1 - dryness) + np.array((148.0, 138.0, 96.0)) * dryness
        self.canvas.polygon(block.patch(*part), self.tone(colour), Cover.GRASS)

    def pave(self, block: Block, part: Part, colour: np.ndarray) -> None:
        """A hard surface over a part of a block."""
        self.canvas.polygon(block.patch(*part), self.tone(colour, 0.05), Cover.PAVED)

    def car_park(self, block: Block, part: Part) -> None:
        """Asphalt with rows of bays across ``b``; every bay is a place for a car."""
        self.pave(block, part, ASPHALT)
        along, across = block.sides_m()
        a0, a1, b0, b1 = part
        bay_a, bay_b, aisle_b = _BAY_M[0] / along, _BAY_M[1] / across, _AISLE_M / across
        line = np.array((196.0, 196.0, 192.0))
        row = b0 + 0.5 * bay_b
        while row + 0.5 * bay_b <= b1:
            edges = np.arange(a0 + 1.5 / along, a1 - 1.5 / along, bay_a)
            middles = block.at(edges[:-1] + bay_a / 2, row)
            free = self.canvas.covers(middles) == Cover.PAVED
            angle = block.angle_at((a0 + a1) / 2, row) + np.pi / 2
            for edge in edges[:-1][free]:
                ends = block.at(edge, np.array([row - 0.5 * bay_b, row + 0.5 * bay_b]))
                self.canvas.line(ends, 0.2, line)
            self.car_slots += [(float(x), float(y), angle) for x, y in middles[free]]
            # Rows stand back to back in pairs with an aisle between the pairs.
            is_second = round((row - b0) / bay_b - 0.5) % 3 != 0
            row += bay_b + (aisle_b if is_second else 0.0)

    def oriented(self, block: Block, a: float, b: float) -> tuple[np.ndarray, float]:
        """Canvas position and street direction at block coordinates."""
        return block.at(a, b), block.angle_at(a, b)
