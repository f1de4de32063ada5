"""Where streets and blocks lie: a lattice with uneven spacing, turned, bent and thinned out.

Blocks keep the lattice's coordinates, so that their contents (lots, rows of houses) bend with
the streets.
"""

from dataclasses import dataclass

import numpy as np

MAIN_STREET_M, SIDE_STREET_M = 15.0, 9.6
"""Widths of streets with their pavements."""


@dataclass(frozen=True)
class Bend:
    """A smooth displacement of the plane: a sum of plane waves."""

    waves: np.ndarray
    """(K, 2) radians per metre."""
    phases: np.ndarray
    """(K,) radians."""
    shifts_m: np.ndarray
    """(K, 2) amplitude of each wave."""

    def __call__(self, points_m: np.ndarray) -> np.ndarray:
        """Bent points (..., 2)."""
        return points_m + np.sin(points_m @ self.waves.T + self.phases) @ self.shifts_m


@dataclass(frozen=True)
class Block:
    """One block between streets, from axis to axis, with coordinates a, b in [0, 1]."""

    corners_m: np.ndarray
    """(2, 2, 2): unbent corners, indexed [end along b, end along a]."""
    bend: Bend
    streets_m: np.ndarray
    """(4,): half width of the streets at the sides b = 0, b = 1, a = 0, a = 1."""

    def at(self, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
        """Canvas points (..., 2) of block coordinates."""
        a, b = (np.asarray(value, np.float64)[..., None] for value in np.broadcast_arrays(a, b))
        near = self.corners_m[0, 0] * (1 - a) + self.corners_m[0, 1] * a
        far = self.corners_m[1, 0] * (1 - a) + self.corners_m[1, 1] * a
        return self.bend(near * (1 - b) + far * b)

    def long_way(self) -> "Block":
        """The same block with ``a`` along its longer sides."""
        along, across = self.sides_m()
        if along >= across:
            return self
        # Mirrored rather than turned: a and b change places.
        return Block(self.corners_m.swapaxes(0, 1), self.bend, self.streets_m[[2, 3, 0, 1]])

    def sides_m(self) -> tuple[float, float]:
        """Length along a and along b through the middle, in metres."""
        left, right, near, far = self.at(np.array([0, 1, 0.5, 0.5]), np.array([0.5, 0.5, 0, 1]))
        return float(np.linalg.norm(right - left)), float(np.linalg.norm(far - near))

    def angle_at(self, a: float, b: float, along_b: bool = False) -> float:
        """Direction of growing ``a`` (or ``b``) on the canvas, in radians."""
        step = np.array([-0.05, 0.05])
        before, after = self.at(a, b + step) if along_b else self.at(a + step, b)
        return float(np.arctan2(*(after - before)[::-1]))

    def frontage(self, side: int, at: float, depth_m: float) -> tuple[np.ndarray, float]:
        """A point ``depth_m`` inside a side's pavement, and the side's direction there.

        Args:
            side: 0, 1, 2, 3 for b = 0, b = 1, a = 0, a = 1.
            at: position along the side in [0, 1].
            depth_m: distance from the pavement, square to the side.
        """
        a, b = ((at, 0.0), (at, 1.0), (0.0, at), (1.0, at))[side]
        angle = self.angle_at(a, b, along_b=side >= 2)
        start, middle = self.at(np.array([a, 0.5]), np.array([b, 0.5]))
        normal = np.array([-np.sin(angle), np.cos(angle)])
        inward = normal if normal @ (middle - start) > 0 else -normal
        return start + inward * (self.streets_m[side] + depth_m), angle

    def patch(self, a0: float, a1: float, b0: float, b1: float) -> np.ndarray:
        """Outline (36, 2) of the part [a0, a1] x [b0, b1], following the bend."""
        t = np.linspace(0, 1, 9)
        a = np.concatenate([a0 + (a1 - a0) * t, np.full(9, a1), a1 + (a0 - a1) * t, np.full(9, a0)])
        b = np.concatenate([np.full(9, b0), b0 + (b1 - b0) * t, np.full(9, b1), b1 + (b0 - b1) * t])
        return self.at(a, b)

    def inset(self, margin_m: float = 0.0) -> tuple[float, float, float, float]:
        """Block coordinates (a0, a1, b0, b1) of what is left inside the pavements and a margin."""
        along, across = self.sides_m()
        slant = abs(np.sin(self.angle_at(0.5, 0.5) - self.angle_at(0.5, 0.5, along_b=True)))
        gaps = (self.streets_m + margin_m) / max(slant, 0.3)
        b0, b1 = np.minimum(gaps[:2] / across, 0.45)
        a0, a1 = np.minimum(gaps[2:] / along, 0.45)
        return float(a0), float(1 - a1), float(b0), float(1 - b1)


@dataclass(frozen=True)
class Street:
    """One street segment between two crossings."""

    points_m: np.ndarray
    """(P, 2) centre line."""
    is_main: bool
    blocks: tuple[int, int]
    """Numbers of the blocks on its two sides; -1 outside."""


@dataclass(frozen=True)
class Layout:
    """Streets and the blocks between them."""

    blocks: list[Block]
    streets: list[Street]
    crossings_m: np.ndarray
    """(N, 2) where two main streets meet."""


def lay_out(rng: np.random.Generator, size_m: float) -> Layout:
    """Draw up the streets of a square of ``size_m`` metres."""
    rows = _spaced(rng, size_m, 56.0, 86.0)
    columns = _spaced(rng, size_m, 80.0, 135.0)
    nodes, bend = _lattice(rng, size_m, rows, columns)
    main_rows = _mains(rng, len(rows))
    main_columns = _mains(rng, len(columns))
    owner = _merge(rng, (len(rows) - 1, len(columns) - 1), main_rows, main_columns)
    blocks = [
        Block(
            nodes[np.ix_([i0, i1], [j0, j1])],
            bend,
            _half_widths(
                [i0 in main_rows, i1 in main_rows, j0 in main_columns, j1 in main_columns]
            ),
        )
        for i0, i1, j0, j1 in owner.spans
    ]
    streets = _streets(nodes, bend, owner.number, main_rows, main_columns)
    crossings = bend(nodes[np.ix_(main_rows, main_columns)].reshape(-1, 2))
    return Layout(blocks, streets, crossings)


def curve_across(
    rng: np.random.Generator, size_m: float, sway_m: float, angle_rad: float, offset_m: float
) -> np.ndarray:
    """A winding line (P, 2) from edge to edge: for a river or a railway."""
    along = np.linspace(-0.8 * size_m, 0.8 * size_m, 120)
    phases = rng.uniform(0, 2 * np.pi, 2)
    across = offset_m + sway_m * (
        np.sin(along / size_m * 5.0 + phases[0]) + 0.35 * np.sin(along / size_m * 13 + phases[1])
    )
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    centre = size_m / 2
    return np.stack(
        [centre + along * cos - across * sin, centre + along * sin + across * cos], axis=1
    )


@dataclass(frozen=True)
class _Owner:
    number: np.ndarray
    spans: list[tuple[int, int, int, int]]


def _spaced(rng: np.random.Generator, size_m: float, least_m: float, most_m: float) -> np.ndarray:
    """Uneven positions that cover the square at any rotation."""
    steps = rng.uniform(least_m, most_m, int(2 * size_m / least_m) + 4)
    positions = np.cumsum(steps) - steps[0] - 0.85 * size_m + rng.uniform(0, 20)
    return positions[: int(np.searchsorted(positions, 0.85 * size_m)) + 1]


def _lattice(
    rng: np.random.Generator, size_m: float, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, Bend]:
    turn = rng.uniform(0, np.pi)
    axis = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    grid = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
    nodes = grid @ axis + size_m / 2 + rng.normal(0, 4.0, (*grid.shape[:2], 2))
    directions = rng.uniform(0, 2 * np.pi, 4)
    lengths_m = rng.uniform(380, 800, 4)
    waves = np.stack([np.cos(directions), np.sin(directions)], 1) * (2 * np.pi / lengths_m)[:, None]
    shifts = rng.normal(0, 1, (4, 2)) * 0.018 * lengths_m[:, None]
    return nodes, Bend(waves, rng.uniform(0, 2 * np.pi, 4), shifts)


def _merge(
    rng: np.random.Generator,
    cells: tuple[int, int],
    main_rows: np.ndarray,
    main_columns: np.ndarray,
) -> _Owner:
    """Join some neighbouring cells, never over a main street: T crossings, longer blocks."""
    rows, columns = cells
    number = np.full(cells, -1)
    spans: list[tuple[int, int, int, int]] = []
    for row in range(rows):
        for column in range(columns):
            if number[row, column] >= 0:
                continue
            joins_right = rng.random() < 0.22 and column + 1 not in main_columns
            joins_down = not joins_right and rng.random() < 0.10 and row + 1 not in main_rows
            right = column + 1
            if joins_right and right < columns and number[row, right] < 0:
                right += 1
            down = row + 1
            if joins_down and down < rows and (number[down, column:right] < 0).all():
                down += 1
            number[row:down, column:right] = len(spans)
            spans.append((row, down, column, right))
    return _Owner(number, spans)


def _half_widths(is_main: list[bool]) -> np.ndarray:
    return np.where(is_main, MAIN_STREET_M, SIDE_STREET_M) / 2


def _mains(rng: np.random.Generator, lines: int) -> np.ndarray:
    """Every fourth or so lattice line is a main street."""
    return np.arange(int(rng.integers(1, 4)), lines, int(rng.integers(4, 6)))


def _streets(
    nodes: np.ndarray,
    bend: Bend,
    number: np.ndarray,
    main_rows: np.ndarray,
    main_columns: np.ndarray,
) -> list[Street]:
    padded = np.pad(number, 1, constant_values=-1)
    streets = []
    t = np.linspace(0, 1, 7)[:, None]
    for (row, column), _ in np.ndenumerate(nodes[..., 0]):
        for step_row, step_column, is_main, sides in (
            (0, 1, row in main_rows, (padded[row, column + 1], padded[row + 1, column + 1])),
            (1, 0, column in main_columns, (padded[row + 1, column], padded[row + 1, column + 1])),
        ):
            to = (row + step_row, column + step_column)
            if to[0] >= nodes.shape[0] or to[1] >= nodes.shape[1] or sides[0] == sides[1]:
                continue
            line = nodes[row, column] * (1 - t) + nodes[to] * t
            streets.append(Street(bend(line), bool(is_main), (int(sides[0]), int(sides[1]))))
    return streets
