"""Real or made-up ground in true coordinates, photographed from any pose."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from pyproj import CRS
from rasterio import Affine

from skyfix.errors import SkyfixError
from skyfix.geo.crs import GeoReference
from skyfix.world.appearance import DRONE, SATELLITE, Epoch, develop, illuminate, on_another_day
from skyfix.world.relief import Relief, focal_px, rays_of
from skyfix.world.render import town_relief
from skyfix.world.surface import Surface, read_surface
from skyfix.world.town import build_town
from skyfix.world.waypoints import Place, Waypoint

_SCALE_SPAN_M = 200.0
"""Ground metres a pixel are measured over so much of the map around a camera."""
_LARGEST_HOUSE_M = 40.0
"""What stands up on less than this is a house or a tree, not the ground."""


@dataclass(frozen=True)
class Look:
    """How the ground looks on the day of the flight; None leaves it as the map shows it.

    Attributes:
        sun: azimuth (clockwise from the map's up) and elevation in degrees, in (5, 90].
        greenness: colour of plants, from -1 (dry, yellow) to 1 (lush).
        haze: share of scattered light in [0, 1).

    Raises:
        SkyfixError: a value out of range.
    """

    sun: tuple[float, float] | None = None
    greenness: float | None = None
    haze: float | None = None

    def __post_init__(self) -> None:
        checks = (
            ("sun elevation", self.sun[1] if self.sun else None, 5, 90, "above 5, up to 90 deg"),
            ("greenness", self.greenness, -1, 1, "-1 (dry) to 1 (lush)"),
            ("haze", self.haze, 0, 0.99, "0 (clear) to 0.99"),
        )
        for name, value, low, high, valid in checks:
            if value is not None and not low <= value <= high:
                raise SkyfixError(f"The {name} is {value:g}, out of range. Valid: {valid}.")

    def changes(self, epoch: Epoch) -> Epoch:
        """The epoch with what this look sets."""
        azimuth, elevation = self.sun or (epoch.sun_azimuth_deg, epoch.sun_elevation_deg)
        return replace(
            epoch,
            sun_azimuth_deg=azimuth,
            sun_elevation_deg=elevation,
            greenness=epoch.greenness if self.greenness is None else self.greenness,
            haze=epoch.haze if self.haze is None else self.haze,
        )


class Scene:
    """Ground that photos are taken of.

    Args:
        surface: the map, its heights and where it lies.
        relief: the ground on the day of the flight, in the surface's frame, with heights from
            ``base_m``.
        base_m: height of the relief's plane above the zero of the height model.
    """

    def __init__(self, surface: Surface, relief: Relief, base_m: float) -> None:
        self.surface = surface
        self._relief = relief
        self._base_m = base_m
        self._ground, self._ground_gsd_m = _bare_ground(surface)
        rim = np.pad(surface.valid.astype(np.uint8), 1)
        self._inside_px = cv2.distanceTransform(rim, cv2.DIST_L2, 3)[1:-1, 1:-1]

    @classmethod
    def of_ortho(
        cls, ortho: Path | str, dsm: Path | str | None = None, look: Look | None = None
    ) -> "Scene":
        """An orthophoto over its heights, or over a plane without any.

        Raises:
            RasterError: what ``read_surface`` refuses.
        """
        surface = read_surface(ortho, dsm)
        base_m = float(surface.height_m.min())
        heights = surface.height_m - np.float32(base_m)
        rgb = surface.rgb
        if look is not None and look != Look():
            epoch = look.changes(replace(DRONE, greenness=0.0, warmth=0.0))
            relit = look.sun is not None
            rgb = on_another_day(rgb, heights, surface.height_gsd_m, epoch, relit)
        beyond = rgb[surface.valid][::97].mean(axis=0)
        relief = Relief(rgb, surface.gsd_m, heights, surface.height_gsd_m, beyond)
        return cls(surface, relief, base_m)

    @classmethod
    def of_town(
        cls, seed: int, size_m: float = 1000.0, gsd_m: float = 0.4, look: Look | None = None
    ) -> "Scene":
        """The made-up town of a seed, with its map of another day than that of the flight.

        Raises:
            SkyfixError: a size that cannot be built.
        """
        town = build_town(seed, size_m, gsd_m)
        epoch = (look or Look()).changes(DRONE)
        satellite, drone = illuminate(town, SATELLITE), illuminate(town, epoch)
        height, width = town.height_m.shape
        transform = Affine(gsd_m, 0.0, town.left_m, 0.0, -gsd_m, town.top_m)
        geo = GeoReference(CRS.from_epsg(town.epsg), transform, width, height)
        valid = np.ones((height, width), bool)
        surface = Surface(geo, gsd_m, satellite.rgb, valid, satellite.height_m, gsd_m)
        return cls(surface, town_relief(town, drone, epoch), 0.0)

    def photo(
        self, at: Waypoint, size_px: tuple[int, int], rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """What the camera sees: (height, width, 3) uint8.

        Args:
            at: place and complete pose of the camera.
            size_px: (width, height).
            rng: for exposure, colour and noise of a small camera; None for a perfect one.

        Raises:
            SkyfixError: the pose is not complete.
        """
        rays = self._rays(at, size_px)
        seen = self._relief.view(self._origin(at), rays, focal_px(at.pose, size_px[0]))
        picture = np.clip(seen + 0.5, 0, 255).astype(np.uint8)
        return picture if rng is None else develop(picture, rng)

    def seen_at_centre(self, at: Waypoint) -> Place | None:
        """Where the optical axis meets the surface; None where it does not fall."""
        ray = self._rays(at, (1, 1))[0, 0]
        if ray[2] > -1e-3:
            return None
        x_m, y_m, up_m = (float(value) for value in self._relief.hit(self._origin(at), ray))
        gsd_m = self.surface.gsd_m
        lon, lat = self.surface.geo.lonlat(x_m / gsd_m, y_m / gsd_m)
        return Place(float(lon), float(lat), up_m + self._base_m)

    def tile(self, place: Place, side_m: float, side_px: int) -> np.ndarray:
        """The map's square of ``side_m`` around a place, map north up: (S, S, 3) uint8."""
        column, row = self._pixel(place.lon, place.lat)
        scale = self.surface.geo.scale(column, row)
        side = max(1, round(side_m / float(scale.x_m)))
        crop = cv2.getRectSubPix(self.surface.rgb, (side, side), (column - 0.5, row - 0.5))
        shrinks = side >= side_px
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(crop, (side_px, side_px), interpolation=method)

    def place(self, lon: float, lat: float) -> Place:
        """The ground at a position: what the surface would be without houses and trees."""
        column, row = self._pixel(lon, lat)
        per_cell = self._ground_gsd_m / self.surface.gsd_m
        rows, columns = self._ground.shape
        i = int(np.clip(row / per_cell, 0, rows - 1))
        j = int(np.clip(column / per_cell, 0, columns - 1))
        return Place(lon, lat, float(self._ground[i, j]))

    def room_m(self, place: Place) -> float:
        """How far the map goes on around a place in every direction, metres."""
        column, row = (int(value) for value in self._pixel(place.lon, place.lat))
        rows, columns = self._inside_px.shape
        if not (0 <= column < columns and 0 <= row < rows):
            return 0.0
        return float(self._inside_px[row, column]) * self.surface.gsd_m

    def grid(self, spacing_m: float, room_m: float) -> list[Place]:
        """Places in rows from the upper left, ``spacing_m`` apart, with room around them."""
        geo, step = self.surface.geo, spacing_m / self.surface.gsd_m
        columns, rows = (
            np.arange(size % step / 2, size + 1e-6, step) for size in (geo.width_px, geo.height_px)
        )
        lon, lat = geo.lonlat(columns[None, :], rows[:, None])
        lon, lat = np.broadcast_arrays(lon, lat)
        places = [self.place(float(x), float(y)) for x, y in zip(lon.flat, lat.flat, strict=True)]
        return [place for place in places if self.room_m(place) >= room_m]

    def _pixel(self, lon: float, lat: float) -> tuple[float, float]:
        column, row = self.surface.geo.pixel(lon, lat)
        return float(column), float(row)

    def _origin(self, at: Waypoint) -> np.ndarray:
        column, row = self._pixel(at.lon, at.lat)
        gsd_m = self.surface.gsd_m
        return np.array([column * gsd_m, row * gsd_m, at.above_sea_m - self._base_m], np.float32)

    def _rays(self, at: Waypoint, size_px: tuple[int, int]) -> np.ndarray:
        """Rays in the surface's frame, whose metres differ a little from those on the ground."""
        if not at.pose.is_complete:
            raise SkyfixError(
                f"Cannot render {at.pose}: all of its angles and altitude are needed."
            )
        span = _SCALE_SPAN_M / self.surface.gsd_m
        scale = self.surface.geo.scale(*self._pixel(at.lon, at.lat), (span, span))
        heading_deg = float(at.pose.heading_deg or 0.0) - float(scale.heading_deg)
        rays = rays_of(replace(at.pose, heading_deg=heading_deg), *size_px)
        gsd_m = self.surface.gsd_m
        return rays * np.array([gsd_m / scale.x_m, gsd_m / scale.y_m, 1.0], np.float32)


def _bare_ground(surface: Surface) -> tuple[np.ndarray, float]:
    """The height model opened by more than houses, on a grid of about a metre."""
    times = max(1, round(1.0 / surface.height_gsd_m))
    rows, columns = (max(1, size // times) for size in surface.height_m.shape)
    coarse = cv2.resize(surface.height_m, (columns, rows), interpolation=cv2.INTER_AREA)
    gsd_m = surface.height_gsd_m * surface.height_m.shape[1] / columns
    side = max(1, round(_LARGEST_HOUSE_M / gsd_m)) | 1
    opened = cv2.morphologyEx(coarse, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return cv2.blur(opened, (side, side)), gsd_m
