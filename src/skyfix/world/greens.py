"""Blocks without houses: park, sports ground, fields, orchard, forest, allotments."""

from itertools import pairwise

import numpy as np

from skyfix.world import plants
from skyfix.world.buildings import SHEETS, House
from skyfix.world.canvas import Cover
from skyfix.world.layout import Block
from skyfix.world.site import GRASS, PAVING, Site

_WATER = np.array((74.0, 94.0, 88.0))
_PATH = np.array((176.0, 162.0, 136.0))


def park(site: Site, block: Block) -> None:
    """Lawn, curved paths, a pond and loose trees."""
    rng, canvas = site.rng, site.canvas
    part = a0, a1, b0, b1 = block.inset(0.6)
    site.lawn(block, part)
    t = np.linspace(0, 1, 40)
    pond = rng.uniform(0.35, 0.65, 2)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    lobes = 1 + 0.22 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.12 * np.sin(3 * turn)
    along, across = block.sides_m()
    size_m = rng.uniform(0.14, 0.24) * min(along, across) * lobes
    shore = block.at(
        pond[0] + size_m * np.cos(turn) * 1.5 / along, pond[1] + size_m * np.sin(turn) / across
    )
    for _ in range(3):
        ends = rng.uniform(0.05, 0.95, 4)
        sway = rng.uniform(-0.15, 0.15) * np.sin(np.pi * t)
        if rng.random() < 0.5:
            path = block.at(a0 + (a1 - a0) * t, np.clip(ends[0] + (ends[1] - ends[0]) * t + sway,
                            b0, b1))  # fmt: skip
        else:
            path = block.at(np.clip(ends[2] + (ends[3] - ends[2]) * t + sway, a0, a1),
                            b0 + (b1 - b0) * t)  # fmt: skip
        canvas.line(path, 2.6, _PATH, Cover.PAVED)
    canvas.polygon(shore + (shore - shore.mean(axis=0)) * 0.12, _PATH * 0.8, Cover.PAVED)
    canvas.polygon(shore, site.tone(_WATER), Cover.WATER)
    plants.scatter(canvas, rng, block, part, 0.007, (2.2, 5.5), 0.25)
    rim = block.at(np.linspace(a0, a1, 22), b0 + 0.02)
    plants.plant(canvas, rng, rim, rng.uniform(2.5, 4.5, 22), 0.0)


def sports_ground(site: Site, block: Block) -> None:
    """A football pitch inside a running track, a club house and a stand."""
    rng, canvas = site.rng, site.canvas
    part = block.inset(0.6)
    site.lawn(block, part)
    along, across = block.sides_m()
    centre, angle = site.oriented(block, 0.5, 0.5)
    if across > along:
        along, across, angle = across, along, angle + np.pi / 2
    length = float(min(along - 28, 118.0))
    width = float(min(across - 24, 72.0, length * 0.62))
    window = canvas.window(centre, length, width, angle)
    if window is None or width < 22:
        return
    radius = width / 2
    core = length / 2 - radius
    from_axis = np.hypot(np.maximum(np.abs(window.u) - core, 0), window.v)
    oval = np.clip((radius - from_axis) / canvas.gsd_m + 0.5, 0, 1)
    clay = np.array(((164, 88, 66), (70, 96, 140), (150, 70, 62))[rng.integers(3)], float)
    canvas.blend(window, oval, site.tone(clay, 0.03))
    lane = 1.4
    lines = (np.abs((radius - from_axis) % lane - lane / 2) < 0.16) & (from_axis > radius - 7.5)
    canvas.blend(window, 0.35 * lines * oval, (232, 226, 218))
    inner = np.clip((radius - 8.0 - from_axis) / canvas.gsd_m + 0.5, 0, 1)
    stripes = 1 + 0.07 * np.sign(np.sin(window.u * (2 * np.pi / 11)))
    turf = np.array((86.0, 124.0, 62.0)) * rng.uniform(0.9, 1.1)
    canvas.blend(window, inner, turf * stripes[..., None])
    canvas.cover[window.area][oval > 0.5] = Cover.PAVED
    canvas.cover[window.area][inner > 0.5] = Cover.GRASS
    _pitch_lines(site, centre, angle, 2 * core, max(2 * radius - 20, 10.0))
    side = np.array([-np.sin(angle), np.cos(angle)])
    sheet = site.tone(SHEETS[rng.integers(len(SHEETS))])
    stand = House(centre + side * (radius + 5.5), core * 1.4, 7.0, angle, 6.5, "shed", sheet)
    site.builder.build(stand)
    plants.scatter(canvas, rng, block, part, 0.0015, (2, 4.5))


def _pitch_lines(site: Site, centre: np.ndarray, angle: float, length: float, width: float) -> None:
    axis = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = np.array([length / 2, width / 2])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
    turn = np.linspace(0, 2 * np.pi, 33)
    shapes = [signs * half, np.array([(0, -1), (0, 1)]) * half]
    shapes.append(0.13 * length * np.stack([np.cos(turn), np.sin(turn)], 1))
    box = np.array([(0, -0.3), (0.15, -0.3), (0.15, 0.3), (0, 0.3)]) * (length, width)
    shapes += [box - (length / 2, 0), (length / 2, 0) - box]
    for shape in shapes:
        site.canvas.line(centre + shape @ axis, 0.3, np.array((214.0, 222.0, 208.0)))


def fields(site: Site, block: Block) -> None:
    """Two or three strips of different crops with grass verges and a hedge or tree line."""
    rng = site.rng
    a0, a1, b0, b1 = block.inset(2.5)
    site.lawn(block, block.inset(1.0))
    cuts = np.sort(np.concatenate([[0.0, 1.0], rng.uniform(0.25, 0.75, int(rng.integers(0, 3)))]))
    is_along = rng.random() < 0.5
    for low, high in zip(cuts[:-1] + 0.008, cuts[1:] - 0.008, strict=True):
        if high - low < 0.08:
            continue
        if is_along:
            outline = block.patch(a0, a1, b0 + (b1 - b0) * low, b0 + (b1 - b0) * high)
        else:
            outline = block.patch(a0 + (a1 - a0) * low, a0 + (a1 - a0) * high, b0, b1)
        plants.crop_rows(site.canvas, rng, outline)
    t = np.linspace(0, 1, int(rng.integers(10, 26)))
    if rng.random() < 0.6:
        trees = block.at(a0 + (a1 - a0) * t, b0)
        plants.plant(site.canvas, rng, trees + rng.normal(0, 1.5, trees.shape),
                     rng.uniform(1.5, 4.5, len(t)))  # fmt: skip
    if rng.random() < 0.25:
        centre, angle = site.oriented(block, 0.3, 0.3)
        colour = site.tone(SHEETS[4])
        site.builder.build(House(centre, 30.0, 14.0, angle, 5.0, "gable", colour))
        site.builder.build(
            House(centre + np.array((4, 22)), 14.0, 9.0, angle, 5.5, "gable", colour * 0.9)
        )


def forest(site: Site, block: Block) -> None:
    """Dense crowns with a clearing or two showing through."""
    site.canvas.polygon(
        block.patch(*block.inset(3)), site.tone(np.array((84.0, 88.0, 58.0))), Cover.GRASS
    )
    share = float(site.rng.choice([0.1, 0.4, 0.9]))
    plants.scatter(site.canvas, site.rng, block, block.inset(4), 0.045, (2.2, 4.8), share)


def meadow(site: Site, block: Block) -> None:
    """Rough grass, trodden paths and bushes."""
    rng = site.rng
    part = block.inset(3)
    site.lawn(block, part)
    t = np.linspace(0, 1, 30)
    for start, end in rng.uniform(0.1, 0.9, (2, 2)):
        path = block.at(t, start + (end - start) * t + 0.05 * np.sin(7 * t + start * 9))
        site.canvas.line(path, 1.5, _PATH * 0.92, Cover.BARE)
    plants.scatter(site.canvas, rng, block, part, 0.005, (1.0, 3.4))


def orchard(site: Site, block: Block) -> None:
    """Trees in straight rows."""
    rng = site.rng
    part = a0, a1, b0, b1 = block.inset(6)
    site.lawn(block, part)
    along, across = block.sides_m()
    rows, columns = rng.uniform(6, 9), rng.uniform(5, 7)
    a, b = np.meshgrid(
        np.arange(a0, a1, columns / along), np.arange(b0, b1, rows / across), indexing="xy"
    )
    centres = block.at(a.ravel(), b.ravel())
    present = rng.random(len(centres)) < 0.93
    radii = rng.normal(rng.uniform(1.5, 2.2), 0.2, len(centres))
    plants.plant(site.canvas, rng, centres[present], radii[present], 0.0)


def allotments(site: Site, block: Block) -> None:
    """Small plots in many colours, each with a hut."""
    rng = site.rng
    along, across = block.sides_m()
    a0, a1, b0, b1 = part = block.inset(0.6)
    site.canvas.polygon(block.patch(*part), _PATH, Cover.PAVED)
    columns, rows = max(2, int(along / 13)), max(2, int(across / 17))
    a_edges, b_edges = np.linspace(a0, a1, columns + 1), np.linspace(b0, b1, rows + 1)
    gap_a, gap_b = 0.7 / along, 0.9 / across
    for a_low, a_high in pairwise(a_edges):
        for b_low, b_high in pairwise(b_edges):
            plot = (a_low + gap_a, a_high - gap_a, b_low + gap_b, b_high - gap_b)
            soil = plants.CROPS[rng.integers(len(plants.CROPS))] * 0.5 + GRASS * 0.5
            site.canvas.polygon(block.patch(*plot), site.tone(soil, 0.12), Cover.GRASS)
            a, b = rng.uniform(0.3, 0.7, 2)
            centre, angle = site.oriented(
                block, a_low + (a_high - a_low) * a, b_low + (b_high - b_low) * b
            )
            colour = site.tone(np.array((150.0, 120.0, 96.0)) if a < 0.6 else PAVING, 0.15)
            if rng.random() < 0.8:
                site.builder.build(House(centre, 4.0, 3.2, angle, 2.3, "gable", colour))
    plants.scatter(site.canvas, rng, block, part, 0.004, (1.0, 2.4), 0.05)
