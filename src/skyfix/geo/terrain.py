"""Heights of the ground out of an elevation model, and where a line of sight meets it."""

from pathlib import Path

import numpy as np
from rasterio.errors import RasterioError
from rasterio.windows import Window

from skyfix.geo.geotiff import RasterError, damaged, georeference, open_geotiff
from skyfix.geo.ground import offset

_MOST_PX = 16_000_000
_STEPS = 512


class Terrain:
    """An open elevation model: metres above the sea at any longitude and latitude.

    Nodata values, masks and not-a-number samples are no ground. Use it as a context manager.

    Args:
        path: a local GeoTIFF of one band, north-up, in any CRS; heights in metres.

    Raises:
        RasterError: unreadable or unfit; the message says why and what to do.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._dataset = open_geotiff(self.path)
        try:
            self._geo = georeference(self.path, self._dataset)
            if self._dataset.count != 1 or self._dataset.dtypes[0].startswith("complex"):
                raise RasterError(
                    f"{path} has {self._dataset.count} bands of {self._dataset.dtypes[0]}, an "
                    f"elevation model has one band of heights. "
                    f"Pick it: gdal_translate -b 1 {self.path.name} dem.tif"
                )
        except RasterError:
            self._dataset.close()
            raise

    def height_m(self, lon: np.ndarray | float, lat: np.ndarray | float) -> np.ndarray:
        """Ground height at positions in degrees, bilinear between cell centres.

        Returns:
            Metres, with the shape of the positions; NaN outside the model and where one of the
            cells around has no height.

        Raises:
            RasterError: positions so far apart that the cells between them do not fit memory, or
                cells that cannot be decoded.
        """
        columns, rows = self._geo.pixel(lon, lat)
        inside = (columns >= 0) & (columns <= self._geo.width_px)
        inside &= (rows >= 0) & (rows <= self._geo.height_px)
        heights = np.full(columns.shape, np.nan)
        if inside.any():
            # Up to half a cell beyond the outermost centres the height is theirs.
            x = np.clip(columns[inside] - 0.5, 0, self._geo.width_px - 1)
            y = np.clip(rows[inside] - 0.5, 0, self._geo.height_px - 1)
            heights[inside] = self._bilinear(x, y)
        return heights

    def seen_at(self, lon: float, lat: float, altitude_m: float, to_m: np.ndarray) -> np.ndarray:
        """How far along straight lines the ground is met.

        The lines are walked in 512 steps; a ridge thinner than a step may be missed.

        Args:
            lon, lat: where the lines start, degrees.
            altitude_m: height of their start above the sea.
            to_m: (N, 3) metres east, north, up from the start to the lines' ends.

        Returns:
            (N,) part of the way, 0 to 1, to the first ground; NaN where there is none.
        """
        parts = np.linspace(0.0, 1.0, _STEPS + 1)
        east, north, up = np.moveaxis(to_m[:, None, :] * parts[:, None], -1, 0)
        clear_m = altitude_m + up - self.height_m(*offset(lon, lat, east, north))
        with np.errstate(invalid="ignore"):
            below = clear_m <= 0
        after = below.argmax(axis=1)
        lines, before = np.arange(len(to_m)), np.maximum(after - 1, 0)
        high, low = clear_m[lines, before], clear_m[lines, after]
        step = np.divide(high, high - low, out=np.ones(len(to_m)), where=high > low)
        found = (before + np.nan_to_num(step, nan=1.0)) / _STEPS
        return np.where(below.any(axis=1), np.where(after == 0, 0.0, found), np.nan)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> "Terrain":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _bilinear(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        cells = self._cells(left.min(), top.min(), left.max() + 1, top.max() + 1)
        column, row = left - left.min(), top - top.min()
        right, below = x - left, y - top
        heights = np.zeros(x.shape)
        for down, right_on, weight in (
            (0, 0, (1 - right) * (1 - below)),
            (0, 1, right * (1 - below)),
            (1, 0, (1 - right) * below),
            (1, 1, right * below),
        ):
            # A cell without weight may be without height too.
            heights += np.where(weight > 0, weight * cells[row + down, column + right_on], 0.0)
        return heights

    def _cells(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Heights of a block of cells, both ends included; the last ones repeat at the edge."""
        width = min(right, self._geo.width_px - 1) - left + 1
        height = min(bottom, self._geo.height_px - 1) - top + 1
        if width * height > _MOST_PX:
            raise RasterError(
                f"{self.path}: {width} x {height} cells lie between the positions, too many to "
                "read at once. Use a coarser elevation model."
            )
        try:
            read = self._dataset.read(1, window=Window(left, top, width, height), masked=True)
        except RasterioError as error:
            raise damaged(self.path, error) from error
        scale, zero = self._dataset.scales[0], self._dataset.offsets[0]
        cells = read.astype(np.float64).filled(np.nan) * scale + zero
        return np.pad(
            cells, ((0, bottom - top + 1 - height), (0, right - left + 1 - width)), "edge"
        )
