"""Changes of test images against the authors' pixels and against their definition."""

import re
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from skyfix.evaluation.changes import Rotation, Shift
from skyfix.systems.preprocess import imagenet_preprocess, normalized, prepared

SIGNS = {"+P,0": (1, 0), "+P,+P": (1, 1), "-P,-P": (-1, -1), "+P,-P": (1, -1), "-P,+P": (-1, 1)}


def authors_change(case):
    key = case["key"]
    if key.startswith("sdpl"):
        right, down = SIGNS[case["direction"]]
        return Shift(right * case["P"], down * case["P"], "reflect", 512)
    if key.startswith("lpn"):
        return Shift(case["P"], fill="black", size_px=256)
    if key.startswith("rotate"):
        return Rotation(case["degrees"])
    moved = case.get("P", case.get("gap"))
    return Shift(moved, fill="black" if "black" in key else "symmetric")


def test_pixels_equal_the_authors(load_golden, fill):
    described, arrays = load_golden("transforms/transforms")
    kinds = set()
    for case in described["cases"]:
        source = case["input"]
        image = Image.fromarray(fill.make_uint8_image(source["name"], source["h"], source["w"]))
        row, column = (slice(o, None, s) for o, s in zip(*sample(case), strict=True))
        key = case["key"]
        kinds.add(re.match("[a-z]+", key).group())
        if key.startswith("testtf"):
            preprocess = imagenet_preprocess(case["out_shape"][1])
            found = normalized(prepared(image, preprocess)[None], preprocess)[0]
            np.testing.assert_allclose(found[:, row, column], arrays[key], rtol=0, atol=1e-5)
            continue
        found = np.asarray(authors_change(case)(image))
        assert list(found.shape) == case["out_shape"], key
        np.testing.assert_array_equal(found[row, column], arrays[key], err_msg=key)
        assert zlib.crc32(np.ascontiguousarray(found).tobytes()) == case["crc32"], key
    assert kinds == {"sdpl", "lpn", "rotate", "fsra", "mirror", "sues", "testtf"}


def sample(case):
    return case["sample_offset"], case["sample_step"]


@given(
    right=st.integers(-7, 7),
    down=st.integers(-7, 7),
    fill=st.sampled_from(["reflect", "symmetric", "black"]),
)
def test_content_moves_and_strips_are_filled(right, down, fill):
    samples = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3) + 1
    moved = np.asarray(Shift(right, down, fill)(Image.fromarray(samples)))
    assert moved.shape == samples.shape
    for y, x in np.ndindex(8, 9):
        source_y, source_x = y - down, x - right
        inside = 0 <= source_y < 8 and 0 <= source_x < 9
        if fill == "black" and not inside:
            assert not moved[y, x].any()
            continue
        source_y, source_x = mirrored(source_y, 8, fill), mirrored(source_x, 9, fill)
        assert (moved[y, x] == samples[source_y, source_x]).all()


def mirrored(index, size, fill):
    """The literal reading of both mirrors, one fold at either end."""
    border = 1 if fill == "symmetric" else 0
    if index < 0:
        return -index - border
    return 2 * (size - 1) + border - index if index >= size else index


@pytest.mark.parametrize("deg", [90, 180, 270])
def test_quarter_turns_are_exact_and_counter_clockwise(deg):
    samples = np.random.default_rng(0).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    turned = np.asarray(Rotation(deg)(Image.fromarray(samples)))
    np.testing.assert_array_equal(turned, np.rot90(samples, deg // 90))
