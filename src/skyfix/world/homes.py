"""Blocks of homes: detached houses on lots, and terraces."""

from itertools import pairwise

import numpy as np

from skyfix.world import plants
from skyfix.world.buildings import MEMBRANES, TILES, House
from skyfix.world.canvas import Cover
from skyfix.world.layout import Block
from skyfix.world.site import PAVING, Part, Site


def detached(site: Site, block: Block) -> None:
    """Two rows of lots, back to back, each with a house, a drive, a shed and a garden."""
    rng, block = site.rng, block.long_way()
    along, across = block.sides_m()
    a0, a1, b0, b1 = block.inset()
    palette = TILES[rng.choice(len(TILES), 3, replace=False)]
    edges = np.linspace(a0, a1, max(2, round((a1 - a0) * along / rng.uniform(14, 21))) + 1)
    middle = (b0 + b1) / 2 + rng.uniform(-0.05, 0.05)
    set_back_m = float(rng.uniform(3, 6))
    for side, front in ((0, b0), (1, b1)):
        depth_m = abs(middle - front) * across
        for left, right in pairwise(edges):
            lot = (left, right, min(front, middle), max(front, middle))
            site.lawn(block, lot)
            _garden(site, block, lot, front, middle)
            colour = site.tone(palette[rng.integers(3)], 0.06)
            width_m = (right - left) * along
            centre, angle = block.frontage(
                side,
                left + (right - left) * rng.uniform(0.45, 0.55),
                min(set_back_m + rng.uniform(4.5, 6.5), max(depth_m - 5, 4.5)),
            )
            house = House(
                centre,
                float(np.clip(width_m * rng.uniform(0.55, 0.75), 8, 15)),
                float(rng.uniform(8.0, 10.5)),
                angle + (np.pi / 2 if rng.random() < 0.3 else 0) + rng.normal(0, 0.02),
                float(rng.choice([3.2, 5.6, 6.0])),
                "gable" if rng.random() < 0.68 else "hip",
                colour,
            )
            if site.builder.build(house) and rng.random() < 0.45:
                _wing(site, house)
            _drive(site, block, left + 2.4 / along, front, min(11.0 / across, depth_m / across))
    plants.scatter(site.canvas, rng, block, (a0, a1, b0, b1), rng.uniform(0.004, 0.012), (1.2, 4.2))


def terraces(site: Site, block: Block) -> None:
    """Rows of houses wall to wall, with strips of gardens behind."""
    rng, block = site.rng, block.long_way()
    along, _ = block.sides_m()
    a0, a1, b0, b1 = part = block.inset()
    site.lawn(block, part)
    palette = TILES[rng.choice(len(TILES), 2, replace=False)]
    edges = np.linspace(a0, a1, int((a1 - a0) * along / rng.uniform(5.5, 7.5)) + 1)
    eave = float(rng.choice([5.8, 6.4, 8.6]))
    middle = (b0 + b1) / 2
    run, set_back_m = int(rng.integers(4, 9)), float(rng.uniform(2, 6))
    for side, front in ((0, b0), (1, b1)):
        for number, (left, right) in enumerate(pairwise(edges)):
            strip = (left, right, *sorted((middle, front + (middle - front) * 0.45)))
            site.lawn(block, strip)
            if rng.random() < 0.5:
                back = np.linspace(middle, front + (middle - front) * 0.55, 4)
                plants.hedge(site.canvas, rng, block.at(left, back))
            if number % (run + 1) == run:
                continue
            centre, angle = block.frontage(
                side, (left + right) / 2, set_back_m + 4.8 + rng.uniform(0, 0.8)
            )
            colour = site.tone(palette[number // (run + 1) % 2], 0.04)
            width_m = (right - left) * along + 0.3
            house = House(centre, width_m, 9.0, angle, eave, "gable", colour)
            site.builder.build(house, overlaps=True)
    gardens = (a0, a1, b0 + (middle - b0) * 0.5, b1 - (b1 - middle) * 0.5)
    plants.scatter(site.canvas, rng, block, gardens, 0.009, (1.2, 3.4))


def _garden(site: Site, block: Block, lot: Part, front: float, back: float) -> None:
    """Hedges, and a pool, a vegetable bed or a shed behind the house."""
    rng, canvas = site.rng, site.canvas
    if rng.random() < 0.6:
        plants.hedge(canvas, rng, block.at(lot[1], np.linspace(front, back, 4)[1:]))
    if rng.random() < 0.6:
        plants.hedge(canvas, rng, block.at(np.linspace(lot[0], lot[1], 4), back))
    a = lot[0] + (lot[1] - lot[0]) * rng.uniform(0.3, 0.7)
    centre, angle = site.oriented(block, a, front + (back - front) * rng.uniform(0.72, 0.84))
    window = canvas.window(centre, 9.0, 5.0, angle)
    kind = rng.random()
    if window is None or (canvas.covers(centre[None]) != Cover.GRASS).any():
        return
    if kind < 0.12:
        canvas.blend(window, window.coverage(9.0, 5.0), (196, 190, 178))
        canvas.blend(window, window.coverage(7.4, 3.6), (92, 168, 186))
    elif kind < 0.3:
        rows = 116 + 14 * np.sin(window.v * 4)[..., None] * np.array((0.4, 1.0, 0.3))
        canvas.blend(window, window.coverage(7, 5), rows - np.array((4.0, 14.0, 36.0)))
    elif kind < 0.6:
        colour = site.tone(MEMBRANES[rng.integers(len(MEMBRANES))])
        site.builder.build(House(centre, 4.0, 3.0, angle, 2.4, "shed", colour))


def _wing(site: Site, house: House) -> None:
    """A garage or a cross wing against one long side."""
    rng = site.rng
    across = np.array([-np.sin(house.angle_rad), np.cos(house.angle_rad)])
    side = float(rng.choice([-1.0, 1.0]))
    centre = house.centre_m + across * side * (house.width_m / 2 + 1.5)
    if rng.random() < 0.5:
        colour = site.tone(MEMBRANES[3])
        wing = House(centre, 5.0, 5.0, house.angle_rad, 3.0, "flat", colour)
    else:
        angle = house.angle_rad + np.pi / 2
        wing = House(centre, 6.0, 5.0, angle, house.eave_m, "gable", house.roof_rgb)
    site.builder.build(wing, overlaps=True)


def _drive(site: Site, block: Block, a: float, front: float, length: float) -> None:
    end = front + (length if front < 0.5 else -length)
    points = block.at(np.array([a, a]), np.array([front, end]))
    if np.isin(site.canvas.covers(points), [Cover.ROOF, Cover.WATER]).any():
        return
    site.canvas.line(points, 3.0, site.tone(PAVING * 0.95), Cover.PAVED)
    heading = points[1] - points[0]
    x, y = points[0] + heading * 0.45
    site.car_slots.append((x, y, float(np.arctan2(heading[1], heading[0]))))
