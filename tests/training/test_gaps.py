"""Season, light, air and camera."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rasters import texture

from skyfix.training.gaps import disturbed


@given(st.integers(0, 2**32 - 1), st.sampled_from([33, 64, 100]))
def test_a_disturbed_image_is_an_image_and_depends_on_the_generator_alone(
    seed: int, side_px: int
) -> None:
    image = np.ascontiguousarray(np.moveaxis(texture(side_px, side_px), 0, 2))
    before = image.copy()
    first, second = (disturbed(image, np.random.default_rng(seed)) for _ in range(2))
    assert (first.shape, first.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)


def test_what_stands_where_stays_there() -> None:
    """Changes are of colour and sharpness: light and dark stay in place."""
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, 48:] = 200
    right = 0
    for seed in range(60):
        seen = disturbed(image, np.random.default_rng(seed)).astype(float)
        right += seen[:, 60:].mean() > seen[:, :36].mean() + 10
    assert right >= 57


def test_most_images_change_and_in_many_ways() -> None:
    image = np.ascontiguousarray(np.moveaxis(texture(64, 64), 0, 2))
    seen = [disturbed(image, np.random.default_rng(seed)) for seed in range(40)]
    assert sum(not np.array_equal(one, image) for one in seen) >= 38
    assert len({one.tobytes() for one in seen}) >= 38
    assert np.std([one.mean() for one in seen]) > 8
