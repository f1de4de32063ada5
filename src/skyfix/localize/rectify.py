"""Squares of flat ground, seen from straight above, out of an oblique photo."""

import math

import cv2
import numpy as np

from skyfix.geo.camera import MAX_RANGE_HEIGHTS, Pose, ground_to_pixel, project

_MAX_SUPERSAMPLING = 4


def rectified(
    photo: np.ndarray,
    pose: Pose,
    centre_m: np.ndarray,
    side_m: float,
    size_px: tuple[int, int],
) -> np.ndarray:
    """North-up view of a square of ground, antialiased.

    What the photo does not show, and ground too far ahead, is filled with the mean colour of
    the rest.

    Args:
        photo: (H, W, 3) uint8.
        pose: complete.
        centre_m: (2,) metres east, north of the camera.
        side_m: side of the square, metres.
        size_px: (height, width) of the view.

    Returns:
        (height, width, 3) uint8.
    """
    (height, width), (photo_height, photo_width) = size_px, photo.shape[:2]
    ground = (centre_m + square_grid(height, width) * side_m).reshape(height, width, 2)
    shown = is_shown(ground, pose, (photo_width, photo_height))
    sharpness = _photo_px_per_view_px(ground, shown, pose, (photo_width, photo_height))
    # A warp samples single points. So the photo is shrunk where it is far sharper than the view,
    # and the view is drawn larger and averaged for what remains.
    photo = _shrunk(photo, math.ceil(sharpness / _MAX_SUPERSAMPLING))
    sampling = int(np.clip(math.ceil(sharpness), 1, _MAX_SUPERSAMPLING))
    drawn_px = (width * sampling, height * sampling)
    to_photo = ground_to_pixel(pose, photo.shape[1], photo.shape[0])
    drawn = cv2.warpPerspective(
        photo,
        _between_centres(to_photo @ _view_to_ground(centre_m, side_m, drawn_px)),
        drawn_px,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return filled(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), shown)


def turned(photo: np.ndarray, heading_deg: float) -> tuple[np.ndarray, float]:
    """Central square turned so that north is up, its side the photo's shorter one.

    Args:
        photo: (H, W, 3) uint8, its top in the direction ``heading_deg``.
        heading_deg: clockwise from true north.

    Returns:
        (S, S, 3) uint8 with the corners beyond the photo filled, and the part the photo shows.
    """
    height, width = photo.shape[:2]
    side = min(height, width)
    # OpenCV turns counter-clockwise for positive angles.
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -heading_deg, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    view = cv2.warpAffine(photo, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.full((height, width), 255, np.uint8), turn, (side, side)) > 127
    return filled(view, shown), float(shown.mean())


def filled(view: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """``view`` (h, w, 3) with the mean of what is ``shown`` (h, w) where nothing is.

    The mean is zero contrast: no edge inside the fill, no texture for a network to see.
    """
    if shown.all():
        return view
    mean = view[shown].mean(axis=0) if shown.any() else np.zeros(3)
    return np.where(shown[..., None], view, np.round(mean).astype(np.uint8))


def square_grid(rows: int, columns: int) -> np.ndarray:
    """Cell centres (rows * columns, 2) east, north of a unit square around (0, 0), north first."""
    east = (np.arange(columns) + 0.5) / columns - 0.5
    north = 0.5 - (np.arange(rows) + 0.5) / rows
    return np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)


def is_shown(ground: np.ndarray, pose: Pose, photo_px: tuple[int, int]) -> np.ndarray:
    """Whether ground points (..., 2) lie in a photo (width, height) and are not too far: (...)."""
    pixels = project(ground, pose, *photo_px)
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= 0) & (pixels <= photo_px)).all(axis=-1)
    heading = math.radians(pose.heading_deg or 0.0)
    ahead = ground @ [math.sin(heading), math.cos(heading)]
    return inside & (ahead <= MAX_RANGE_HEIGHTS * (pose.altitude_m or 0.0))


def _view_to_ground(centre_m: np.ndarray, side_m: float, view_px: tuple[int, int]) -> np.ndarray:
    """View pixels (x, y, 1) to the ground (east, north, 1): (3, 3)."""
    width, height = view_px
    west, north = centre_m[0] - side_m / 2, centre_m[1] + side_m / 2
    return np.array([[side_m / width, 0.0, west], [0.0, -side_m / height, north], [0.0, 0.0, 1.0]])


def _between_centres(mapping: np.ndarray) -> np.ndarray:
    """A homography between pixels for OpenCV, whose first pixel centre is (0, 0)."""
    shift = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    return np.linalg.inv(shift) @ mapping @ shift


def _photo_px_per_view_px(
    ground: np.ndarray, shown: np.ndarray, pose: Pose, photo_px: tuple[int, int]
) -> float:
    """Photo pixels between neighbouring view pixels, where the photo is sharpest."""
    pixels = project(ground, pose, *photo_px)
    pixels[~shown] = np.nan
    steps = np.concatenate(
        [np.linalg.norm(np.diff(pixels, axis=axis), axis=-1).ravel() for axis in (0, 1)]
    )
    return float(np.max(steps, initial=1.0, where=np.isfinite(steps)))


def _shrunk(photo: np.ndarray, factor: int) -> np.ndarray:
    if factor <= 1:
        return photo
    size = (max(1, photo.shape[1] // factor), max(1, photo.shape[0] // factor))
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
