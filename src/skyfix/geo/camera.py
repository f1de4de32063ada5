"""A pinhole camera over flat ground: pixels to metres on the ground and back.

Frames and signs:

- ground: east, north in metres from the point straight below the camera; the ground is the
  plane ``altitude_m`` below the camera;
- image: x right, y down in pixels from the upper left corner, so the centre of the first pixel
  is (0.5, 0.5) and the image centre is (width / 2, height / 2); square pixels, no distortion,
  optical axis through the image centre;
- heading: clockwise from true north; pitch: 0 looks at the horizon, -90 straight down (the top
  of the image then points along the heading); roll: positive when the camera's right side dips.

The mapping between the ground plane and the image is a homography (Hartley and Zisserman,
Multiple View Geometry, section 8.1.1).
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from skyfix.errors import SkyfixError

MAX_RANGE_HEIGHTS = 5.0
"""Ground farther ahead than this many camera heights is left out of the footprint.

At five heights the line of sight falls at 11 degrees: a metre of ground along it is seen five
times shorter than a metre across, and anything upright hides the ground behind it.
"""


@dataclass(frozen=True)
class Pose:
    """What is known about the camera when the photo was taken; None is unknown.

    Attributes:
        heading_deg: direction of the optical axis, clockwise from true north; any finite value.
        pitch_deg: 0 looks at the horizon, -90 straight down; in [-90, 90].
        altitude_m: height above the ground; above 0.
        hfov_deg: field of view across the image width; in (0, 180).
        roll_deg: positive when the camera's right side dips; any finite value; unknown counts as 0.

    Raises:
        SkyfixError: a value out of range or not finite.
    """

    heading_deg: float | None = None
    pitch_deg: float | None = None
    altitude_m: float | None = None
    hfov_deg: float | None = None
    roll_deg: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not math.isfinite(value):
                raise SkyfixError(f"{field.name} is {value}. Give a finite number or leave it out.")
        if self.pitch_deg is not None and not -90.0 <= self.pitch_deg <= 90.0:
            raise _out_of_range("pitch_deg", self.pitch_deg, "[-90, 90], -90 is straight down")
        if self.altitude_m is not None and self.altitude_m <= 0.0:
            raise _out_of_range("altitude_m", self.altitude_m, "metres above the ground, above 0")
        if self.hfov_deg is not None and not 0.0 < self.hfov_deg < 180.0:
            raise _out_of_range("hfov_deg", self.hfov_deg, "(0, 180) degrees")

    @property
    def has_geometry(self) -> bool:
        """Whether pitch, altitude and field of view are known: enough to rectify the ground."""
        return None not in (self.pitch_deg, self.altitude_m, self.hfov_deg)

    @property
    def is_complete(self) -> bool:
        """Whether the heading is known too: enough to place the camera from the ground."""
        return self.has_geometry and self.heading_deg is not None


def axes(pose: Pose) -> np.ndarray:
    """Camera axes in the ground frame: (3, 3), rows right, down, forward in (east, north, up)."""
    heading, pitch, roll = (
        math.radians(angle or 0.0) for angle in (pose.heading_deg, pose.pitch_deg, pose.roll_deg)
    )
    level = np.array([math.cos(heading), -math.sin(heading), 0.0])
    forward = np.array(
        [
            math.sin(heading) * math.cos(pitch),
            math.cos(heading) * math.cos(pitch),
            math.sin(pitch),
        ]
    )
    down = np.cross(forward, level)
    return np.stack(
        [
            math.cos(roll) * level + math.sin(roll) * down,
            math.cos(roll) * down - math.sin(roll) * level,
            forward,
        ]
    )


def ground_to_pixel(pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Homography from the ground (east_m, north_m, 1) to homogeneous pixels (x, y, w).

    The scale is kept: w is the depth in metres along the optical axis, negative behind the
    camera.

    Returns:
        (3, 3) float64.

    Raises:
        SkyfixError: heading, pitch, altitude or field of view unknown, or the camera does not
            look down.
    """
    _check_projects(pose)
    right_down_forward = axes(pose)
    # Column by column: the plane's points are (east, north, -altitude) seen from the camera.
    to_camera = right_down_forward * [1.0, 1.0, -float(pose.altitude_m or 0.0)]
    focal_px = 0.5 * width_px / math.tan(math.radians(float(pose.hfov_deg or 0.0)) / 2)
    calibration = np.array(
        [[focal_px, 0.0, width_px / 2], [0.0, focal_px, height_px / 2], [0.0, 0.0, 1.0]]
    )
    return calibration @ to_camera


def pixel_to_ground(pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Inverse of ``ground_to_pixel``: (3, 3), homogeneous pixels to homogeneous ground metres.

    The scale is kept, so the third coordinate is 1 / depth: positive for pixels that see the
    ground, zero on the horizon, negative above it.
    """
    return np.linalg.inv(ground_to_pixel(pose, width_px, height_px))


def project(ground_m: np.ndarray, pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Pixels (..., 2) x, y of ground points (..., 2) east, north; NaN behind the camera."""
    return _apply(ground_to_pixel(pose, width_px, height_px), ground_m)


def unproject(pixels: np.ndarray, pose: Pose, width_px: int, height_px: int) -> np.ndarray:
    """Ground points (..., 2) east, north of pixels (..., 2) x, y; NaN on or above the horizon."""
    return _apply(pixel_to_ground(pose, width_px, height_px), pixels)


def centre_on_ground(pose: Pose) -> np.ndarray:
    """Where the optical axis meets the ground: (2,) metres east, north of the camera."""
    _check_projects(pose)
    forward = axes(pose)[2]
    return forward[:2] * (float(pose.altitude_m or 0.0) / -forward[2])


def footprint(
    pose: Pose, width_px: int, height_px: int, max_range_m: float | None = None
) -> np.ndarray:
    """Outline of the ground in the photo, cut where the ground is ``max_range_m`` ahead.

    Range is measured along the ground in the direction of the heading, so the cut is a straight
    line parallel to the horizon; the default is ``MAX_RANGE_HEIGHTS`` altitudes.

    Returns:
        (P, 2) metres east, north of the camera, a convex polygon in image order starting at
        the upper left; empty (0, 2) when all ground in the photo is farther away.
    """
    if max_range_m is None:
        max_range_m = MAX_RANGE_HEIGHTS * float(pose.altitude_m or 0.0)
    corners = np.array(
        [[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], dtype=np.float64
    )
    homogeneous = np.column_stack([corners, np.ones(4)])
    ground = homogeneous @ pixel_to_ground(pose, width_px, height_px).T
    heading = math.radians(float(pose.heading_deg or 0.0))
    ahead = ground[:, 0] * math.sin(heading) + ground[:, 1] * math.cos(heading)
    # Homogeneous, this is linear in the pixel, so the cut is exact: range <= limit and in front.
    inside = _clip(ground, max_range_m * ground[:, 2] - ahead)
    inside = _clip(inside, inside[:, 2] - 1e-12)
    return inside[:, :2] / inside[:, 2:]


def _clip(points: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """Part of a convex polygon where ``signed`` (one value a corner, linear) is >= 0."""
    following, value_after = np.roll(points, -1, axis=0), np.roll(signed, -1)
    kept: list[np.ndarray] = []
    for point, after, value, next_value in zip(points, following, signed, value_after, strict=True):
        if value >= 0:
            kept.append(point)
        if (value >= 0) != (next_value >= 0):
            kept.append(point + (after - point) * (value / (value - next_value)))
    return np.array(kept).reshape(-1, points.shape[1])


def _apply(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    mapped = points @ homography[:, :2].T + homography[:, 2]
    depth = mapped[..., 2:]
    return np.divide(mapped[..., :2], depth, out=np.full(points.shape, np.nan), where=depth > 1e-12)


def _check_projects(pose: Pose) -> None:
    missing = [
        name
        for name in ("heading_deg", "pitch_deg", "altitude_m", "hfov_deg")
        if getattr(pose, name) is None
    ]
    if missing:
        raise SkyfixError(f"The pose lacks {', '.join(missing)}. Projection needs all four values.")
    if pose.pitch_deg is not None and pose.pitch_deg >= 0.0:
        raise SkyfixError(
            f"pitch_deg is {pose.pitch_deg:g}: the camera does not look at the ground. "
            "Give a pitch in [-90, 0), -90 is straight down."
        )


def _out_of_range(name: str, value: float, valid: str) -> SkyfixError:
    return SkyfixError(f"{name} is {value:g}, out of range. Valid: {valid}.")
