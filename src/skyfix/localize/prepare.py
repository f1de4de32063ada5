"""Photos to patches, ahead of the network: read, check, normalize."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.images import read_image
from skyfix.localize.ground_view import GroundView, assumed_view, ground_view
from skyfix.localize.normalize import Patch, patches
from skyfix.localize.scales import fitting

HEADINGS = 8
"""Directions that are tried for a photo of unknown heading, unless told otherwise."""

MAX_HEADINGS = 360

MIN_COVERAGE = 0.1
"""A photo that shows less than this part of a tile cannot be told from other ground."""

MIN_CONTRAST = 2.0
"""Photos in which every channel varies less (standard deviation, 0..255) show nothing."""

_TURNED_MARGIN, _RECTIFIED_MARGIN = 2, 4
_AHEAD = 16
"""Photos prepared in advance, so that no thread idles while a batch is compared with tiles."""


@dataclass(frozen=True)
class Picture:
    """A photo that is decoded already, such as a frame of a video.

    Attributes:
        name: what fixes call it.
        pixels: (H, W, 3) uint8 RGB.
    """

    name: str
    pixels: np.ndarray

    def __str__(self) -> str:
        return self.name


Photo = Path | str | Picture
_Job = tuple[Photo, Pose]


@dataclass(frozen=True)
class Scale:
    """What patches have to be like.

    Attributes:
        tile_m: side on the ground, metres.
        stride_m: distance between neighbouring tiles of the gallery, metres.
        input_px: (height, width) of the embedder's input.
        headings: directions that are tried for a photo of unknown heading, evenly spaced from
            north.
        register: whether photos get a ground view for registration.

    Raises:
        SkyfixError: no headings, or more than ``MAX_HEADINGS``.
    """

    tile_m: float
    stride_m: float
    input_px: tuple[int, int]
    headings: int = HEADINGS
    register: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.headings <= MAX_HEADINGS:
            raise SkyfixError(f"{self.headings} headings. Try 1 to {MAX_HEADINGS}.")

    @property
    def step_m(self) -> float:
        """Distance of patches: half a tile, in whole strides so that they fall on tiles."""
        return self.stride_m * max(1, round(self.tile_m / 2 / self.stride_m))


@dataclass(frozen=True)
class Prepared:
    """A photo as patches, or the reason why it has none.

    Attributes:
        photo: path, as given.
        pose: what is known.
        size_px: (width, height), possibly reduced; (0, 0) if it could not be read.
        headings_deg: the headings tried; the pose's alone where it is known.
        views: one list of patches for each heading.
        fits: which of the tile sizes they are to be compared with.
        reason: why the photo cannot be placed; empty if it can.
        ground: the ground in the photo, for registration; None if that is not wanted, or if
            neither geometry nor tile size is known.
    """

    photo: str
    pose: Pose
    size_px: tuple[int, int] = (0, 0)
    headings_deg: tuple[float, ...] = ()
    views: tuple[list[Patch], ...] = ()
    fits: tuple[int, ...] = (0,)
    reason: str = ""
    ground: GroundView | None = None


def prepare(photo: Photo, pose: Pose, scales: Sequence[Scale]) -> Prepared:
    """Read and normalize one photo for the tile size that it fits.

    Raises:
        SkyfixError: it cannot be read, or the camera does not look at the ground.
    """
    assumed = straight_down(pose)
    margin = _RECTIFIED_MARGIN if assumed.has_geometry else _TURNED_MARGIN
    least_px = margin * max(scales[0].input_px)
    if isinstance(photo, Picture):
        pixels = photo.pixels
    else:
        pixels = np.asarray(read_image(photo, shortest_px=least_px))
    if float(cv2.meanStdDev(pixels)[1].max()) < MIN_CONTRAST:
        size_px = pixels.shape[1], pixels.shape[0]
        return Prepared(str(photo), pose, size_px, reason="The photo is featureless.")
    if not assumed.has_geometry:
        pixels = _shrunk(pixels, least_px)
    size_px = pixels.shape[1], pixels.shape[0]
    fits = fitting(pose, size_px, [one.tile_m for one in scales])
    scale = scales[fits[0]]
    every = 360.0 / scale.headings * np.arange(scale.headings)
    headings = every.tolist() if pose.heading_deg is None else [pose.heading_deg]
    views = tuple(
        patches(
            pixels,
            replace(assumed, heading_deg=heading),
            scale.tile_m,
            scale.step_m,
            scale.input_px,
        )
        for heading in headings
    )
    shown = max(patch.coverage for view in views for patch in view)
    if shown < MIN_COVERAGE:
        return Prepared(
            str(photo),
            pose,
            reason=f"The photo shows {shown:.0%} of a {scale.tile_m:g}-m tile. "
            "Use a gallery with smaller tiles.",
        )
    ground = None
    if scale.register and assumed.has_geometry:
        ground = ground_view(pixels, assumed)
    elif scale.register and len(fits) == 1:
        ground = assumed_view(pixels, pose.heading_deg, scale.tile_m)
    return Prepared(str(photo), pose, size_px, tuple(headings), views, fits, ground=ground)


def straight_down(pose: Pose) -> Pose:
    """The pose to normalize with: where only the pitch lacks, the camera is taken to look down.

    Altitude and field of view then give the photo its scale, which is worth more than the error
    of a camera some degrees off the vertical. The camera's place is not derived from it.
    """
    if pose.pitch_deg is not None or None in (pose.altitude_m, pose.hfov_deg):
        return pose
    return replace(pose, pitch_deg=-90.0)


def prepare_many(jobs: Iterable[_Job], scales: Sequence[Scale]) -> Iterator[Prepared]:
    """``prepare`` in threads, in order; what it would raise becomes the reason."""
    threads = min(8, os.cpu_count() or 1)
    waiting: deque[Future[Prepared]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for photo, pose in jobs:
            waiting.append(pool.submit(prepare_or_say, photo, pose, scales))
            if len(waiting) > max(2 * threads, _AHEAD):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def prepare_or_say(photo: Photo, pose: Pose, scales: Sequence[Scale]) -> Prepared:
    """``prepare``; what it would raise becomes the reason."""
    try:
        return prepare(photo, pose, scales)
    except SkyfixError as error:
        return Prepared(str(photo), pose, reason=str(error))


def _shrunk(pixels: np.ndarray, shortest_px: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    factor = shortest_px / min(height, width)
    if factor >= 1:
        return pixels
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
