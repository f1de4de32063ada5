"""A town on the day of the satellite and on the day of the drone."""

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from skyfix.world.appearance import DRONE, SATELLITE, Ground, develop, illuminate
from skyfix.world.flights import Shot
from skyfix.world.render import Renderer
from skyfix.world.town import Town, build_town

MARGIN_M = 60.0
"""Ground at the town's rim without places: it is seen at the far end of oblique views."""


def places_along(size_m: float, place_m: float) -> int:
    """How many places of ``place_m`` fit beside each other inside the margins of a town."""
    # Half a metre of slack: a town's side is a whole number of pixels.
    return int(max(size_m - 2 * MARGIN_M + 0.5, 0) // place_m)


@dataclass(frozen=True, eq=False)
class Scenery:
    """Satellite tiles and drone photos of one town."""

    town: Town
    satellite: Ground
    renderer: Renderer

    @classmethod
    def build(cls, seed: int, size_m: float, gsd_m: float, pool: Executor) -> "Scenery":
        """Build the town of a seed, ``size_m`` a side, and light it for both days."""
        town = build_town(seed, size_m, gsd_m)
        drone, satellite = pool.map(lambda epoch: illuminate(town, epoch), (DRONE, SATELLITE))
        return cls(town, satellite, Renderer(town, drone, DRONE))

    def squares(self, place_m: float, rng: np.random.Generator) -> list[tuple[float, float]]:
        """Centres (x_m, y_m) of squares side by side inside the margin, in random order."""
        counts = [places_along(side_m, place_m) for side_m in self.town.size_m]
        columns, rows = np.meshgrid(*(np.arange(count) for count in counts))
        centres = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
        centres = centres * place_m + MARGIN_M
        return [(float(x), float(y)) for x, y in rng.permutation(centres)]

    def tile(self, x_m: float, y_m: float, side_m: float, side_px: int) -> Image.Image:
        """The satellite's north-up square of ``side_m`` around a point."""
        gsd_m = self.town.gsd_m
        side = round(side_m / gsd_m)
        centre = (x_m / gsd_m - 0.5, y_m / gsd_m - 0.5)
        crop = cv2.getRectSubPix(self.satellite.rgb, (side, side), centre)
        return Image.fromarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA))

    def photo(self, shot: Shot, size_px: tuple[int, int], rng: np.random.Generator) -> Image.Image:
        """The drone's photo of a shot, (width, height) pixels, with a camera's noise."""
        width, height = size_px
        rendered = self.renderer.photo(shot.pose, shot.x_m, shot.y_m, width, height)
        return Image.fromarray(develop(rendered, rng))
