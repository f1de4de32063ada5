"""A particle filter over the tiles: for starts where several places look right, and for losses.

Each particle is a place and a velocity; a frame weighs it by the scores of the tiles around it,
so several places stay possible until one of them holds. A few particles are drawn anew from each
frame's posterior, which finds a drone that was lost.
Source: Thrun, Burgard, Fox, Probabilistic Robotics (2005), chapters 4.3 (particle filter) and
8.3 (Monte Carlo localization, its low-variance sampler and random particles).
"""

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from skyfix.gallery import Gallery
from skyfix.gallery.layer import Layer
from skyfix.localize.fix import Fix
from skyfix.localize.moving import Motion, Plane, ahead_m, lost, moved
from skyfix.localize.posterior import TEMPERATURE, Estimate, estimate
from skyfix.localize.prepare import Prepared
from skyfix.localize.scales import joint_posterior

PARTICLES = 3000
DRAWN_ANEW = 0.05
"""Part of the particles that is drawn from each frame's posterior."""

MIN_CONFIDENCE = 0.5
"""The cloud is compact, and the photo located, when so much of it lies within half a tile."""

_NEIGHBOURS = 4
_SPREAD = "The places that are possible lie too far apart."


class ParticleFilter:
    """Filters scores of tiles in the order of time.

    Like ``FixFilter`` it follows the camera where poses are complete. Frames are weighed by the
    tiles of the sizes that they fit.

    Args:
        gallery: whose tiles are scored.
        motion: how the drone moves.
        seed: of the random draws; the same seed gives the same fixes.
    """

    def __init__(self, gallery: Gallery, motion: Motion | None = None, seed: int = 0) -> None:
        tiles = gallery.tiles
        self._motion, self._random = motion or Motion(), np.random.default_rng(seed)
        self._plane = Plane(float(tiles.lon[0]), float(tiles.lat[0]))
        self._sizes = [_Size(layer, self._plane) for layer in gallery.layers]
        self._size = self._sizes[-1]
        """The one that says how near is near; a frame that shows nothing leaves it as it was."""
        self._cloud: np.ndarray | None = None
        self._weights = np.full(PARTICLES, 1 / PARTICLES)
        self._follows_camera = False
        self._time_s = 0.0

    def step(self, fix: Fix, photo: Prepared, scores: np.ndarray) -> Fix:
        """The filtered fix of the next frame.

        Args:
            fix: measured, with ``time_s``; times must not decrease.
            photo: its pose is used, and its size for the footprint.
            scores: (T,) of all tiles of the sizes that the photo fits, one size after the other.

        Returns:
            Method "filter"; not located while the cloud is spread out.
        """
        ahead, time_s = ahead_m(photo.pose), float(fix.time_s or 0.0)
        step_s = time_s - self._time_s
        shift = np.zeros(2) if ahead is None else ahead
        view = _View([self._sizes[size] for size in photo.fits], scores)
        if photo.views:
            self._size = view.best
        if self._cloud is None or self._follows_camera != (ahead is not None):
            self._follows_camera = ahead is not None
            self._cloud = self._drawn(view, shift, PARTICLES)
        else:
            self._move(self._cloud, step_s)
            # Frames that show the same ground err alike: each gets its share of one.
            share = float(np.clip(step_s / self._motion.memory_s, 0.0, 1.0))
            self._weigh(share * view.scores_at(self._cloud[:, :2] + shift))
            self._resample(view, shift)
        self._time_s = time_s
        found = self._estimate(shift)
        if found.confidence < MIN_CONFIDENCE:
            return lost(fix, _SPREAD, "filter", found.confidence)
        radii_m = found.accuracy_m, found.accuracy_95_m
        return moved(fix, photo, (found.lon, found.lat), radii_m, found.confidence, "filter")

    def restart(self, fix: Fix, photo: Prepared) -> None:
        """Begin at a located fix instead of anywhere."""
        if fix.lon is None or fix.lat is None or fix.accuracy_m is None:
            return
        ahead = ahead_m(photo.pose)
        place = self._plane.metres(fix.lon, fix.lat) - (0.0 if ahead is None else ahead)
        spread_m = self._random.normal(size=(PARTICLES, 2)) * fix.accuracy_m
        self._cloud = np.hstack([place + spread_m, self._velocities(PARTICLES)])
        self._follows_camera, self._time_s = ahead is not None, float(fix.time_s or 0.0)

    def _drawn(self, view: "_View", shift: np.ndarray, count: int) -> np.ndarray:
        """Particles (count, 4) from the posterior over tiles, anywhere within a stride."""
        tiles = self._random.choice(len(view.likely), count, p=view.likely)
        within = self._random.uniform(-0.5, 0.5, (count, 2)) * view.strides_m[tiles, None]
        return np.hstack([view.places[tiles] + within - shift, self._velocities(count)])

    def _velocities(self, count: int) -> np.ndarray:
        return self._random.normal(size=(count, 2)) * self._motion.speed_m_s

    def _move(self, cloud: np.ndarray, step_s: float) -> None:
        kick = self._random.normal(size=(len(cloud), 2))
        kick *= np.sqrt(self._motion.acceleration * max(step_s, 0.0))
        cloud[:, :2] += step_s * (cloud[:, 2:] + kick / 2)
        cloud[:, 2:] += kick

    def _weigh(self, scores: np.ndarray) -> None:
        likelihood = np.exp((scores - scores.max()) / TEMPERATURE)
        self._weights = self._weights * likelihood
        self._weights /= self._weights.sum()

    def _resample(self, view: "_View", shift: np.ndarray) -> None:
        assert self._cloud is not None
        if 1 / np.sum(self._weights**2) > PARTICLES / 2:
            return
        kept = PARTICLES - int(DRAWN_ANEW * PARTICLES)
        ticks = (self._random.uniform() + np.arange(kept)) / kept
        chosen = np.searchsorted(np.cumsum(self._weights), ticks)
        survivors = self._cloud[np.minimum(chosen, PARTICLES - 1)]
        self._cloud = np.concatenate([survivors, self._drawn(view, shift, PARTICLES - kept)])
        self._weights = np.full(PARTICLES, 1 / PARTICLES)

    def _estimate(self, shift: np.ndarray) -> Estimate:
        assert self._cloud is not None
        lon, lat = self._plane.degrees(self._cloud[:, :2] + shift)
        return estimate(lon, lat, self._weights, self._size.tile_m / 2, self._size.stride_m)


class _Size:
    """Where the tiles of one size lie, metres."""

    def __init__(self, layer: Gallery | Layer, plane: Plane) -> None:
        self.tile_m, self.stride_m = layer.tile_m, layer.stride_m
        self.places = plane.metres(layer.tiles.lon, layer.tiles.lat)
        self._tree = cKDTree(self.places)

    def scores_at(self, ground_m: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores (N,) between the tiles around ground points (N, 2); average off the map."""
        reach_m = 1.5 * self.stride_m
        away_m, rows = self._tree.query(ground_m, _NEIGHBOURS, distance_upper_bound=reach_m)
        nearness = np.maximum(1 - away_m / reach_m, 0.0)
        held = np.append(scores, 0.0)[np.minimum(rows, len(scores))]
        total = nearness.sum(axis=1)
        return (nearness * held).sum(axis=1) / np.maximum(total, 1e-9)


class _View:
    """What one frame says of the tiles (T,) of the sizes that it fits."""

    def __init__(self, sizes: list[_Size], scores: np.ndarray) -> None:
        counts = [len(size.places) for size in sizes]
        self._sizes, self._scores = sizes, np.split(scores, np.cumsum(counts)[:-1])
        self.likely, best = joint_posterior(self._scores, [size.stride_m for size in sizes])
        self.best = sizes[best]
        self.places = np.concatenate([size.places for size in sizes])
        self.strides_m = np.repeat([size.stride_m for size in sizes], counts)

    def scores_at(self, ground_m: np.ndarray) -> np.ndarray:
        """Scores (N,) of ground points (N, 2); of several sizes any may be the right one."""
        each = [
            size.scores_at(ground_m, scores)
            for size, scores in zip(self._sizes, self._scores, strict=True)
        ]
        return TEMPERATURE * logsumexp(np.array(each) / TEMPERATURE, axis=0)
