"""Maps with a pattern whose corners are known, and heights to match."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from skyfix.geo.camera import Pose, project
from skyfix.geo.crs import GeoReference
from skyfix.geo.ground import east_north
from skyfix.world.waypoints import Waypoint

CORNERS = {"EPSG:32633": (500_400.0, 5_200_000.0), "EPSG:3857": (1_400_000.0, 6_100_000.0),
           "EPSG:3826": (205_000.0, 2_700_000.0)}  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """A raster to be written."""

    pixels: np.ndarray
    gsd: float
    crs: str | None = "EPSG:32633"
    origin: tuple[float, float] | None = None
    nodata: float | None = None

    def write(self, path: Path) -> Path:
        """Write (bands, H, W)."""
        bands, height, width = self.pixels.shape
        origin = self.origin or CORNERS[self.crs or "EPSG:32633"]
        with rasterio.open(
            path, "w", driver="GTiff", width=width, height=height, count=bands, crs=self.crs,
            dtype=self.pixels.dtype, transform=from_origin(*origin, self.gsd, self.gsd),
            nodata=self.nodata,
        ) as raster:  # fmt: skip
            raster.write(self.pixels)
        return path


def checkerboard(side_px: int = 800, cell_px: int = 40) -> np.ndarray:
    """(3, side, side) uint8: squares in two greys."""
    cells = np.add.outer(np.arange(side_px) // cell_px, np.arange(side_px) // cell_px) % 2
    return np.repeat((40 + 170 * cells).astype(np.uint8)[None], 3, axis=0)


def pixels_of(
    geo: GeoReference, at: Waypoint, columns_rows: np.ndarray, up_m: float, size_px: tuple[int, int]
) -> np.ndarray:
    """Where the pinhole camera sees map pixels (N, 2) that stand ``up_m`` above the sea: (N, 2).

    By geodesics from the camera and the homography of ``skyfix.geo.camera`` alone.
    """
    lon, lat = geo.lonlat(columns_rows[:, 0], columns_rows[:, 1])
    ground = np.stack(east_north(at.lon, at.lat, lon, lat), axis=1)
    pose = at.pose
    above = Pose(
        pose.heading_deg, pose.pitch_deg, at.above_sea_m - up_m, pose.hfov_deg, pose.roll_deg
    )
    return project(ground, above, *size_px)
