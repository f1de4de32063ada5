"""A picture of what a gallery covers, and of what was left out."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path
from skyfix.gallery import Gallery
from skyfix.gallery.layer import Layer
from skyfix.gallery.sources import is_there
from skyfix.geo.crs import wrap_deg
from skyfix.geo.maps import open_map
from skyfix.geo.tiling import plan_tiles
from skyfix.outputs.page import Page

_CANVAS_PX = 1400
_MOST_THUMBNAILS = 3000
_MOST_DOTS = 6000
_METRES_PER_DEGREE = 111_195.0
_INK, _DOT, _OUTLINE, _SKIPPED = "#1b1f24", "#ffd400", "#00e5ff", (225, 60, 60)
_EMPTY = 236
_GREY = np.full((8, 8, 3), 150, np.uint8)


def write_coverage(gallery: Gallery, path: Path) -> None:
    """Write the picture of coverage as .png, or as .html with the facts below it.

    Raises:
        SkyfixError: another ending, or the file cannot be written.
    """
    if path.suffix not in (".png", ".html"):
        raise SkyfixError(f"Cannot write {path}: give a name that ends in .png or .html.")
    figure = coverage_figure(gallery)
    if path.suffix == ".html":
        _page(gallery, figure).write(path)
        return
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")


def coverage_figure(gallery: Gallery) -> Figure:
    """The gallery's thumbnails in their places, one panel for each tile size.

    Drawn are the tiles' centres, the outline of one tile, the ground of tiles that were left out
    (where the sources are still there to tell), a scale bar and degrees along the edges.
    """
    frame = _Frame.around(gallery)
    layers = gallery.layers
    width = 8.0 if len(layers) == 1 else 6.5
    height = width * frame.height_px / frame.width_px
    figure = Figure(figsize=(width * len(layers), height + 1.2), layout="constrained")
    for number, layer in enumerate(layers):
        axes = figure.add_subplot(1, len(layers), number + 1)
        _panel(axes, gallery, layer, frame)
    return figure


@dataclass(frozen=True)
class _Frame:
    """Degrees to pixels of a north-up picture: equirectangular, true to scale in the middle."""

    west: float
    north: float
    lat_mid: float
    px_per_m: float
    width_px: int
    height_px: int

    @classmethod
    def around(cls, gallery: Gallery) -> "_Frame":
        west, south, east, north = gallery.tiles.bounds()
        lat_mid = (south + north) / 2
        width_m = float((east - west) % 360) * _METRES_PER_DEGREE * math.cos(math.radians(lat_mid))
        height_m = (north - south) * _METRES_PER_DEGREE
        px_per_m = _CANVAS_PX / max(width_m, height_m)
        size = math.ceil(width_m * px_per_m), math.ceil(height_m * px_per_m)
        return cls(west, north, lat_mid, px_per_m, *size)

    @property
    def px_per_degree(self) -> tuple[float, float]:
        down = _METRES_PER_DEGREE * self.px_per_m
        return down * math.cos(math.radians(self.lat_mid)), down

    def pixels(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        across, down = self.px_per_degree
        # Half a pixel of slack keeps the western edge from wrapping to the eastern one.
        return ((lon - self.west + 1e-9) % 360) * across, (self.north - lat) * down


def _panel(axes: Axes, gallery: Gallery, layer: Gallery | Layer, frame: _Frame) -> None:
    tiles = layer.tiles
    x, y = frame.pixels(tiles.lon, tiles.lat)
    picture = _mosaic(gallery, layer, frame, x, y)
    skipped = _skipped(gallery, layer)
    _shade(picture, *frame.pixels(skipped[:, 0], skipped[:, 1]), layer.stride_m * frame.px_per_m)
    axes.imshow(picture, extent=(0, frame.width_px, frame.height_px, 0), interpolation="bilinear")
    step = math.ceil(len(tiles) / _MOST_DOTS)
    spacing_pt = layer.stride_m * frame.px_per_m / _CANVAS_PX * 8 * 72
    size = float(np.clip(spacing_pt * 0.3, 1.2, 4.0))
    axes.plot(
        x[::step], y[::step], "o", color=_DOT, markersize=size, markeredgecolor=_INK,
        markeredgewidth=0.3,
    )  # fmt: skip
    shown = int(np.argmin(np.hypot(x - frame.width_px / 2, y - frame.height_px / 2)))
    side = layer.tile_m * frame.px_per_m
    corner = (x[shown] - side / 2, y[shown] - side / 2)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=_OUTLINE, linewidth=2))
    _edges(axes, frame)
    _scale_bar(axes, frame)
    axes.set_title(
        f"{len(tiles):,} tiles of {layer.tile_m:g} m every {layer.stride_m:g} m", fontsize=11,
        color=_INK,
    )  # fmt: skip
    handles = [
        axes.plot([], [], "o", color=_DOT, markeredgecolor=_INK, label="centres of tiles")[0],
        Patch(facecolor="none", edgecolor=_OUTLINE, linewidth=2, label="one tile"),
    ]
    if len(skipped):
        red = "#{:02x}{:02x}{:02x}".format(*_SKIPPED)
        label = f"{len(skipped):,} left out: no imagery or featureless"
        handles.append(Patch(facecolor=red, alpha=0.45, label=label))
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, frameon=False,
        fontsize=9,
    )  # fmt: skip


def _mosaic(
    gallery: Gallery, layer: Gallery | Layer, frame: _Frame, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Thumbnails in their places; grey squares in a gallery that has none: (h, w, 3) uint8."""
    picture = np.full((frame.height_px, frame.width_px, 3), _EMPTY, np.uint8)
    side = layer.tile_m * frame.px_per_m
    rows = _spread(x, y, side / 2)
    bare = not gallery.has_thumbnails
    pictures = (
        [_GREY] * len(rows) if bare else map(np.asarray, gallery.thumbnails(layer.rows[rows]))
    )
    for row, thumbnail in zip(rows, pictures, strict=True):
        heading_deg = float(layer.tiles.heading_deg[row])
        _paste(picture, thumbnail, (float(x[row]), float(y[row])), side, heading_deg)
    return picture


def _spread(x: np.ndarray, y: np.ndarray, cell_px: float) -> np.ndarray:
    """Some tiles that still cover all the ground: one for each cell."""
    cell_px = max(cell_px, math.sqrt(np.ptp(x) * np.ptp(y) / _MOST_THUMBNAILS), 1.0)
    cells = np.floor(np.stack([x, y], axis=1) / cell_px).astype(np.int64)
    # The first tile of a cell and the last, so that the far edges are covered too.
    first = np.unique(cells, axis=0, return_index=True)[1]
    last = len(cells) - 1 - np.unique(cells[::-1], axis=0, return_index=True)[1]
    return np.union1d(first, last)


def _paste(
    picture: np.ndarray,
    thumbnail: np.ndarray,
    centre: tuple[float, float],
    side: float,
    heading_deg: float,
) -> None:
    """Draw a square image around a place, its top turned towards ``heading_deg``."""
    reach = math.ceil(side * 0.75)
    left, top = max(int(centre[0]) - reach, 0), max(int(centre[1]) - reach, 0)
    part = picture[top : int(centre[1]) + reach, left : int(centre[0]) + reach]
    if not part.size:
        return
    held = max(1, round(min(side, thumbnail.shape[0])))
    small = cv2.resize(thumbnail, (held, held), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D(((held - 1) / 2, (held - 1) / 2), -heading_deg, side / held)
    turn[:, 2] += np.array([centre[0] - left, centre[1] - top]) - 0.5 - (held - 1) / 2
    size = part.shape[1], part.shape[0]
    drawn = cv2.warpAffine(
        small, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(np.full((held, held), 255, np.uint8), turn, size) > 127
    part[inside] = drawn[inside]


def _skipped(gallery: Gallery, layer: Gallery | Layer) -> np.ndarray:
    """(lon, lat) of planned tiles that were left out, (S, 2), of sources that can be read."""
    found = [np.empty((0, 2))]
    counts, region = gallery.info().source_counts, gallery.region
    for index, source in enumerate(gallery.sources):
        if counts[index].planned == counts[index].kept or not is_there(source):
            continue
        with open_map(source.path, source.bands) as raster:
            plan = plan_tiles(raster.geo, layer.tile_m, layer.stride_m, source.path, region)
        mine = layer.tiles.source == index
        kept = {*zip(layer.tiles.column_px[mine], layer.tiles.row_px[mine], strict=True)}
        windows = zip(plan.columns, plan.rows, strict=True)
        left = np.array([window not in kept for window in windows], dtype=bool)
        found.append(np.stack(plan.centres(np.flatnonzero(left)), axis=1))
    return np.concatenate(found)


def _shade(picture: np.ndarray, x: np.ndarray, y: np.ndarray, side: float) -> None:
    """Tint squares around places."""
    mask = np.zeros(picture.shape[:2], bool)
    for column, row in zip(x, y, strict=True):
        top, left = max(int(row - side / 2), 0), max(int(column - side / 2), 0)
        mask[top : math.ceil(row + side / 2), left : math.ceil(column + side / 2)] = True
    tint = picture[mask] * 0.55 + np.array(_SKIPPED) * 0.45
    picture[mask] = tint.astype(np.uint8)


def _edges(axes: Axes, frame: _Frame) -> None:
    """Round degrees along the edges."""
    across, down = frame.px_per_degree
    # Locators find round numbers; west of the frame may be any longitude, so degrees first.
    east, south = frame.west + frame.width_px / across, frame.north - frame.height_px / down
    lons = np.asarray(MaxNLocator(4).tick_values(frame.west, east))
    lats = np.asarray(MaxNLocator(5).tick_values(south, frame.north))
    # A label in the corner would run into that of the other edge.
    lons = lons[np.abs((lons - frame.west) * across / frame.width_px - 0.5) < 0.46]
    lats = lats[np.abs((frame.north - lats) * down / frame.height_px - 0.5) < 0.46]
    step = min(np.diff(lons).min(initial=1.0), np.diff(lats).min(initial=1.0))
    digits = max(0, math.ceil(0.3 - math.log10(step)))
    axes.set_xticks(
        (lons - frame.west) * across, [_degrees(lon, digits, "EW") for lon in wrap_deg(lons)]
    )
    axes.set_yticks((frame.north - lats) * down, [_degrees(lat, digits, "NS") for lat in lats])
    axes.set_xlim(0, frame.width_px)
    axes.set_ylim(frame.height_px, 0)
    axes.tick_params(labelsize=8, color=_INK, labelcolor=_INK)
    for label in axes.get_yticklabels():
        label.set(rotation=90, va="center")


def _degrees(value: float, digits: int, signs: str) -> str:
    return f"{abs(value):.{digits}f}° {signs[int(value < 0)]}"


def _scale_bar(axes: Axes, frame: _Frame) -> None:
    """A bar of 1, 2 or 5 times a power of ten metres, in the lower left corner."""
    room_m = frame.width_px / frame.px_per_m / 4
    power = 10.0 ** math.floor(math.log10(room_m))
    length_m = max(step * power for step in (1, 2, 5) if step * power <= room_m)
    length = length_m * frame.px_per_m
    margin, thick = 0.025 * _CANVAS_PX, 0.007 * _CANVAS_PX
    left, bottom = margin, frame.height_px - margin
    plate = Rectangle(
        (left - 0.4 * margin, bottom - 5.6 * thick), length + 0.8 * margin, 6.6 * thick,
        facecolor="white", alpha=0.8, edgecolor="none", zorder=4,
    )  # fmt: skip
    axes.add_patch(plate)
    axes.add_patch(Rectangle((left, bottom - thick), length, thick, facecolor=_INK, zorder=5))
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.text(left + length / 2, bottom - 1.3 * thick, text, ha="center", va="bottom", fontsize=9,
              color=_INK, zorder=5)  # fmt: skip


def _page(gallery: Gallery, figure: Figure) -> Page:
    facts = gallery.info()
    page = Page(f"Coverage of {Path(str(gallery.path)).name}")
    west, south, east, north = facts.bounds
    page.text(
        f"{facts.tiles:,} tiles, descriptors of {facts.system} ({facts.identity}), longitude "
        f"{west:.6f} to {east:.6f}, latitude {south:.6f} to {north:.6f}, "
        f"{facts.size_bytes / 1e6:.1f} MB."
    )
    page.picture(figure, "Tiles in their places; thumbnails show the imagery.")
    page.table(
        ["source", "tiles", "without imagery", "featureless"],
        [
            [
                source.path,
                f"{one.kept:,}",
                f"{one.skipped_nodata:,}",
                f"{one.skipped_featureless:,}",
            ]
            for source, one in zip(facts.sources, facts.source_counts, strict=True)
        ],
    )
    return page
