"""Distance to the ground out of a rectified stereo pair."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from skyfix.errors import SkyfixError

MIN_SHARE = 0.05
"""Least part of the left image that must be found again in the right one."""

MIN_DISPARITY_PX = 1.0
"""Smaller shifts are mostly error: the ground is too far for the baseline."""

MAX_SPREAD = 0.2
"""Shifts that scatter by more than this part of themselves show no ground."""

_LONGEST_PX = 1280
_WIDEST_SHIFT = 0.25
_BLOCK_PX = 5
_MIN_TEXTURE = 2.0
_SAMPLES = 20_000
_ROUNDS = 20
_TRUSTED_PX = 1.0


@dataclass(frozen=True)
class StereoRange:
    """How far the ground is.

    Attributes:
        range_m: along the optical axis, from the camera to the ground at the image's centre.
        spread_m: scatter (robust standard deviation) of single points around the ground.
    """

    range_m: float
    spread_m: float


def range_from_stereo(
    left: np.ndarray, right: np.ndarray, baseline_m: float, focal_px: float
) -> StereoRange:
    """Range of the ground from the shift between two images.

    The depth is focal length times baseline over disparity (Hartley and Zisserman, Multiple View
    Geometry, section 9.1); over a plane the disparity is linear in the pixel, so a plane fitted
    with least absolute residuals gives the disparity at the centre, whatever the pitch, past
    trees and roofs. Disparities are those of semi-global matching (Hirschmueller, PAMI 2008).

    Args:
        left, right: (H, W, 3) uint8 RGB, rectified: rows agree, optical axes are parallel.
        baseline_m: distance between the cameras, metres; the right one stands to the right.
        focal_px: focal length in pixels of these images.

    Raises:
        SkyfixError: images of different size, baseline or focal length that are no lengths, too
            little texture, images that do not match, or ground too far for the baseline.
    """
    for name, value in (("baseline", baseline_m), ("focal length", focal_px)):
        if not (math.isfinite(value) and value > 0):
            raise SkyfixError(f"The {name} of the stereo pair is {value:g}. Give a length above 0.")
    if left.shape != right.shape:
        raise SkyfixError(
            f"The left image has {left.shape[1]} x {left.shape[0]} px, the right one "
            f"{right.shape[1]} x {right.shape[0]}. Give a rectified pair of one size."
        )
    factor = min(1.0, _LONGEST_PX / max(left.shape))
    first, second = _grey(left, factor), _grey(right, factor)
    disparity, known = _disparity(first, second)
    if known.mean() < MIN_SHARE:
        raise SkyfixError(
            f"Only {known.mean():.0%} of the left image is found in the right one: too little "
            "texture, or no rectified pair with the right image to the right."
        )
    plane, spread_px = _plane(disparity, known)
    shift_px = float(plane[2])
    if shift_px < MIN_DISPARITY_PX:
        raise SkyfixError(
            f"The images differ by {shift_px:.1f} px: the ground is too far for a baseline of "
            f"{baseline_m:g} m."
        )
    if spread_px > MAX_SPREAD * shift_px:
        raise SkyfixError("The stereo pair shows no ground: its shifts fit no plane.")
    every = np.indices(first.shape)
    residuals = disparity - _terms(every[0], every[1], first.shape) @ plane
    shift_px = _refined(first, second, plane, known & (np.abs(residuals) < _TRUSTED_PX))
    range_m = focal_px * factor * baseline_m / shift_px
    return StereoRange(range_m, range_m * spread_px / shift_px)


def _grey(image: np.ndarray, factor: float) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if factor == 1.0:
        return grey
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def _disparity(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift in px (H, W) of the left image's pixels and where it is trusted (H, W)."""
    widest = 16 * math.ceil(_WIDEST_SHIFT * left.shape[1] / 16)
    matcher = cv2.StereoSGBM.create(
        minDisparity=0,
        numDisparities=widest,
        blockSize=_BLOCK_PX,
        P1=8 * _BLOCK_PX**2,
        P2=32 * _BLOCK_PX**2,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    # In 16ths of a pixel; negative where nothing was found.
    disparity = matcher.compute(left, right).astype(np.float32) / 16
    edges = np.abs(cv2.Sobel(left, cv2.CV_32F, 1, 0)) / 4
    textured = cv2.blur(edges, (_BLOCK_PX, _BLOCK_PX)) > _MIN_TEXTURE
    return disparity, (disparity > 0) & textured


def _plane(disparity: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Disparity of the ground plane and the scatter around it, px.

    Returns:
        (3,) what it grows by each pixel to the right and down, and its value at the image's
        centre; median scatter as a standard deviation.
    """
    rows, columns = np.nonzero(known)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLES)).astype(int)
    rows, columns = rows[chosen], columns[chosen]
    terms = _terms(rows, columns, disparity.shape)
    shifts = disparity[rows, columns].astype(np.float64)
    weights = np.ones(len(rows))
    for _ in range(_ROUNDS):
        # Least absolute residuals, by weighted least squares.
        root = np.sqrt(weights)
        plane = np.linalg.lstsq(terms * root[:, None], shifts * root, rcond=None)[0]
        residuals = np.abs(shifts - terms @ plane)
        weights = 1.0 / np.maximum(residuals, 1 / 16)
    return plane, float(1.4826 * np.median(residuals))


def _refined(left: np.ndarray, right: np.ndarray, plane: np.ndarray, ground: np.ndarray) -> float:
    """Disparity at the centre, px, with the images aligned where they show the ground (H, W).

    Semi-global matching draws disparities to whole pixels, by up to 0.3 px, and a plane seen
    from straight above has one disparity everywhere; alignment (Evangelidis and Psarakis, PAMI
    2008) does not.
    """
    height, width = left.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    right_of_left = np.array([[1 - plane[0], -plane[1], 0.0], [0.0, 1.0, 0.0]])
    right_of_left[0, 2] = plane[:2] @ middle[:2] - plane[2]
    left_of_right = cv2.invertAffineTransform(right_of_left).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-6)
    try:
        _, aligned = cv2.findTransformECC(
            right, left, left_of_right, cv2.MOTION_AFFINE, stop, ground.astype(np.uint8), 5
        )
    except cv2.error:
        # It does not converge where the images differ in more than the shift.
        return float(plane[2])
    found = middle[0] - cv2.invertAffineTransform(aligned)[0] @ middle
    return float(found) if abs(found - plane[2]) < _TRUSTED_PX else float(plane[2])


def _terms(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What a plane's parameters are multiplied by at pixels: (..., 3)."""
    right, down = columns - (shape[1] - 1) / 2, rows - (shape[0] - 1) / 2
    return np.stack([right, down, np.ones_like(right)], axis=-1)
