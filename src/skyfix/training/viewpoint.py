"""Other viewpoints of flat pictures: tiles, photos of a camera, turned and shifted images.

Every view is one homography from the view's pixels to the picture's, so an image is resampled
once. Randomness comes from the generator that is handed in.
"""

import cv2
import numpy as np

from skyfix.geo.camera import Pose, axes

FOV_DEG = (50.0, 80.0)
STEEPEST_DEG, FLATTEST_DEG = 90.0, 35.0
_LEAST_FALL_DEG = 8.0
"""The uppermost ray of a photo falls at least this steeply, or it would see the sky."""
SHOWN = (0.7, 1.8)
"""Ground across the centre of a photo, in sides of its tile."""
OFF_CENTRE = 0.12
"""Largest distance of what a photo looks at from the tile's centre, in sides, per axis."""
_ZOOM, _OFF = (0.8, 1.2), 0.06
_SLANT = 0.15
_ANY_TURN = 0.6
_RELIEF, _RELIEF_CELLS, _RELIEF_SHARE = 0.02, (3, 9), 0.5

_LINEAR_INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101)


class Pyramid:
    """A picture at falling resolutions, so that views from afar do not alias.

    Args:
        pixels: ``(H, W, 3)`` uint8.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self._levels = [pixels]
        while min(self._levels[-1].shape[:2]) > 64:
            self._levels.append(cv2.pyrDown(self._levels[-1]))

    @property
    def size_px(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        height, width = self._levels[0].shape[:2]
        return height, width

    def view(self, to_picture: np.ndarray, side_px: int, step_px: float, border: int) -> np.ndarray:
        """A square view of the picture.

        Args:
            to_picture: (3, 3) homography from the view's pixels to the picture's.
            side_px: of the view.
            step_px: how far neighbouring pixels of the view lie apart in the picture.
            border: OpenCV's way to go on beyond the picture.

        Returns:
            ``(side_px, side_px, 3)`` uint8.
        """
        finest = int(np.clip(np.log2(max(step_px, 1.0)), 0, len(self._levels) - 1))
        level = self._levels[finest]
        shrink = np.diag([0.5**finest, 0.5**finest, 1.0])
        size = (side_px, side_px)
        return cv2.warpPerspective(
            level, shrink @ to_picture, size, flags=_LINEAR_INVERSE, borderMode=border
        )


def tile(centre: np.ndarray, side: float, turn_rad: float, side_px: int) -> np.ndarray:
    """Homography of a tile: from its pixels to the picture's.

    Args:
        centre: (x, y) in px of the picture.
        side: of the tile in px of the picture.
        turn_rad: direction of the tile's up, clockwise from the picture's.
        side_px: of the view.
    """
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    turned = np.array([[cos, -sin, centre[0]], [sin, cos, centre[1]], [0, 0, 1]])
    return turned @ np.diag([side / side_px, side / side_px, 1.0]) @ _centred(side_px)


def random_photo(
    centre: np.ndarray, side: float, side_px: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Homography of a photo of a tile's ground by a random camera, and its step (px).

    Heading, pitch, field of view, height and what it looks at are drawn.

    Args:
        centre: (x, y) of the tile in px of the picture.
        side: of the tile in px of the picture.
        side_px: of the photo.
    """
    fov_deg = rng.uniform(*FOV_DEG)
    flattest = max(FLATTEST_DEG, fov_deg / 2 + _LEAST_FALL_DEG)
    pose = Pose(rng.uniform(0, 360), -rng.uniform(flattest, STEEPEST_DEG), 1.0, fov_deg,
                rng.uniform(-3, 3))  # fmt: skip
    target = centre + rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * side
    shown = side * np.exp(rng.uniform(*np.log(SHOWN)))
    return _photo(pose, target, shown, side_px), shown / side_px


def _photo(pose: Pose, target: np.ndarray, shown: float, side_px: int) -> np.ndarray:
    """Photo pixels to picture pixels of a camera that looks at ``target`` (x, y)."""
    focal = 0.5 / np.tan(np.radians(float(pose.hfov_deg or 0.0)) / 2)
    # Picture axes: x right (east), y down (south), z up.
    right, down, forward = axes(pose) * [1.0, -1.0, 1.0]
    height = -forward[2] * focal * shown
    place = target - forward[:2] * focal * shown
    rays = np.stack([right, down, forward], axis=1)
    hits = np.stack(
        [
            height * rays[0] - place[0] * rays[2],
            height * rays[1] - place[1] * rays[2],
            -rays[2],
        ]
    )
    return hits @ np.diag([1 / side_px, 1 / side_px, focal]) @ _centred(side_px)


def random_look(
    size_px: tuple[int, int], side_px: int, slanted: bool, rng: np.random.Generator
) -> tuple[np.ndarray, float, int]:
    """Homography of an image seen anew: turned, zoomed, shifted and, if asked, aslant.

    Args:
        size_px: (height, width) of the image.
        side_px: of the view.
        slanted: whether the plane of the image may be tilted.

    Returns:
        The homography, its step (px) and a way to go on beyond the image.
    """
    height, width = size_px
    turn = _turn(rng)
    zoom = rng.uniform(*_ZOOM)
    if rng.random() < 0.3:
        # Near enough to leave no corner empty.
        zoom = min(zoom, 1 / (abs(np.cos(turn)) + abs(np.sin(turn))))
    off = rng.uniform(-_OFF, _OFF, 2)
    slant = np.eye(3)
    if slanted:
        slant[2, :2] = rng.uniform(-_SLANT, _SLANT, 2)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.array([[cos, -sin, off[0]], [sin, cos, off[1]], [0, 0, 1]])
    # In sides of the image, from its centre.
    unit = np.diag([1 / side_px, 1 / side_px, 1.0]) @ _centred(side_px)
    to_image = np.array([[width, 0, width / 2 - 0.5], [0, height, height / 2 - 0.5], [0, 0, 1]])
    step = zoom * max(size_px) / side_px
    return to_image @ turned @ np.diag([zoom, zoom, 1.0]) @ slant @ unit, step, _border(rng)


def random_turn(rng: np.random.Generator) -> float:
    """Any direction, radians."""
    return float(rng.uniform(0, 2 * np.pi))


def with_relief(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Now and then bend an image smoothly, as hills and houses bend what stands on a plane."""
    if rng.random() > _RELIEF_SHARE:
        return pixels
    side = len(pixels)
    cells = int(rng.integers(*_RELIEF_CELLS))
    bends = rng.normal(0, _RELIEF * side, (cells, cells, 2)).astype(np.float32)
    bent = np.asarray(cv2.resize(bends, (side, side), interpolation=cv2.INTER_CUBIC))
    bent += np.stack(np.meshgrid(*(np.arange(side, dtype=np.float32),) * 2), axis=-1)
    across, down = cv2.split(bent)
    return cv2.remap(pixels, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _turn(rng: np.random.Generator) -> float:
    if rng.random() < _ANY_TURN:
        return random_turn(rng)
    return float(rng.integers(4) * np.pi / 2 + rng.normal(0, 0.1))


def _border(rng: np.random.Generator) -> int:
    return _BORDERS[int(rng.integers(len(_BORDERS)))]


def _centred(side_px: int) -> np.ndarray:
    """Pixels (0 is the first one's centre) to offsets from the middle of a square."""
    middle = side_px / 2 - 0.5
    return np.array([[1.0, 0, -middle], [0, 1.0, -middle], [0, 0, 1.0]])
