"""North-up windows of the maps a gallery was made from."""

from dataclasses import dataclass

import cv2
import numpy as np

from skyfix.bucket_path import any_path
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.sources import size_bytes
from skyfix.geo.ground import offset
from skyfix.geo.maps import Map, open_map


@dataclass(frozen=True)
class MapWindow:
    """A square of the map around a place.

    Attributes:
        pixels: (S, S, 3) uint8 RGB, true north up.
        valid: (S, S) bool, where there is imagery.
    """

    pixels: np.ndarray
    valid: np.ndarray


class Maps:
    """The rasters of a gallery, opened when first needed. One thread at a time may read.

    Attributes:
        missing: why some of them cannot be read, by index into ``Gallery.sources``.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._sources = gallery.sources
        self._open: dict[int, Map] = {}
        self.missing: dict[int, str] = {}

    def window(
        self, source: int, lon: float, lat: float, side_m: float, size_px: int
    ) -> MapWindow | None:
        """A window of one raster; None where its file is not what it was, or lies elsewhere.

        Args:
            source: index into ``Gallery.sources``.
            lon, lat: centre, degrees.
            side_m: side on the ground, metres.
            size_px: pixels a side.
        """
        raster = self.raster(source)
        if raster is None:
            return None
        half = side_m / 2
        east, north = np.array([-half, half, -half]), np.array([half, half, -half])
        corners = np.stack(raster.geo.pixel(*offset(lon, lat, east, north)), axis=1)
        # The square may be turned on the raster, so the box around it is read and turned back.
        points = np.vstack([corners, corners[1] + corners[2] - corners[0]])
        low = np.maximum(np.floor(points.min(axis=0)) - 2, 0)
        high = np.minimum(np.ceil(points.max(axis=0)) + 2, [raster.width_px, raster.height_px])
        if (high - low < 1).any():
            empty = np.zeros((size_px, size_px), bool)
            return MapWindow(np.zeros((size_px, size_px, 3), np.uint8), empty)
        steps = np.linalg.norm(corners[1:] - corners[0], axis=1) / size_px
        read_px = np.maximum(1, np.ceil((high - low) / np.maximum(1.0, steps)).astype(int))
        (left, top), (width, height) = low.tolist(), (high - low).tolist()
        size = int(read_px[1]), int(read_px[0])
        pixels, valid = raster.read(left, top, width, height, size)
        # From continuous coordinates of corners to OpenCV's, whose first pixel centre is (0, 0).
        target = np.array([[0, 0], [size_px, 0], [0, size_px]], np.float32) - 0.5
        origin = ((corners - low) * (read_px / (high - low)) - 0.5).astype(np.float32)
        turn = cv2.getAffineTransform(origin, target)
        square = size_px, size_px
        return MapWindow(
            cv2.warpAffine(pixels, turn, square),
            cv2.warpAffine(valid.astype(np.uint8) * 255, turn, square) > 250,
        )

    def close(self) -> None:
        """Close all files."""
        for raster in self._open.values():
            raster.close()
        self._open.clear()

    def raster(self, source: int) -> Map | None:
        """An open raster; None where its file is not what it was."""
        if source in self._open:
            return self._open[source]
        if source in self.missing:
            return None
        facts = self._sources[source]
        try:
            path = any_path(facts.path)
            if not path.exists() or size_bytes(path) != facts.size_bytes:
                self.missing[source] = f"{path} is not there any more, or has changed"
                return None
            self._open[source] = open_map(path, facts.bands)
        except SkyfixError as error:
            self.missing[source] = str(error)
            return None
        return self._open[source]
