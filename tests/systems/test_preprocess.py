"""What a network's input looks like."""

import cv2
import numpy as np
import pytest
from PIL import Image

from skyfix.layers.polar import unrolled
from skyfix.layers.vgg import BGR_MEAN
from skyfix.systems.preprocess import Preprocess, fitted, normalized, prepared

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.fixture
def photo() -> Image.Image:
    samples = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    return Image.fromarray(samples)


def test_bicubic_is_pillows(photo: Image.Image) -> None:
    found = prepared(photo, Preprocess((32, 48), *PLAIN)).permute(1, 2, 0)
    expected = np.array(photo.resize((48, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(found, expected)


def test_area_is_opencvs(photo: Image.Image) -> None:
    found = fitted(photo, Preprocess((32, 48), *PLAIN, interpolation="area"))
    expected = cv2.resize(np.asarray(photo), (48, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_bgr_input_is_samples_minus_the_mean(photo: Image.Image) -> None:
    mean = tuple(value / 255 for value in BGR_MEAN)
    preprocess = Preprocess((90, 130), mean, (1 / 255,) * 3, "area", bgr=True)
    found = normalized(prepared(photo, preprocess)[None], preprocess)[0].permute(1, 2, 0)
    expected = np.asarray(photo)[..., ::-1] - np.array(BGR_MEAN)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_polar_images_come_from_a_square_of_the_given_side(photo: Image.Image) -> None:
    preprocess = Preprocess((14, 38), *PLAIN, interpolation="area", polar_px=64)
    assert preprocess.resized_px == (64, 64)
    square = cv2.resize(np.asarray(photo), (64, 64), interpolation=cv2.INTER_AREA)
    found = prepared(photo, preprocess).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(found, np.rint(unrolled(square, 14, 38)))
    assert found.shape == (14, 38, 3)


def test_an_image_of_the_right_side_is_unrolled_as_it_is() -> None:
    samples = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    preprocess = Preprocess((14, 38), *PLAIN, interpolation="area", polar_px=64)
    found = np.asarray(fitted(Image.fromarray(samples), preprocess))
    np.testing.assert_array_equal(found, np.rint(unrolled(samples, 14, 38)))
