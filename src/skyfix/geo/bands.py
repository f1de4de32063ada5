"""Which bands of a GeoTIFF make the picture."""

import re
from collections.abc import Sequence

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from skyfix.bucket_path import AnyPath
from skyfix.geo.geotiff import RasterError

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_NAMES = (r"red|b0?4", r"green|b0?3", r"blue|b0?2")
"""Descriptions of red, green and blue; B4, B3, B2 are their names in Sentinel-2 and Landsat 8."""

_SENTINEL_2_BANDS = 13
_SENTINEL_2_RGB = (4, 3, 2)
_SAMPLES = {
    *("uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
}
_PICTURES = ("uint8", "uint16")


def colour_bands(
    path: AnyPath, dataset: DatasetReader, chosen: Sequence[int] = ()
) -> tuple[int, ...]:
    """1-based numbers of the bands to show: one (grey) or three (red, green, blue).

    In this order: the chosen ones; bands tagged red, green and blue; bands named so, or B4, B3, B2;
    4, 3, 2 of 13 unnamed bands of more than 8 bits, as Sentinel-2 Level-1C orders them; a single
    band; the first three.

    Args:
        path: names the file in errors.
        dataset: the open file.
        chosen: one or three band numbers; none to find out.

    Raises:
        RasterError: chosen bands that are not there, a colour table, two bands, complex samples,
            or one band of a kind that elevation models have.
    """
    if ColorInterp.palette in dataset.colorinterp:
        raise RasterError(
            f"{path} has a colour table. Expand it: gdal_translate -expand rgb {path.name} rgb.tif"
        )
    bands = _checked(path, dataset, chosen) if chosen else _found(path, dataset)
    dtypes = {dataset.dtypes[band - 1] for band in bands}
    if not dtypes <= _SAMPLES:
        raise RasterError(
            f"{path} has {', '.join(sorted(dtypes))} samples; whole and real numbers are "
            f"supported. Convert: gdal_translate -ot Byte -scale {path.name} bytes.tif"
        )
    if len(bands) == 1 and not chosen and not dtypes <= set(_PICTURES):
        raise RasterError(
            f"{path} has one band of {', '.join(dtypes)} samples, like an elevation model. "
            "If it is imagery, choose the band (--bands 1); else leave the file out."
        )
    return bands


def _checked(path: AnyPath, dataset: DatasetReader, chosen: Sequence[int]) -> tuple[int, ...]:
    if len(chosen) not in (1, 3):
        raise RasterError(
            f"{len(chosen)} bands are chosen. Choose one (grey) or three (red, green, blue)."
        )
    for band in chosen:
        if not 1 <= band <= dataset.count:
            raise RasterError(
                f"{path} has no band {band}, it has {dataset.count}. Choose among them."
            )
    return tuple(chosen)


def _found(path: AnyPath, dataset: DatasetReader) -> tuple[int, ...]:
    kinds = dataset.colorinterp
    if set(_RGB) <= set(kinds):
        return tuple(kinds.index(kind) + 1 for kind in _RGB)
    named = _named(dataset.descriptions)
    if named:
        return named
    numbers = [number for number, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha]
    if len(numbers) == _SENTINEL_2_BANDS and dataset.dtypes[0] != "uint8":
        return _SENTINEL_2_RGB
    if len(numbers) == 1 or len(numbers) >= 3:
        return tuple(numbers[:3])
    raise RasterError(
        f"{path} has {dataset.count} bands; 1 (grey), 3 (RGB), 4 (RGB and alpha) or more "
        "(the first three count) are understood. Choose the band that is a picture: --bands 1"
    )


def _named(descriptions: Sequence[str | None]) -> tuple[int, ...]:
    """The bands named red, green and blue; nothing where a name is missing or is there twice."""
    found = [
        [number for number, name in enumerate(descriptions, 1) if re.fullmatch(
            pattern, (name or "").strip(), re.IGNORECASE)]
        for pattern in _NAMES
    ]  # fmt: skip
    return tuple(numbers[0] for numbers in found) if all(len(n) == 1 for n in found) else ()
