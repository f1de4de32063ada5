"""Edge directions of pictures, and how well those of two pictures agree at every shift.

A drone photo and a satellite map of another year and season share few colours and few local
features, but walls, roads and kerbs run in the same directions. The field of edge directions
(gradient angle doubled, so that light-to-dark and dark-to-light agree; Fitch et al., Orientation
Correlation, BMVC 2002) is compared for all shifts at once by the Fourier transform.
"""

import cv2
import numpy as np
from scipy import fft

_BLUR_PX, _LOCAL_PX, _FLAT, _LARGEST = 1.0, 31, 2.0, 2.0
_RIM_PX = 5
_LEAST_ENERGY = 0.25


def edge_field(pixels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Edge direction and contrast relative to the surroundings, as one complex number a pixel.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        shown: (H, W) bool; elsewhere, and at its rim, the field is 0.

    Returns:
        (H, W) complex64: the angle is twice the gradient's, the length at most ``_LARGEST``.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), _BLUR_PX).astype(np.float32)
    right, down = (cv2.Sobel(grey, cv2.CV_32F, x, 1 - x, ksize=3) for x in (1, 0))
    power = right * right + down * down
    inner = cv2.erode(shown.astype(np.uint8), np.ones((_RIM_PX, _RIM_PX), np.uint8), borderValue=0)
    power *= inner
    # The box filter subtracts what leaves the box, which may end a little below 0.
    around = cv2.boxFilter(power, -1, (_LOCAL_PX, _LOCAL_PX))
    length = np.sqrt(power)
    contrast = np.minimum(length / (np.sqrt(np.maximum(around, 0.0)) + _FLAT), _LARGEST)
    return (right + 1j * down) ** 2 / np.maximum(power, 1e-6) * contrast


class Template:
    """A picture's field (h, w), with its Fourier transform for each size it is compared at."""

    def __init__(self, field: np.ndarray) -> None:
        self.field = field
        self.length = max(float(np.linalg.norm(field)), 1e-6)
        self._spectra: dict[tuple[int, int], np.ndarray] = {}

    def conjugate_spectrum(self, shape: tuple[int, int]) -> np.ndarray:
        """Conjugate of the transform, padded to ``shape``."""
        if shape not in self._spectra:
            self._spectra[shape] = np.conj(fft.fft2(self.field, shape))
        return self._spectra[shape]


class Agreement:
    """Agreement of pictures of one size with a larger one, for every shift.

    Args:
        field: (H, W) complex edge field of the larger picture.
        shown: (h, w) bool, what the smaller ones show, about.
    """

    def __init__(self, field: np.ndarray, shown: np.ndarray) -> None:
        self._shape = fft.next_fast_len(field.shape[0]), fft.next_fast_len(field.shape[1])
        self._shifts = tuple(
            large - small + 1 for large, small in zip(field.shape, shown.shape, strict=True)
        )
        self._spectrum = fft.fft2(field, self._shape)
        power = fft.fft2(np.abs(field) ** 2, self._shape)
        energy = self._against(power, Template(shown.astype(np.float32)))
        least = _LEAST_ENERGY * float(energy.mean())
        self._energy = np.sqrt(np.maximum(energy, max(least, 1e-6)))

    def at(self, template: Template) -> np.ndarray:
        """Normalized correlation, about -1 to 1, with a smaller picture (h, w).

        Returns:
            (H - h + 1, W - w + 1) float32, by rows and columns the smaller picture is moved.
        """
        return self._against(self._spectrum, template) / (self._energy * template.length)

    def _against(self, spectrum: np.ndarray, template: Template) -> np.ndarray:
        product = spectrum * template.conjugate_spectrum(self._shape)
        return fft.ifft2(product).real[: self._shifts[0], : self._shifts[1]]
