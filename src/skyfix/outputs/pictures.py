"""Pictures of results: photos beside the tiles they matched, fixes on the map."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageOps

from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.geo.maps import open_map
from skyfix.images import read_image
from skyfix.localize import Fix
from skyfix.outputs.cells import CELL_PX, RIGHT, WRONG, square_cell

_MAP_PX = 900
_GAP_PX = 6

LonLat = tuple[float, float]


def match_strip(fix: Fix, gallery: Gallery, truth: LonLat, within_m: float) -> Image.Image:
    """A photo and its best tiles in a row, tiles framed green within ``within_m`` of the truth.

    Args:
        truth: (lon, lat) of the ground point at the photo's centre.
    """
    rows = {tile: row for row, tile in enumerate(gallery.tiles.id)}
    cells = [square_cell(read_image(fix.photo, shortest_px=CELL_PX))]
    for candidate in fix.candidates:
        away = float(distance_m(candidate.lon, candidate.lat, *truth))
        picture = square_cell(gallery.thumbnail(rows[candidate.tile]))
        picture = ImageOps.expand(
            ImageOps.crop(picture, 5), 5, fill=RIGHT if away <= within_m else WRONG
        )
        ImageDraw.Draw(picture).text((9, 7), f"{away:.0f} m", fill="white", stroke_width=2,
                                     stroke_fill="black")  # fmt: skip
        cells.append(picture)
    width = len(cells) * (CELL_PX + _GAP_PX) - _GAP_PX
    strip = Image.new("RGB", (width, CELL_PX), "white")
    for index, cell in enumerate(cells):
        strip.paste(cell, (index * (CELL_PX + _GAP_PX), 0))
    return strip


def fixes_on_map(map_path: Path, fixes: Sequence[Fix], truths: Sequence[LonLat]) -> Figure:
    """The map with every true ground point, and a line from it to the fix."""
    with open_map(map_path) as raster:
        scale = max(raster.width_px, raster.height_px) / _MAP_PX
        size = (round(raster.height_px / scale), round(raster.width_px / scale))
        picture, _ = raster.read(0, 0, raster.width_px, raster.height_px, size)
        geo = raster.geo
    figure = Figure(figsize=(8, 8 * size[0] / size[1]))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(picture, alpha=0.75)
    for fix, truth in zip(fixes, truths, strict=True):
        x, y = _pixels(geo.pixel(*truth), scale)
        axes.plot(x, y, "o", color="white", markeredgecolor="black", markersize=6)
        if fix.lon is not None and fix.lat is not None:
            to_x, to_y = _pixels(geo.pixel(fix.lon, fix.lat), scale)
            axes.plot([x, to_x], [y, to_y], color="#ffdd00", linewidth=1.5)
            axes.plot(to_x, to_y, "x", color="#d6006c", markersize=7, markeredgewidth=2)
    axes.set_axis_off()
    return figure


def _pixels(pixel: tuple[np.ndarray, np.ndarray], scale: float) -> tuple[float, float]:
    return float(pixel[0]) / scale, float(pixel[1]) / scale
