"""Trees, hedges and crop rows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from skyfix.world.canvas import Canvas, Cover
from skyfix.world.layout import Block
from skyfix.world.noise import smooth_noise

BROADLEAF = np.array(
    [(70, 92, 48), (84, 104, 52), (58, 82, 46), (96, 110, 58), (76, 86, 42), (104, 98, 52)],
    np.float32,
)
CONIFER = np.array([(46, 66, 46), (52, 74, 50), (40, 58, 44)], np.float32)
CROPS = np.array(
    [
        (122, 138, 68), (168, 152, 100), (186, 168, 108), (96, 118, 62), (138, 116, 88),
        (150, 132, 102), (110, 132, 58), (142, 146, 84), (120, 102, 78), (196, 186, 92),
    ],
    np.float32,
)  # fmt: skip
_VARIANTS = 12


@dataclass(frozen=True)
class _Crown:
    height: np.ndarray
    """(s, s) in [0, 1], 0 outside the crown."""
    tone: np.ndarray
    """(s, s) brightness factor."""


def plant(
    canvas: Canvas,
    rng: np.random.Generator,
    centres_m: np.ndarray,
    radii_m: np.ndarray,
    conifer_share: float = 0.15,
) -> None:
    """Put trees with round crowns at centres (N, 2), except on roads, water and roofs."""
    free = ~np.isin(canvas.covers(centres_m), [Cover.ROAD, Cover.WATER, Cover.ROOF])
    for centre, radius in zip(centres_m[free], radii_m[free], strict=True):
        _tree(canvas, rng, centre, radius, rng.random() < conifer_share)


def avenue(canvas: Canvas, rng: np.random.Generator, centres_m: np.ndarray) -> None:
    """Trees of one kind along a street, at centres (N, 2) on its pavement; some are missing."""
    radius = rng.uniform(1.6, 3.2)
    free = ~np.isin(canvas.covers(centres_m), [Cover.WATER, Cover.ROOF])
    for centre in centres_m[free & (rng.random(len(centres_m)) < 0.8)]:
        _tree(canvas, rng, centre, radius * rng.uniform(0.8, 1.15), False)


def scatter(
    canvas: Canvas,
    rng: np.random.Generator,
    block: Block,
    part: tuple[float, float, float, float],
    per_m2: float,
    radius_m: tuple[float, float],
    conifer_share: float = 0.15,
) -> None:
    """Plant trees at random in the part (a0, a1, b0, b1) of a block."""
    along, across = block.sides_m()
    a0, a1, b0, b1 = part
    count = rng.poisson(per_m2 * along * across * (a1 - a0) * (b1 - b0))
    centres = block.at(rng.uniform(a0, a1, count), rng.uniform(b0, b1, count))
    plant(canvas, rng, centres, rng.uniform(*radius_m, count), conifer_share)


def hedge(canvas: Canvas, rng: np.random.Generator, points_m: np.ndarray) -> None:
    """A cut hedge along a polyline (P, 2)."""
    if np.isin(canvas.covers(points_m), [Cover.ROAD, Cover.WATER, Cover.ROOF]).any():
        return
    colour = np.array((66.0, 88.0, 48.0)) * rng.uniform(0.85, 1.2)
    canvas.line(points_m, 1.2, colour, Cover.TREE, height_m=float(rng.uniform(1.0, 2.0)))


def crop_rows(canvas: Canvas, rng: np.random.Generator, outline_m: np.ndarray) -> None:
    """A field with rows, tractor tracks and headlands inside an outline (P, 2)."""
    colour = CROPS[rng.integers(len(CROPS))] * rng.uniform(0.9, 1.1)
    canvas.polygon(outline_m, colour, Cover.FIELD)
    low, high = outline_m.min(axis=0), outline_m.max(axis=0)
    edge = outline_m[8] - outline_m[0]
    window = canvas.frame(low, high, float(np.arctan2(edge[1], edge[0])))
    if window is None:
        return
    mask = canvas.contains(outline_m, window) & (canvas.cover[window.area] == Cover.FIELD)
    period = float(rng.choice([1.8, 2.4, 3.2, 5.0]))
    tracks = float(rng.choice([14.0, 18.0, 24.0]))
    wobble = 0.5 * smooth_noise(rng, window.u.shape, 30 / canvas.gsd_m)
    factor = 1 + rng.uniform(0.03, 0.10) * np.sin((window.v + wobble) * (2 * np.pi / period))
    from_track = np.abs((window.v + tracks / 2) % tracks - tracks / 2)
    factor -= 0.16 * (np.abs(from_track - 0.9) < 0.45)
    growth = smooth_noise(rng, window.u.shape, 35 / canvas.gsd_m)
    factor += 0.07 * growth
    canvas.blend(window, mask.astype(np.float32), colour * factor[..., None])


def _tree(
    canvas: Canvas,
    rng: np.random.Generator,
    centre_m: np.ndarray,
    radius_m: float,
    is_conifer: bool,
) -> None:
    palette = CONIFER if is_conifer else BROADLEAF
    colour = palette[rng.integers(len(palette))] * rng.uniform(0.85, 1.15)
    tall_m = radius_m * (rng.uniform(2.6, 3.4) if is_conifer else rng.uniform(1.6, 2.3))
    radius_px = max(1.5, round(2 * radius_m / canvas.gsd_m) / 2)
    crown = _crown(radius_px, int(rng.integers(_VARIANTS)), is_conifer)
    _stamp(canvas, crown, centre_m, colour, tall_m)


def _stamp(
    canvas: Canvas, crown: _Crown, centre_m: np.ndarray, colour: np.ndarray, tall_m: float
) -> None:
    side = crown.height.shape[0]
    limit = canvas.cover.shape[0]
    column, row = (int(value) for value in np.round(centre_m / canvas.gsd_m - side / 2))
    left, top = max(0, -column), max(0, -row)
    right, bottom = min(side, limit - column), min(side, limit - row)
    if right <= left or bottom <= top:
        return
    source = (slice(top, bottom), slice(left, right))
    target = (slice(row + top, row + bottom), slice(column + left, column + right))
    # The crown hangs over its trunk: its edge is a third of the way up.
    height = np.where(crown.height[source] > 0, tall_m * (0.35 + 0.65 * crown.height[source]), 0)
    heights = canvas.height_m[target]
    above = height > heights
    heights[above] = height[above]
    canvas.cover[target][above] = Cover.TREE
    canvas.building[target][above] = 0
    tone = crown.tone[source][above]
    canvas.rgb[target][above] = np.clip(tone[:, None] * colour, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1024)
def _crown(radius_px: float, variant: int, is_conifer: bool) -> _Crown:
    """A ragged dome or cone; the same for every town, so that it is drawn once a process."""
    rng = np.random.default_rng(variant)
    side = int(2 * np.ceil(radius_px) + 3)
    axis = np.arange(side) - (side - 1) / 2
    x, y = axis[None, :], axis[:, None]
    turn = np.arctan2(y, x)
    ragged = 1 + sum(
        0.07 * np.sin(lobes * turn + rng.uniform(0, 2 * np.pi)) for lobes in (2, 3, 5, 7)
    )
    distance = np.hypot(x, y) / (radius_px * ragged)
    if is_conifer:
        height = np.clip(1 - distance, 0, 1)
    else:
        height = np.sqrt(np.clip(1 - distance**2, 0, 1))
    lumps = smooth_noise(rng, (side, side), max(1.5, radius_px / 3))
    height = np.where(height > 0, np.clip(height * (1 + 0.10 * lumps), 0.02, 1.1), 0)
    tone = 0.86 + 0.16 * np.clip(height, 0, 1) + 0.14 * lumps
    return _Crown(height.astype(np.float32), tone.astype(np.float32))
