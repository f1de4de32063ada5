"""What lies between two images of one place besides the viewpoint: season, light, air, camera.

Each change happens now and then, by a share of its own. Randomness comes from the generator that
is handed in.
"""

from collections.abc import Callable

import cv2
import numpy as np

_Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_DRY = np.array([[150, 130, 90], [120, 100, 70], [190, 180, 160], [225, 228, 232]], np.float32)
"""Colours that vegetation turns to: dry grass, bare wood, stubble, snow."""
_AIR = np.array([205, 212, 222], np.float32)


def disturbed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image ``(H, W, 3)`` uint8 on another day and through another camera."""
    for share, change in _CHANGES:
        if rng.random() < share:
            pixels = change(pixels, rng)
    return pixels


def _season(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vegetation takes another colour."""
    samples = pixels.astype(np.float32)
    red, green, blue = cv2.split(samples)
    leaves = np.clip((2 * green - red - blue) / 40, 0, 1) * rng.uniform(0.3, 1)
    light = samples @ _GREY / 110
    dry = _DRY[rng.integers(len(_DRY))] * rng.uniform(0.6, 1.1)
    return _rounded(samples + leaves[..., None] * (light[..., None] * dry - samples))


def _hue(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours turn about grey, paler or stronger."""
    matrix = np.eye(3) + rng.normal(0, 0.04, (3, 3))
    matrix /= matrix.sum(axis=1, keepdims=True)
    strength = rng.uniform(0.3, 1.4)
    matrix = strength * matrix + (1 - strength) * _GREY
    return _rounded(cv2.transform(pixels.astype(np.float32), matrix))


def _tone(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, gamma and white balance, as one curve a channel."""
    levels = np.arange(256)[:, None] / 255
    curves = levels ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.15))
    curves = 0.5 + (curves - 0.5) * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.06)
    curves = curves * np.exp(rng.normal(0, 0.06, 3)) + rng.normal(0, 0.02, 3)
    return cv2.LUT(pixels, _rounded(255 * curves)[None])


def _equalized(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(pixels)])
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(rng.uniform(1, 4), (4, 4)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _grey(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _shadows(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark shapes with soft edges, of clouds or of what stands high."""
    side = len(pixels)
    light = np.ones((side, side), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        corners = rng.uniform(0, side, 2) + rng.normal(0, 0.2 * side, (4, 2))
        hull = cv2.convexHull(corners.astype(np.int32))
        cv2.fillConvexPoly(light, hull, rng.uniform(0.4, 0.8))
    soft = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.5, 0.04 * side))
    return _rounded(pixels * soft[..., None])


def _haze(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Air, thicker towards the top."""
    far = np.linspace(1, rng.uniform(0.3, 1), len(pixels), dtype=np.float32)[:, None, None]
    share = rng.uniform(0.05, 0.45) * far
    return _rounded(pixels * (1 - share) + _AIR * share)


def _blurred(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = len(pixels)
    if rng.random() < 0.5:
        return cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, max(0.4, 0.008 * side)))
    fewer = round(side * rng.uniform(0.3, 0.8))
    small = cv2.resize(pixels, (fewer, fewer), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _sharpened(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    soft = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.8, 2))
    gain = rng.uniform(0.5, 2)
    return cv2.addWeighted(pixels, 1 + gain, soft, -gain, 0)


def _noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.standard_normal(pixels.shape, np.float32)
    return _rounded(pixels + rng.uniform(2, 12) * grain)


def _compressed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    stored = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))


def _covered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle hides a part, in one colour of the image."""
    side = len(pixels)
    tall, wide = (rng.uniform(0.1, 0.4, 2) * side).astype(int)
    top, left = (int(rng.integers(side - extent)) for extent in (tall, wide))
    covered = pixels.copy()
    covered[top : top + tall, left : left + wide] = pixels[tuple(rng.integers(side, size=2))]
    return covered


def _rounded(samples: np.ndarray) -> np.ndarray:
    return np.clip(samples + 0.5, 0, 255).astype(np.uint8)


_CHANGES: tuple[tuple[float, _Change], ...] = (
    (0.3, _season),
    (0.4, _hue),
    (0.15, _shadows),
    (0.9, _tone),
    (0.1, _equalized),
    (0.05, _grey),
    (0.2, _haze),
    (0.3, _blurred),
    (0.1, _sharpened),
    (0.2, _noise),
    (0.3, _compressed),
    (0.15, _covered),
)
