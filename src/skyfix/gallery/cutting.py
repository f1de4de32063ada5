"""From a tile plan to tile images, leaving out tiles that show nothing."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, Self

import cv2
import numpy as np

from skyfix.gallery.strips import Strip, StripReader
from skyfix.geo.maps import Map
from skyfix.geo.tiling import TilePlan

MIN_VALID = 0.5
"""Tiles with a smaller share of valid pixels are skipped as nodata."""

MIN_CONTRAST = 2.0
"""Tiles in which every channel varies less (standard deviation of its valid samples, 0..255, at the
resolution they are read at) are skipped as featureless: flat colour, or water and haze below the
noise of JPEG."""

_READ_MARGIN = 2
"""Maps are read reduced, by a power of two, to no less than this many times the image size: the
last step down is then a careful one."""

_CONTRAST_SAMPLES = 64
_JPEG_QUALITY = 85

Verdict = Literal["kept", "nodata", "featureless"]


@dataclass(frozen=True)
class Piece:
    """Some consecutive planned tiles, cut.

    Attributes:
        planned: how many tiles of the plan it stands for.
        kept: (K,) indices into the plan.
        images: K tiles (h, w, 3) uint8.
        thumbnails: K JPEG files; empty bytes if none are wanted.
        nodata, featureless: tiles left out.
    """

    planned: int
    kept: np.ndarray
    images: list[np.ndarray]
    thumbnails: list[bytes]
    nodata: int
    featureless: int


class PieceCutter:
    """Cuts tiles of a plan, piece by piece in the plan's order.

    Args:
        raster: the open map.
        plan: its tiles.
        size_px: (h, w) of the images.
        thumbnail_px: side of the thumbnails; 0 for none.
    """

    def __init__(
        self, raster: Map, plan: TilePlan, size_px: tuple[int, int], thumbnail_px: int
    ) -> None:
        self._raster, self._plan = raster, plan
        self._size_px, self._thumbnail_px = size_px, thumbnail_px
        spare = min(plan.heights.min() / size_px[0], plan.widths.min() / size_px[1])
        self._factor = 2 ** max(int(np.log2(spare / _READ_MARGIN)), 0)
        self._panel = -1
        self._reader: StripReader | None = None
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def piece(self, first: int, end: int) -> Piece:
        """The tiles from ``first`` to ``end``, which lie behind those of the last piece."""
        cuts = [
            cut
            for line in self._lines(first, end)
            for cut in self._pool.map(self._cut, repeat(self._strip(line)), *self._columns(line))
        ]
        verdicts = [verdict for verdict, _, _ in cuts]
        return Piece(
            planned=end - first,
            kept=first + np.flatnonzero(np.array(verdicts) == "kept"),
            images=[image for _, image, _ in cuts if image is not None],
            thumbnails=[thumbnail for _, image, thumbnail in cuts if image is not None],
            nodata=verdicts.count("nodata"),
            featureless=verdicts.count("featureless"),
        )

    def _lines(self, first: int, end: int) -> list[slice]:
        """Runs of tiles of one line of one panel."""
        panels, lines = self._plan.panels[first:end], self._plan.lines[first:end]
        breaks = np.flatnonzero((np.diff(panels) != 0) | (np.diff(lines) != 0)) + 1 + first
        bounds = [first, *breaks.tolist(), end]
        return list(map(slice, bounds[:-1], bounds[1:]))

    def _strip(self, line: slice) -> Strip:
        plan = self._plan
        top = plan.rows[line.start] / self._factor
        bottom = top + plan.heights[line.start] / self._factor
        return self._reader_of(int(plan.panels[line.start])).move(top, bottom, self._size_px[0])

    def _columns(self, line: slice) -> tuple[np.ndarray, np.ndarray]:
        return self._plan.columns[line] / self._factor, self._plan.widths[line] / self._factor

    def _reader_of(self, panel: int) -> StripReader:
        if self._reader is None or panel != self._panel:
            tiles = slice(*np.searchsorted(self._plan.panels, [panel, panel + 1]))
            columns, widths = self._columns(tiles)
            first, end = int(columns.min()), int(np.ceil((columns + widths).max()))
            self._panel = panel
            self._reader = StripReader(self._raster, self._factor, first, end)
        return self._reader

    def _cut(
        self, strip: Strip, column: float, width: float
    ) -> tuple[Verdict, np.ndarray | None, bytes]:
        span = strip.span(column, width)
        verdict = judge(strip, span)
        if verdict != "kept":
            return verdict, None, b""
        image = strip.tile(span, self._size_px[1])
        return verdict, image, _thumbnail(image, self._thumbnail_px)


def judge(strip: Strip, span: tuple[float, float]) -> Verdict:
    """Whether a tile shows something; see ``MIN_VALID`` and ``MIN_CONTRAST``."""
    left, right = int(span[0]), int(np.ceil(span[1]))
    step = max(1, len(strip.rgb) // _CONTRAST_SAMPLES)
    samples = np.ascontiguousarray(strip.rgb[::step, left:right:step])
    mask = None
    if strip.valid is not None:
        mask = np.ascontiguousarray(strip.valid[::step, left:right:step]).view(np.uint8)
        if mask.mean() < MIN_VALID:
            return "nodata"
    _, deviations = cv2.meanStdDev(samples, mask=mask)
    return "kept" if deviations.max() >= MIN_CONTRAST else "featureless"


def _thumbnail(image: np.ndarray, side_px: int) -> bytes:
    if side_px == 0:
        return b""
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return encoded.tobytes()
