"""The pooling matrices against literal slices, and what they must refuse.

Longer than other files, as the literal slices of every partition stand beside the tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skyfix.errors import SkyfixError
from skyfix.layers.partition import (
    dense_parts,
    shifted_dense_parts,
    square_rings,
    strips,
)
from skyfix.layers.pooling import average_parts, enlarged, gem_parts, max_rings
from skyfix.layers.released_partition import released_dense_parts

SIDES = st.integers(8, 40)


def literal_ring_averages(image: torch.Tensor, rings: int) -> torch.Tensor:
    """LPN's rings by slicing: mean over each full square with the inner square set to zero."""
    _, _, height, width = image.shape
    step_y, step_x = height // (2 * rings), width // (2 * rings)
    top, left = height // 2, width // 2
    parts = []
    for ring in range(1, rings + 1):
        hollow = image.clone()
        inner = ring - 1
        hollow[
            :,
            :,
            top - inner * step_y : top + inner * step_y,
            left - inner * step_x : left + inner * step_x,
        ] = 0
        if ring < rings:
            hollow = hollow[
                :,
                :,
                top - ring * step_y : top + ring * step_y,
                left - ring * step_x : left + ring * step_x,
            ]
        parts.append(hollow.mean(dim=(2, 3)))
    return torch.stack(parts, dim=1)


def literal_dense_gem(image: torch.Tensor, rings: int, shift_y: int, shift_x: int) -> torch.Tensor:
    """SDPL's parts of one shift by slicing the untouched map."""
    height, width = image.shape[-2:]
    step_y, step_x = height // (2 * rings), width // (2 * rings)
    top, left = height // 2 + shift_y, width // 2 + shift_x
    cubes = image.clamp_min(1e-6) ** 3

    def square(k: int) -> tuple[torch.Tensor, int]:
        if k == rings:
            return cubes.sum(dim=(2, 3)), height * width
        cut = cubes[
            :, :, top - k * step_y : top + k * step_y, left - k * step_x : left + k * step_x
        ]
        return cut.sum(dim=(2, 3)), cut.shape[2] * cut.shape[3]

    parts = []
    for outer, inner in dense_parts(rings):
        total, area = square(outer)
        hole = square(inner)[0] if inner else 0
        parts.append(((total - hole) / area) ** (1 / 3))
    return torch.stack(parts, dim=1)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, rings=st.integers(1, 4))
def test_square_rings_equal_literal_slices(height: int, width: int, rings: int) -> None:
    image = torch.rand(1, 2, height, width, dtype=torch.float64)
    ours = average_parts(image, square_rings(height, width, rings))
    torch.testing.assert_close(ours, literal_ring_averages(image, rings), rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, rings=st.integers(2, 4))
def test_paper_partition_equals_literal_slices(height: int, width: int, rings: int) -> None:
    image = torch.rand(1, 2, height, width, dtype=torch.float64)
    ours = gem_parts(image, shifted_dense_parts(height, width, rings)).unflatten(1, (3, -1))
    step_y, step_x = max(1, height // 16), max(1, width // 16)
    for index, sign in enumerate((-1, 0, 1)):
        literal = literal_dense_gem(image, rings, sign * step_y, sign * step_x)
        torch.testing.assert_close(ours[:, index], literal, rtol=1e-5, atol=1e-6)


def test_dense_parts_follow_the_papers_order() -> None:
    expected = [(1, 0), (2, 1), (3, 2), (4, 3), (2, 0), (3, 1), (4, 2), (3, 0), (4, 1), (4, 0)]
    assert dense_parts(4) == expected


def test_shift_is_a_sixteenth_of_the_map_and_the_last_part_is_whole() -> None:
    matrix = shifted_dense_parts(32, 32, 4).weights.reshape(3, 10, 32, 32)
    for index, shift in enumerate((-2, 0, 2)):
        rows, columns = np.nonzero(matrix[index, 0])
        assert (rows.min(), rows.max()) == (12 + shift, 19 + shift)
        assert (columns.min(), columns.max()) == (12 + shift, 19 + shift)
        assert (matrix[index, 9] > 0).all()


@settings(deadline=None)
@given(height=SIDES, width=SIDES, shift=st.integers(1, 30))
def test_ring_divisor_averages_exactly_and_large_shifts_stay_inside(
    height: int, width: int, shift: int
) -> None:
    weights = shifted_dense_parts(height, width, 4, shift, "ring").weights
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_gem_gradient_equals_plain_autograd() -> None:
    partition = shifted_dense_parts(9, 12, 4)
    image = torch.randn(2, 3, 9, 12, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 30, 3, dtype=torch.float64)
    (gem_parts(image, partition) * target).sum().backward()
    plain = image.detach().clone().requires_grad_()
    cubes = plain.flatten(2).clamp_min(1e-6) ** 3
    means = cubes @ partition.matrix(plain).T
    ((means.clamp_min(1e-18) ** (1 / 3)).transpose(1, 2) * target).sum().backward()
    torch.testing.assert_close(image.grad, plain.grad)


def test_partitions_made_in_inference_mode_still_train() -> None:
    square_rings.cache_clear()
    with torch.inference_mode():
        average_parts(torch.rand(1, 2, 11, 11), square_rings(11, 11, 4))
    image = torch.rand(1, 2, 11, 11, requires_grad=True)
    average_parts(image, square_rings(11, 11, 4)).sum().backward()
    assert image.grad is not None


@pytest.mark.parametrize(("height", "width"), [(8, 8), (20, 20), (28, 28), (16, 24)])
def test_released_refuses_what_the_published_code_cannot_run(height: int, width: int) -> None:
    with pytest.raises(SkyfixError, match="released code runs on square maps"):
        released_dense_parts(height, width)


def test_too_small_maps_are_refused() -> None:
    with pytest.raises(SkyfixError, match="at least 8 x 8 cells"):
        shifted_dense_parts(7, 16, 4)
    with pytest.raises(SkyfixError, match="both directions"):
        square_rings(4, 16, 4)
    with pytest.raises(SkyfixError, match="Unknown divisor"):
        square_rings(8, 8, 4, "hole")


def hollow(image: torch.Tensor, rings: int, ring: int, lean: int = 0) -> torch.Tensor:
    """LPN's square of a ring, counted from 1, minus the square inside it.

    Args:
        lean: cells by which the hole lies off its place, down and right.
    """
    height, width = image.shape[-2:]
    top, left = height // 2, width // 2
    reach_y, reach_x = ((ring - 1) * (side // (2 * rings)) for side in (height, width))
    inner = image[..., top - reach_y : top + reach_y, left - reach_x : left + reach_x]
    rest = image.clone()
    rest[
        ...,
        top - reach_y + lean : top + reach_y + lean,
        left - reach_x + lean : left + reach_x + lean,
    ] -= inner
    if ring == rings:
        return rest
    reach_y, reach_x = (ring * (side // (2 * rings)) for side in (height, width))
    return rest[..., top - reach_y : top + reach_y, left - reach_x : left + reach_x]


@settings(deadline=None)
@given(height=SIDES, width=SIDES, rings=st.integers(1, 4))
def test_ring_maxima_equal_literal_slices(height: int, width: int, rings: int) -> None:
    image = torch.randn(1, 3, height, width)
    literal = [hollow(image, rings, ring).amax(dim=(2, 3)) for ring in range(1, rings + 1)]
    assert torch.equal(max_rings(image, rings), torch.stack(literal, dim=1))


@settings(deadline=None)
@given(height=st.integers(1, 30), width=st.integers(1, 30), count=st.integers(1, 8))
def test_strips_equal_adaptive_pooling(height: int, width: int, count: int) -> None:
    image = torch.rand(1, 2, height, width)
    for along, shape in (("rows", (count, 1)), ("columns", (1, count))):
        if count > (height if along == "rows" else width):
            with pytest.raises(SkyfixError, match=f"cannot be cut into {count} strips"):
                strips(height, width, count, along)
            continue
        ours = average_parts(image, strips(height, width, count, along))
        literal = torch.nn.functional.adaptive_avg_pool2d(image, shape).flatten(2)
        torch.testing.assert_close(ours.transpose(1, 2), literal)


def test_enlargement_can_leave_the_corners_free() -> None:
    image = torch.rand(1, 2, 8, 8)
    free = torch.nn.functional.interpolate(image, size=(16, 16), mode="bilinear")
    ours = average_parts(image, square_rings(8, 8, 8, aligned=False))
    torch.testing.assert_close(ours, average_parts(free, square_rings(16, 16, 8)))


@dataclass(frozen=True)
class Geometry:
    """The authors' pooling fixtures of one repository."""

    cases: list[dict]
    arrays: Mapping[str, np.ndarray]
    fill: ModuleType

    def image(self, case: dict) -> torch.Tensor:
        return self.fill.make_input(case["input"]["name"], case["input"]["shape"])

    def expected(self, case: dict) -> torch.Tensor:
        return torch.from_numpy(self.arrays[case["array"]]).transpose(1, 2)


@pytest.fixture
def geometry(load_golden: Callable, fill: ModuleType) -> Callable[[str], Geometry]:
    def load(kind: str) -> Geometry:
        described, arrays = load_golden(f"geometry/{kind}")
        return Geometry(described["cases"], arrays, fill)

    return load


def test_ring_averages_equal_the_authors(geometry: Callable[[str], Geometry]) -> None:
    lpn = geometry("lpn")
    cases = [case for case in lpn.cases if case["pool"] == "avg"]
    for case in cases:
        ours = average_parts(lpn.image(case), square_rings(case["H"], case["H"], case["block"]))
        torch.testing.assert_close(ours, lpn.expected(case), rtol=0, atol=1e-5)
    assert len(cases) == 65


def test_ring_maxima_equal_the_authors(geometry: Callable[[str], Geometry]) -> None:
    lpn = geometry("lpn")
    cases = [case for case in lpn.cases if case["pool"] == "max"]
    for case in cases:
        image, rings = enlarged(lpn.image(case), case["block"]), case["block"]
        ours = with_leaning_hole(
            max_rings(lpn.image(case), rings), image, lambda ring: ring.amax(dim=(2, 3))
        )
        torch.testing.assert_close(ours, lpn.expected(case), rtol=0, atol=1e-6)
    assert len(cases) == 65


def test_released_dense_parts_equal_the_authors(geometry: Callable[[str], Geometry]) -> None:
    sdpl = geometry("sdpl")
    failing = 0
    for case in sdpl.cases:
        side = case["H"]
        if case["kind"] == "rings_only":
            continue
        if case.get("author_code_fails"):
            with pytest.raises(SkyfixError):
                released_dense_parts(side, side)
            failing += 1
            continue
        shifted = case["kind"] == "dense_shift_released"
        ours = released(sdpl.image(case), side, case, (-2, 0, 2) if shifted else (0,))
        torch.testing.assert_close(ours, sdpl.expected(case), rtol=0, atol=1e-5)
    assert failing == 4


def test_sdpls_plain_rings_equal_the_authors(geometry: Callable[[str], Geometry]) -> None:
    sdpl = geometry("sdpl")
    cases = [case for case in sdpl.cases if case["kind"] == "rings_only"]
    for case in cases:
        image = enlarged(sdpl.image(case), case["block"])
        size = image.shape[-2:]
        if case["pooling"] == "gem3":
            ours = with_leaning_hole(
                gem_parts(image, square_rings(*size, case["block"])),
                image,
                lambda ring: (ring.clamp_min(1e-6) ** 3).mean(dim=(2, 3)) ** (1 / 3),
            )
        else:
            ours = average_parts(image, square_rings(*size, case["block"], "ring"))
        torch.testing.assert_close(ours, sdpl.expected(case), rtol=0, atol=1e-5)
    assert len(cases) == 32


def with_leaning_hole(
    parts: torch.Tensor, image: torch.Tensor, pool: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Our parts, the outermost one as the authors compute it at odd sizes.

    There their hole leans by a cell to the lower right, so that values are subtracted from their
    neighbours. Sums do not change by it; maxima and generalized means do.
    """
    rings = parts.shape[1]
    if image.shape[-1] % 2 == 0 or rings == 1:
        return parts
    outermost = pool(hollow(image, rings, rings, lean=1))
    assert not torch.allclose(outermost, parts[:, -1])
    return torch.cat([parts[:, :-1], outermost[:, None]], dim=1)


def released(image: torch.Tensor, side: int, case: dict, shifts: tuple[int, ...]) -> torch.Tensor:
    """The released pooling with given shift weights, GeM or plain averages of the rings."""
    if case["pooling"] == "gem3":
        parts = gem_parts(image, released_dense_parts(side, side, shifts=shifts))
    else:
        parts = average_parts(image, released_dense_parts(side, side, "ring", shifts))
    weights = torch.tensor(case.get("shift_weights", [[1.0]]), dtype=torch.float32)
    return (weights[:, :, None, None] * parts.unflatten(1, (len(shifts), 10))).sum(dim=1)
