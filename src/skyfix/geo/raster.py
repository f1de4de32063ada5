"""Pixels of a GeoTIFF as 8-bit RGB with a mask of what is valid, window by window."""

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from skyfix.bucket_path import AnyPath, any_path
from skyfix.geo.bands import colour_bands
from skyfix.geo.crs import GeoReference
from skyfix.geo.geotiff import RasterError, damaged, georeference, open_geotiff
from skyfix.geo.window import check_window

STRETCH_PERCENT = (2.0, 98.0)
"""Samples of more than 8 bits between these percentiles of the whole raster become 0..255."""

_SAMPLE_PX = 1024
_WHOLE_READ_PX = 64_000_000


class Raster:
    """An open map: where it lies, and its pixels in windows.

    Grey becomes RGB; which bands are taken says ``colour_bands``; samples other than uint8 are
    stretched by one range for the three bands, so colours keep their hue. A pixel is valid when
    the mask or alpha says so; with nodata values, when any band differs; never when a sample is
    not a number.

    Use it as a context manager. One thread at a time may read.

    Args:
        path: a GeoTIFF on disk or in a bucket, north-up, with a CRS.
        bands: 1-based numbers of the red, green and blue band, or of a grey one; none to let the
            file's tags decide.

    Raises:
        RasterError: unreadable or unfit; the message says why and what to do.
    """

    def __init__(self, path: AnyPath | str, bands: Sequence[int] = ()) -> None:
        self.path = any_path(path)
        self._dataset: DatasetReader = open_geotiff(self.path)
        try:
            self.geo: GeoReference = georeference(self.path, self._dataset)
            self.bands = colour_bands(self.path, self._dataset, bands)
            self._mask_bands = self._bands_of_mask()
        except RasterError:
            self.close()
            raise

    @property
    def width_px(self) -> int:
        """Columns."""
        return self.geo.width_px

    @property
    def height_px(self) -> int:
        """Rows."""
        return self.geo.height_px

    @property
    def all_valid(self) -> bool:
        """Whether no pixel can be masked."""
        return not self._mask_bands and not self._real

    @cached_property
    def stretch(self) -> tuple[float, float] | None:
        """The range of samples that becomes 0..255; None for those that are uint8.

        Raises:
            RasterError: the pixels cannot be decoded.
        """
        if self._dtype == np.uint8:
            return None
        try:
            parts = [self._valid_samples(window) for window in self._sample_windows()]
        except RasterioError as error:
            raise damaged(self.path, error) from error
        values = np.concatenate(parts)
        if values.size == 0:
            return 0.0, 65535.0
        low, high = np.percentile(values, STRETCH_PERCENT)
        least = np.finfo(np.float32).eps * max(abs(low), 1e-30) if self._real else 1.0
        return float(low), float(max(high, low + least))

    def read(
        self,
        column: float,
        row: float,
        width: float,
        height: float,
        size_px: tuple[int, int],
    ) -> tuple[np.ndarray, np.ndarray]:
        """A window, resampled; overviews serve large windows.

        Args:
            column, row: upper left corner in px, may lie between pixels.
            width, height: extent in px, inside the raster.
            size_px: (h, w) of the result.

        Returns:
            RGB ``(h, w, 3)`` uint8, black where not valid, and the valid mask ``(h, w)`` bool.

        Raises:
            RasterError: the window leaves the raster, or its pixels cannot be decoded.
        """
        check_window(self.path, self.geo, column, row, width, height)
        window = Window(column, row, width, height)
        shrinks = size_px[0] < height and size_px[1] < width
        resampling = Resampling.average if shrinks else Resampling.bilinear
        try:
            samples = self._dataset.read(
                list(self.bands),
                window=window,
                out_shape=(len(self.bands), *size_px),
                resampling=resampling,
            )
            valid = self._read_mask(window, size_px) & self._numbers(samples)
        except RasterioError as error:
            raise damaged(self.path, error) from error
        rgb = cv2.merge([np.ascontiguousarray(band) for band in self._to_rgb8(samples)])
        if not self.all_valid:
            rgb[~valid] = 0
        return rgb, valid

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> "Raster":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @cached_property
    def _dtype(self) -> np.dtype:
        return np.dtype(self._dataset.dtypes[self.bands[0] - 1])

    @property
    def _real(self) -> bool:
        return self._dtype.kind == "f"

    def _bands_of_mask(self) -> list[int]:
        flags = [self._dataset.mask_flag_enums[band - 1] for band in self.bands]
        if any(MaskFlags.all_valid in flag for flag in flags):
            return []
        if all(MaskFlags.per_dataset in flag for flag in flags):
            return [self.bands[0]]
        return list(self.bands)

    def _read_mask(self, window: Window, size_px: tuple[int, int]) -> np.ndarray:
        if not self._mask_bands:
            return np.ones(size_px, dtype=bool)
        masks = self._dataset.read_masks(
            self._mask_bands, window=window, out_shape=(len(self._mask_bands), *size_px)
        )
        return (masks > 0).any(axis=0)

    def _numbers(self, samples: np.ndarray) -> np.ndarray:
        """Where (bands, h, w) samples are numbers, (h, w)."""
        if not self._real:
            return np.ones(samples.shape[1:], dtype=bool)
        return np.isfinite(samples).all(axis=0)

    def _to_rgb8(self, samples: np.ndarray) -> list[np.ndarray]:
        if self.stretch is not None:
            low, high = self.stretch
            if self._real:
                samples = np.nan_to_num(samples, nan=low, posinf=high, neginf=low)
            scaled = (samples.astype(np.float32) - low) * (255.0 / (high - low))
            samples = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
        return list(samples) if len(samples) == 3 else [samples[0]] * 3

    def _sample_windows(self) -> list[Window]:
        """The whole raster where that is cheap to read, else 16 x 16 small windows all over it."""
        smallest = max([1, *self._dataset.overviews(self.bands[0])])
        if self.width_px * self.height_px <= _WHOLE_READ_PX * smallest**2:
            return [Window(0, 0, self.width_px, self.height_px)]
        side = _SAMPLE_PX // 16
        columns = np.linspace(0, max(self.width_px - side, 0), 16).astype(int)
        rows = np.linspace(0, max(self.height_px - side, 0), 16).astype(int)
        width, height = min(side, self.width_px), min(side, self.height_px)
        return [Window(column, row, width, height) for row in rows for column in columns]

    def _valid_samples(self, window: Window) -> np.ndarray:
        height, width = min(int(window.height), _SAMPLE_PX), min(int(window.width), _SAMPLE_PX)
        samples = self._dataset.read(
            list(self.bands), window=window, out_shape=(len(self.bands), height, width)
        )
        shown = self._read_mask(window, (height, width)) & self._numbers(samples)
        return samples[:, shown].ravel()
