"""Weather and light laid over drone photos: the ten conditions of University-1652-WX, made anew.

The ten names are those of MuseNet's benchmark (Wang et al. 2024). The pictures are skyfix's own:
figures measured with them do not compare with published ones. The same photo gets the same
weather, because its pixels are the seed.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

Samples = np.ndarray
"""Float32 ``(H, W, 3)``, 0 to 1."""


@dataclass(frozen=True)
class Weather:
    """One condition, such as ``fog`` or ``fog+rain``: its parts one after the other."""

    name: str

    def __call__(self, image: Image.Image) -> Image.Image:
        """The photo in this weather, at its own size."""
        pixels = np.asarray(image.convert("RGB"))
        samples = pixels.astype(np.float32) / 255
        rng = np.random.default_rng([zlib.crc32(pixels.tobytes()), zlib.crc32(self.name.encode())])
        for part in self.name.split("+"):
            samples = _PARTS[part](samples, rng).clip(0, 1)
        return Image.fromarray(np.rint(255 * samples).astype(np.uint8))


def _fog(samples: Samples, rng: np.random.Generator) -> Samples:
    """White veil of 40 to 75 %, denser in patches."""
    veil = 0.4 + 0.35 * _clouds(samples.shape[:2], rng)[..., None]
    return samples * (1 - veil) + 0.85 * veil


def _rain(samples: Samples, rng: np.random.Generator) -> Samples:
    """Slanted bright streaks under a duller light."""
    height, width = samples.shape[:2]
    drops = (rng.random((height, width)) < 0.006).astype(np.float32)
    streaks = _smeared(drops, max(9, height // 12), 90 + rng.uniform(-20, 20))
    streaks = (streaks / max(float(streaks.max()), 1e-6)).clip(0, 1)[..., None]
    return (0.75 * samples + 0.04) * (1 - 0.6 * streaks) + 0.55 * streaks


def _snow(samples: Samples, rng: np.random.Generator) -> Samples:
    """Flakes of three sizes and a pale light."""
    height, width = samples.shape[:2]
    found = 0.8 * samples + 0.12
    for share, size in ((0.004, 0.0015), (0.0015, 0.003), (0.0004, 0.006)):
        flakes = (rng.random((height, width)) < share).astype(np.float32)
        blur = max(0.7, size * height)
        soft = cv2.GaussianBlur(flakes, (0, 0), blur)
        soft = (soft / max(float(soft.max()), 1e-6)).clip(0, 1)[..., None]
        found = found * (1 - 0.9 * soft) + 0.95 * soft
    return found


def _dark(samples: Samples, rng: np.random.Generator) -> Samples:
    """Dusk: a quarter of the light, bluish, with the noise of a sensor that amplifies."""
    dim = samples**1.5 * np.array([0.22, 0.24, 0.3], np.float32)
    return dim + rng.normal(0, 0.012, samples.shape).astype(np.float32)


def _over_exposed(samples: Samples, rng: np.random.Generator) -> Samples:
    """Twice the light, clipped."""
    return 2.0 * samples**0.8 + rng.uniform(0.0, 0.05)


def _wind(samples: Samples, rng: np.random.Generator) -> Samples:
    """A camera that shakes: motion blur of about 3 % of the width in any direction."""
    return _smeared(samples, max(5, samples.shape[1] * 3 // 100), rng.uniform(0, 180))


_PARTS: dict[str, Callable[[Samples, np.random.Generator], Samples]] = {
    "fog": _fog,
    "rain": _rain,
    "snow": _snow,
    "dark": _dark,
    "over-exposure": _over_exposed,
    "wind": _wind,
}


def _smeared(samples: np.ndarray, length_px: int, angle_deg: float) -> np.ndarray:
    """Mean along a line of ``length_px`` through each pixel."""
    side = length_px | 1
    kernel = np.zeros((side, side), np.float32)
    reach = np.array([np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))]) * (side // 2)
    ends = np.rint(np.array([-reach, reach]) + side // 2).astype(int)
    cv2.line(kernel, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0)
    return cv2.filter2D(samples, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _clouds(size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise 0 to 1 of several scales."""
    height, width = size
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((3, 1.0), (6, 0.5), (12, 0.25)):
        coarse = rng.random((cells, cells)).astype(np.float32)
        total += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)
