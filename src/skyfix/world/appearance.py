"""How the same ground looks on two days: sun, shadows, season, cars, air."""

from dataclasses import dataclass

import cv2
import numpy as np

from skyfix.world.canvas import Cover
from skyfix.world.noise import smooth_noise
from skyfix.world.town import Town

_CAR_COLOURS = np.array(
    [
        (222, 224, 226), (196, 200, 204), (140, 144, 148), (64, 66, 70), (36, 38, 42),
        (134, 38, 34), (46, 70, 112), (92, 100, 96), (176, 168, 150), (60, 84, 70),
    ],
    np.float32,
)  # fmt: skip
_STEEPEST = 1.3
"""Slopes beyond this are walls: they do not show from above."""
_SKY_SHARE, _BRIGHT = 0.48, 1.14
"""Light of the sky alone, and of sky and sun, on level ground."""
_SEASON = (-0.16, 0.02, -0.06)
"""How lush growth changes red, green and blue of plants."""
_OVERLAID_SHADOW, _OVERLAID_SLOPES = 0.4, (0.8, 1.2)
"""How strongly another sun is laid over a photo that has shadows of its own."""
_CAR_M = (4.4, 1.85)
_CAR_HEIGHT_M = 1.5


@dataclass(frozen=True)
class Epoch:
    """A day: light, season and traffic.

    Attributes:
        seed: for the cars and the growth of plants, together with the town's own content.
        sun_azimuth_deg: where the light comes from, clockwise from the map's up direction.
        sun_elevation_deg: height of the sun above the horizon, in (5, 90].
        greenness: colour of plants, from -1 (dry, yellow) to 1 (lush).
        warmth: colour of the light, from -1 (blue) to 1 (yellow).
        occupancy: share of the places for cars that are taken.
        haze: share of scattered light in [0, 1), 0 is clear air.
        blur_px: Gaussian blur of the picture in pixels, 0 for none.
    """

    seed: int
    sun_azimuth_deg: float
    sun_elevation_deg: float
    greenness: float
    warmth: float
    occupancy: float
    haze: float = 0.0
    blur_px: float = 0.0

    @property
    def to_sun(self) -> np.ndarray:
        """Unit vector (3,) towards the sun: x right, y down the map, z up."""
        azimuth, elevation = np.radians([self.sun_azimuth_deg, self.sun_elevation_deg])
        flat = np.cos(elevation)
        return np.array(
            [np.sin(azimuth) * flat, -np.cos(azimuth) * flat, np.sin(elevation)], np.float64
        )


SATELLITE = Epoch(
    seed=1, sun_azimuth_deg=152, sun_elevation_deg=52, greenness=-0.15, warmth=0.1,
    occupancy=0.45, haze=0.10, blur_px=0.6,
)  # fmt: skip
"""Late morning in early summer, seen through the whole atmosphere."""
DRONE = Epoch(
    seed=2, sun_azimuth_deg=238, sun_elevation_deg=43, greenness=0.2, warmth=0.25, occupancy=0.6
)
"""Afternoon of another month, clear air."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A town on a day.

    Attributes:
        rgb: (H, W, 3) uint8, lit, seen from straight above.
        height_m: (H, W) float32, with the cars.
    """

    rgb: np.ndarray
    height_m: np.ndarray


def illuminate(town: Town, epoch: Epoch) -> Ground:
    """The town's ground in the light of an epoch, with its cars and shadows."""
    rng = np.random.default_rng(epoch.seed)
    rgb, height_m = town.rgb.copy(), town.height_m.copy()
    _season(rgb, town.cover, epoch, town.gsd_m, rng)
    _park_cars(rgb, height_m, town, epoch, rng)
    lit = _lit(rgb, height_m, town.gsd_m, epoch)
    return Ground(_through_air(lit, epoch), height_m)


def on_another_day(
    rgb: np.ndarray, height_m: np.ndarray, height_gsd_m: float, epoch: Epoch, relit: bool
) -> np.ndarray:
    """An orthophoto in the season, the air and, if ``relit``, the sun of an epoch.

    What is greener than grey counts as plants. The light that the orthophoto was taken in stays
    in it: the epoch's shadows and slopes are laid over it, softened.

    Args:
        rgb: (H, W, 3) uint8, as the map shows it.
        height_m: (h, w) float32 of the same ground, from 0.
        height_gsd_m: size of its pixels.
        epoch: the day; its seed and traffic are not used.
        relit: whether the sun of the epoch throws shadows.

    Returns:
        (H, W, 3) uint8.
    """
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    plants = np.clip(10 * (2 * green - red - blue) / (red + green + blue + 1), 0, 1)
    light = _sunlight(height_m, height_gsd_m, epoch) if relit else np.ones((1, 1), np.float32)
    light = cv2.resize(light, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    warm = (1 + 0.06 * epoch.warmth, 1.0, 1 - 0.10 * epoch.warmth)
    changed = np.empty_like(rgb)
    for channel, plane in enumerate((red, green, blue)):
        season = 1 + (2 * _SEASON[channel] * epoch.greenness) * plants
        changed[..., channel] = np.clip(plane * season * light * warm[channel] + 0.5, 0, 255)
    return _through_air(changed, epoch)


def cast_shadows(
    height_m: np.ndarray, gsd_m: float, sun_azimuth_deg: float, sun_elevation_deg: float
) -> np.ndarray:
    """Which pixels (H, W) bool of a height model lie in shadow.

    A point is in shadow when somewhere towards the sun the surface stands above the line to
    the sun. The highest such surface is gathered by doubling: the maximum over 2^k steps is that
    over two runs of 2^(k - 1), so a shadow of n pixels takes log2(n) passes.
    """
    azimuth = np.radians(sun_azimuth_deg)
    step = np.array([np.sin(azimuth), -np.cos(azimuth)])
    fall_m = gsd_m * np.tan(np.radians(sun_elevation_deg))
    reach_px = float(height_m.max(initial=0.0)) / fall_m + 1
    horizon = _towards_sun(height_m, step, fall_m)
    length = 1
    while length < reach_px:
        np.maximum(horizon, _towards_sun(horizon, step * length, fall_m * length), out=horizon)
        length *= 2
    return horizon > height_m + 0.05


def develop(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a small camera makes of a rendered photo (H, W, 3) uint8: exposure, colour, noise.

    Exposure varies by a tenth, white balance by three hundredths, the corners darken by a tenth,
    and the noise is that of a bright day.
    """
    height, width = photo.shape[:2]
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    vignette = (1 - 0.05 * (x**2 + y**2)).astype(np.float32)
    gain = (rng.uniform(0.95, 1.12) * (1 + rng.normal(0, 0.02, 3))).astype(np.float32)
    noise = rng.standard_normal(photo.shape, dtype=np.float32)
    taken = 3.5 * cv2.GaussianBlur(noise, (0, 0), 0.6) + 0.5
    taken += photo * (vignette[..., None] * gain)
    return np.clip(taken, 0, 255).astype(np.uint8)


def _towards_sun(height_m: np.ndarray, offset_px: np.ndarray, fall_m: float) -> np.ndarray:
    """Heights found ``offset_px`` (x, y) away, lowered by ``fall_m``; 0 outside."""
    matrix = np.array([[1, 0, offset_px[0]], [0, 1, offset_px[1]]], np.float64)
    rows, columns = height_m.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(height_m, matrix, (columns, rows), flags=flags) - np.float32(fall_m)


def _lit(rgb: np.ndarray, height_m: np.ndarray, gsd_m: float, epoch: Epoch) -> np.ndarray:
    """The colours (H, W, 3) uint8 under sun, shadows, and sky light that walls keep out.

    Level ground in the sun keeps the colours it was painted with.
    """
    sun_x, sun_y, sun_z = (float(value) for value in epoch.to_sun)
    slope_x = cv2.Sobel(height_m, cv2.CV_32F, 1, 0, scale=1 / (8 * gsd_m))
    slope_y = cv2.Sobel(height_m, cv2.CV_32F, 0, 1, scale=1 / (8 * gsd_m))
    steep = cv2.magnitude(slope_x, slope_y)
    is_wall = steep > _STEEPEST
    direct = 1 - (sun_x / sun_z) * slope_x - (sun_y / sun_z) * slope_y
    direct /= cv2.sqrt(1 + steep**2)
    direct[is_wall] = 1
    shadow = cast_shadows(height_m, gsd_m, epoch.sun_azimuth_deg, epoch.sun_elevation_deg)
    direct = np.clip(direct, 0, 1.6) * cv2.blur(np.where(shadow, np.float32(0), 1), (3, 3))
    reach = 2 * round(2.5 / gsd_m) + 1
    enclosed = np.clip(cv2.blur(height_m, (reach, reach)) - height_m, 0, 6)
    ambient = _SKY_SHARE * (1 - 0.06 * enclosed)
    sunlight = (1 + 0.06 * epoch.warmth, 1.0, 1 - 0.10 * epoch.warmth)
    lit = np.empty_like(rgb)
    for channel, (sun, sky) in enumerate(zip(sunlight, (0.92, 1.0, 1.14), strict=True)):
        light = direct * ((_BRIGHT - _SKY_SHARE) * sun) + ambient * sky
        lit[..., channel] = np.clip(rgb[..., channel] * light, 0, 255)
    return lit


def _sunlight(height_m: np.ndarray, gsd_m: float, epoch: Epoch) -> np.ndarray:
    """Brightness (h, w) float32 around 1 of slopes and shadows under the epoch's sun."""
    sun_x, sun_y, sun_z = (float(value) for value in epoch.to_sun)
    smooth = cv2.GaussianBlur(height_m, (0, 0), max(0.5, 0.6 / gsd_m))
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / (8 * gsd_m))
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / (8 * gsd_m))
    slopes = np.clip(1 - (sun_x * slope_x + sun_y * slope_y) / (2 * sun_z), *_OVERLAID_SLOPES)
    shadow = cast_shadows(height_m, gsd_m, epoch.sun_azimuth_deg, epoch.sun_elevation_deg)
    return slopes * (1 - _OVERLAID_SHADOW * cv2.blur(shadow.astype(np.float32), (3, 3)))


def _through_air(lit: np.ndarray, epoch: Epoch) -> np.ndarray:
    """The ground as haze and lens of an epoch leave it."""
    if epoch.haze:
        air = np.full_like(lit, (172, 184, 196))
        lit = cv2.addWeighted(lit, 1 - epoch.haze, air, epoch.haze, 0)
    return cv2.GaussianBlur(lit, (0, 0), epoch.blur_px) if epoch.blur_px else lit


def _season(
    rgb: np.ndarray, cover: np.ndarray, epoch: Epoch, gsd_m: float, rng: np.random.Generator
) -> None:
    """Shift plants between yellow and green; crops change field by field, trees least."""
    amount = np.zeros(256, np.float32)
    amount[[Cover.GRASS, Cover.FIELD, Cover.TREE]] = (1.0, 1.3, 0.7)
    patches = smooth_noise(rng, (cover.shape[0], cover.shape[1]), 90 / gsd_m)
    share = cv2.LUT(cover, amount) * (epoch.greenness + 0.25 * patches)
    for channel, gain in enumerate(_SEASON):
        rgb[..., channel] = np.clip(rgb[..., channel] * (1 + gain * share), 0, 255)


def _park_cars(
    rgb: np.ndarray, height_m: np.ndarray, town: Town, epoch: Epoch, rng: np.random.Generator
) -> None:
    """Cars on a share of the slots: body, glass, and height for their shadows."""
    painted = rgb.copy()
    taken = town.car_slots[rng.random(len(town.car_slots)) < epoch.occupancy]
    colours = _CAR_COLOURS[rng.integers(len(_CAR_COLOURS), size=len(taken))]
    sizes = rng.normal(1, 0.05, len(taken))
    for (x, y, angle), colour, size in zip(taken, colours, sizes, strict=True):
        length, width = _CAR_M[0] * size, _CAR_M[1] * size
        body = _corners(x, y, angle, length, width)
        _fill(rgb, body, colour, town.gsd_m)
        for glass_at in (0.16, -0.30):
            offset = glass_at * length
            glass = _corners(
                x + offset * np.cos(angle), y + offset * np.sin(angle), angle, 0.6, width * 0.85
            )
            _fill(rgb, glass, colour * 0.25 + 24, town.gsd_m)
        points = np.round((body / town.gsd_m - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(height_m, points, _CAR_HEIGHT_M, cv2.LINE_8, 4)
    # Crowns hang over parked cars.
    hidden = town.height_m > _CAR_HEIGHT_M
    np.copyto(height_m, town.height_m, where=hidden)
    np.copyto(rgb, painted, where=hidden[..., None])


def _corners(x: float, y: float, angle: float, length: float, width: float) -> np.ndarray:
    along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * width / 2
    return np.array([x, y]) + np.stack(
        [-along - across, along - across, along + across, across - along]
    )


def _fill(rgb: np.ndarray, corners_m: np.ndarray, colour: np.ndarray, gsd_m: float) -> None:
    points = np.round((corners_m / gsd_m - 0.5) * 16).astype(np.int32)
    triple = [int(value) for value in colour]
    cv2.fillConvexPoly(rgb, points, triple, cv2.LINE_AA, 4)
