"""A textured plane, and photos of it taken by walking every pixel's ray to the ground."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rasters import texture, write_map

from skyfix.geo.camera import Pose, centre_on_ground, unproject
from skyfix.geo.crs import wrap_deg
from skyfix.geo.ground import east_north, offset

TILE_M, STRIDE_M = 80.0, 20.0

GSD_M = 0.5
LonLat = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """A map and its pixels; at 15 degrees east UTM 33's grid north is true north.

    Attributes:
        path: the GeoTIFF.
        pixels: (h, w, 3) uint8.
        middle: lon, lat of the map's centre.
    """

    path: Path
    pixels: np.ndarray
    middle: LonLat

    def ground(self, east_m: float, north_m: float) -> LonLat:
        """A place by its metres from the middle."""
        lon, lat = offset(*self.middle, east_m, north_m)
        return float(wrap_deg(lon)), float(lat)

    def photo(
        self, pose: Pose, centre: LonLat, size_px: tuple[int, int] = (480, 270)
    ) -> np.ndarray:
        """What the camera sees when its optical axis meets the ground at ``centre``.

        Each pixel is the mean of 4 x 4 rays. Beyond the map, and above the horizon, all is grey.
        """
        width, height = size_px[0] * 4, size_px[1] * 4
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        ground = unproject(np.stack([x, y], axis=-1), pose, width, height)
        east_m, north_m = east_north(*self.middle, *centre)
        from_middle = ground - centre_on_ground(pose) + [float(east_m), float(north_m)]
        rows, columns = self.pixels.shape[:2]
        column = from_middle[..., 0] / GSD_M + columns / 2 - 0.5
        row = rows / 2 - from_middle[..., 1] / GSD_M - 0.5
        drawn = cv2.remap(
            self.pixels,
            np.nan_to_num(column, nan=-9.0).astype(np.float32),
            np.nan_to_num(row, nan=-9.0).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(128, 128, 128),
        )
        return cv2.resize(drawn, size_px, interpolation=cv2.INTER_AREA)

    def window(self, east_m: float, north_m: float, side_m: float, size_px: int) -> np.ndarray:
        """The map's square around a place, by metres from the middle."""
        rows, columns = self.pixels.shape[:2]
        half = side_m / GSD_M / 2
        left = round(columns / 2 + east_m / GSD_M - half)
        top = round(rows / 2 - north_m / GSD_M - half)
        cut = self.pixels[top : top + round(2 * half), left : left + round(2 * half)]
        return cv2.resize(cut, (size_px, size_px), interpolation=cv2.INTER_AREA)


def make_scene(folder: Path) -> Scene:
    """400 x 400 m of smooth blobs with a road and some houses on it."""
    pixels = np.ascontiguousarray(np.moveaxis(texture(800, 800, seed=3), 0, 2))
    pixels = cv2.resize(pixels[:400, :400], (800, 800), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(5)
    cv2.line(pixels, (0, 250), (800, 520), (90, 90, 95), 14)
    for x, y, size in rng.integers((20, 20, 12), (760, 760, 34), (70, 3)).tolist():
        colour = rng.integers(0, 256, 3).tolist()
        cv2.rectangle(pixels, (x, y), (x + size, y + size // 2), colour, -1)
    origin = (500_000.0 - 200.0, 5_000_000.0 + 200.0)
    path = write_map(folder / "map.tif", np.moveaxis(pixels, 2, 0), origin=origin)
    return Scene(path, pixels, _middle())


def _middle() -> LonLat:
    from pyproj import Transformer

    transform = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    lon, lat = transform.transform(500_000.0, 5_000_000.0)
    return float(lon), float(lat)


def save(pixels: np.ndarray, path: Path) -> Path:
    """Write a photo as JPEG."""
    Image.fromarray(pixels).save(path, quality=92)
    return path
