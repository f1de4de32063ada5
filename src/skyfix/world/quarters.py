"""Larger buildings: courtyards, slabs, works, shops, schools, churches."""

from itertools import pairwise

import numpy as np

from skyfix.world import plants
from skyfix.world.buildings import MEMBRANES, SHEETS, TILES, House, RoofShape
from skyfix.world.canvas import Cover
from skyfix.world.layout import Block
from skyfix.world.site import ASPHALT, PAVING, Site


def courtyard(site: Site, block: Block) -> None:
    """Buildings around the block's edge and annexes in the yard, as in an old centre."""
    rng = site.rng
    along, across = block.sides_m()
    a0, a1, b0, b1 = part = block.inset(0.6)
    site.pave(block, part, PAVING * 0.86)
    if rng.random() < 0.6:
        inner = block.inset(18)
        site.lawn(block, inner)
        plants.scatter(site.canvas, rng, block, inner, 0.012, (2, 4.5))
    depth_m = float(rng.uniform(10, 13))
    for side, side_m in enumerate((along, along, across, across)):
        low, high = (a0, a1) if side < 2 else (b0, b1)
        edges = _uneven(rng, low, high, side_m, 9, 19)
        for left, right in pairwise(edges):
            if rng.random() < 0.08:
                continue
            centre, angle = block.frontage(side, (left + right) / 2, 1.4 + depth_m / 2)
            is_flat = rng.random() < 0.35
            colour = MEMBRANES[rng.integers(6)] if is_flat else TILES[rng.integers(len(TILES))]
            house = House(
                centre, (right - left) * side_m + 0.4, depth_m, angle, float(rng.uniform(9, 17)),
                "flat" if is_flat else "gable", site.tone(colour),
            )  # fmt: skip
            site.builder.build(house, overlaps=True)
    yard = block.inset(20)
    if along * across > 9000:
        plants.scatter(site.canvas, rng, block, yard, 0.004, (2, 4))
    for _ in range(int(along * across / 900)):
        a, b = rng.uniform(yard[0], yard[1]), rng.uniform(yard[2], yard[3])
        centre, angle = site.oriented(block, a, b)
        size = rng.uniform(6, 17, 2)
        colour = site.tone(MEMBRANES[rng.integers(len(MEMBRANES))])
        eave = float(rng.uniform(3.5, 8))
        site.builder.build(House(centre, size.max(), size.min(), angle, eave, "flat", colour))


def slabs(site: Site, block: Block) -> None:
    """Long flat-roofed apartment blocks on a lawn with paths and parking."""
    rng = site.rng
    along, across = block.sides_m()
    part = a0, a1, b0, b1 = block.inset(0.6)
    site.lawn(block, part)
    edge = b0 + 17.0 / across
    site.car_park(block, (a0, a1, b0, edge))
    is_turned = rng.random() < 0.4
    count = max(1, int((along if is_turned else across - 24) / rng.uniform(26, 34)))
    colour, eave = MEMBRANES[rng.integers(len(MEMBRANES))], float(rng.uniform(11, 22))
    for step in (np.arange(count) + 0.5) / count:
        a, b = (a0 + (a1 - a0) * step, (edge + b1) / 2) if is_turned else (0.5, 0)
        if not is_turned:
            b = edge + (b1 - edge) * step
        room_m = (b1 - edge) * across if is_turned else (a1 - a0) * along
        centre, angle = site.oriented(block, a, b)
        path = block.at(np.array([a, a]), np.array([edge, b1]))
        site.canvas.line(path, 1.8, PAVING, Cover.PAVED)
        length = float(min(room_m * rng.uniform(0.68, 0.92), 75))
        turned = angle + (np.pi / 2 if is_turned else 0)
        house = House(centre, length, 12.0, turned, eave, "flat", site.tone(colour, 0.04))
        site.builder.build(house)
    plants.scatter(site.canvas, rng, block, (a0, a1, edge, b1), 0.005, (2, 4.5))


def works(site: Site, block: Block) -> None:
    """Halls with metal roofs on asphalt, lorries' yards and containers."""
    rng = site.rng
    along, across = block.sides_m()
    part = a0, a1, b0, b1 = block.inset(0.6)
    site.pave(block, part, ASPHALT * rng.uniform(0.95, 1.25))
    edges = _uneven(rng, a0, a1, along, 32, 60)
    for left, right in pairwise(edges):
        shape: RoofShape = rng.choice(["shed", "vault", "flat", "gable"])
        palette = MEMBRANES if shape == "flat" else SHEETS
        share = float(rng.uniform(0.45, 0.72))
        centre, angle = site.oriented(
            block, (left + right) / 2, b0 + (b1 - b0) * (share / 2 + 0.04)
        )
        size = ((right - left) * along * 0.86, (b1 - b0) * across * share)
        colour = site.tone(palette[rng.integers(len(palette))], 0.06)
        turn = np.pi / 2 if size[1] > size[0] else 0
        house = House(
            centre, max(size), min(size), angle + turn, float(rng.uniform(6, 10)), shape, colour
        )
        site.builder.build(house)
        _containers(site, block, left, right, b0 + (b1 - b0) * (share + 0.12), b1)


def shops(site: Site, block: Block) -> None:
    """One large flat store with its car park."""
    rng = site.rng
    along, across = block.sides_m()
    a0, a1, b0, b1 = block.inset(0.6)
    split = a0 + (a1 - a0) * float(rng.uniform(0.4, 0.55))
    site.pave(block, (a0, split, b0, b1), PAVING * 0.8)
    site.car_park(block, (split, a1, b0, b1))
    centre, angle = site.oriented(block, (a0 + split) / 2, 0.5)
    size = ((split - a0) * along * 0.88, (b1 - b0) * across * 0.86)
    colour = site.tone(MEMBRANES[rng.integers(len(MEMBRANES))])
    site.builder.build(House(centre, *size, angle, float(rng.uniform(6, 9)), "flat", colour))
    trees = block.at(np.linspace(split, a1, 9)[1:-1], (b0 + b1) / 2)
    plants.plant(site.canvas, rng, trees, rng.uniform(1.5, 2.6, 7), 0.0)


def school(site: Site, block: Block) -> None:
    """Flat wings around a paved yard with coloured courts."""
    rng = site.rng
    along, across = block.sides_m()
    part = a0, a1, b0, b1 = block.inset(0.6)
    site.lawn(block, part)
    site.pave(block, (a0 + (a1 - a0) * 0.2, a1 - (a1 - a0) * 0.2, b0, b1), PAVING)
    colour, eave = site.tone(MEMBRANES[rng.integers(len(MEMBRANES))]), float(rng.uniform(6, 11))
    for a, b, turn, room_m in (
        (0.5, b0 + 9 / across, 0.0, along), (a0 + 9 / along, 0.5, np.pi / 2, across),
        (0.62, 0.5, np.pi / 2, across * 0.6),
    ):  # fmt: skip
        centre, angle = site.oriented(block, a, b)
        length = room_m * float(rng.uniform(0.5, 0.75))
        house = House(centre, length, 13.0, angle + turn, eave, "flat", colour)
        site.builder.build(house, overlaps=True)
    court = block.patch(0.72, 0.72 + 15 / along, 0.45, 0.45 + 26 / across)
    paint = ((150, 84, 70), (78, 112, 96), (76, 100, 140))[rng.integers(3)]
    site.canvas.polygon(court, np.array(paint, float), Cover.PAVED)
    site.canvas.line(np.vstack([court, court[:1]]), 0.3, np.full(3, 215.0))
    plants.scatter(site.canvas, rng, block, part, 0.004, (2, 4))


def church(site: Site, block: Block) -> None:
    """A square with a church (nave, transept, tower) and rows of trees."""
    rng = site.rng
    part = a0, a1, b0, b1 = block.inset(0.6)
    site.pave(block, part, PAVING * np.array((1.04, 1.0, 0.94)))
    centre, angle = site.oriented(block, 0.5, 0.5)
    roof = site.tone(np.array((98.0, 112.0, 108.0)) if rng.random() < 0.4 else TILES[2])
    along = np.array([np.cos(angle), np.sin(angle)])
    parts: tuple[tuple[np.ndarray, float, float, float, float, RoofShape], ...] = (
        (centre, 34.0, 13.0, 0.0, 11.0, "gable"),
        (centre + along * 6, 22.0, 9.0, np.pi / 2, 9.0, "gable"),
        (centre - along * 19, 7.0, 7.0, 0.0, 27.0, "hip"),
    )
    for at, length, width, turn, eave, shape in parts:
        house = House(at, length, width, angle + turn, eave, shape, roof)
        site.builder.build(house, overlaps=True)
    for b in (b0 + (b1 - b0) * 0.08, b1 - (b1 - b0) * 0.08):
        row = block.at(np.linspace(a0 + 0.05, a1 - 0.05, 9), b)
        plants.plant(site.canvas, rng, row, rng.uniform(2.4, 3.6, 9), 0.0)


def _containers(site: Site, block: Block, a0: float, a1: float, b0: float, b1: float) -> None:
    rng = site.rng
    for a, b in zip(rng.uniform(a0, a1, 7), rng.uniform(min(b0, b1), b1, 7), strict=True):
        centre, angle = site.oriented(block, a, b)
        colour = np.array(
            ((150, 70, 58), (64, 92, 132), (84, 116, 92), (170, 140, 70), (196, 196, 192))
        )[rng.integers(5)].astype(float)
        turn = 0.0 if rng.random() < 0.7 else np.pi / 2
        site.builder.build(House(centre, 12.0, 2.5, angle + turn, 2.6, "shed", colour))


def _uneven(
    rng: np.random.Generator, low: float, high: float, side_m: float, least_m: float, most_m: float
) -> np.ndarray:
    """Cut [low, high] of a side into pieces of about least..most metres: the edges (n + 1,)."""
    count = max(1, round((high - low) * side_m / ((least_m + most_m) / 2)))
    weights = rng.uniform(least_m, most_m, count)
    return low + (high - low) * np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
