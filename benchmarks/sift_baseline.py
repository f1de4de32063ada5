"""The classic baseline: SIFT features of the photo against those of the whole map."""

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from fixes_data import Shot, error_m

from skyfix.geo.crs import GeoReference
from skyfix.geo.raster import Raster
from skyfix.images import read_image

_MAP_FEATURES, _PHOTO_FEATURES = 30_000, 4_000
_RATIO, _INLIERS, _TOLERANCE_PX, _WIDTH_PX = 0.8, 15, 4.0, 960


class SiftOverMap:
    """RootSIFT (Arandjelovic and Zisserman, CVPR 2012), ratio test, homography by MAGSAC.

    Args:
        path: the map.
        gsd_m: metres a pixel it is reduced to.
    """

    def __init__(self, path: Path, gsd_m: float) -> None:
        with Raster(path) as raster:
            scale = raster.geo.scale(raster.width_px / 2, raster.height_px / 2)
            self._factor = max(1.0, gsd_m / float(scale.x_m))
            size = (
                round(raster.height_px / self._factor),
                round(raster.width_px / self._factor),
            )
            pixels, _ = raster.read(0, 0, raster.width_px, raster.height_px, size)
            self._geo: GeoReference = raster.geo
        self._points, descriptors = _features(pixels, _MAP_FEATURES)
        self._trees = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 64})
        self._trees.add([descriptors])
        self._trees.train()

    def place(self, photo: Path) -> tuple[float, float] | None:
        """Longitude and latitude of the photo's centre; None where too few features agree."""
        pixels = np.asarray(read_image(photo))
        height = round(pixels.shape[0] * _WIDTH_PX / pixels.shape[1])
        pixels = cv2.resize(pixels, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        points, descriptors = _features(pixels, _PHOTO_FEATURES)
        pairs = self._trees.knnMatch(descriptors, k=2)
        good = [one for one, second in pairs if one.distance < _RATIO * second.distance]
        if len(good) < _INLIERS:
            return None
        homography, inliers = cv2.findHomography(
            points[[one.queryIdx for one in good]],
            self._points[[one.trainIdx for one in good]],
            cv2.USAC_MAGSAC,
            _TOLERANCE_PX,
            maxIters=10_000,
            confidence=0.999,
        )
        if homography is None or int(inliers.sum()) < _INLIERS:
            return None
        x, y, w = homography @ [_WIDTH_PX / 2, height / 2, 1.0]
        lon, lat = self._geo.lonlat(x / w * self._factor, y / w * self._factor)
        return float(lon), float(lat)


def _features(pixels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    grey = cv2.createCLAHE(3.0, (8, 8)).apply(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    keypoints, descriptors = cv2.SIFT_create(nfeatures=most).detectAndCompute(grey, None)
    descriptors /= np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return np.float32([point.pt for point in keypoints]), np.sqrt(descriptors)


def sift_row(
    name: str, shots: Sequence[Shot], path: Path, gsd_m: float, reach_m: float
) -> list[str]:
    """Flight, photos, percent placed, percent within ``reach_m``, median error, seconds."""
    start = time.perf_counter()
    baseline = SiftOverMap(path, gsd_m)
    ready = time.perf_counter()
    places = [baseline.place(shot.path) for shot in shots]
    each_s = (time.perf_counter() - ready) / len(shots)
    errors_m = np.array(
        [
            error_m(place, shot.centre)
            for place, shot in zip(places, shots, strict=True)
            if place is not None and np.isfinite(place).all()
        ]
    )
    return [
        name,
        f"{len(shots)}",
        f"{100 * len(errors_m) / len(shots):.0f}",
        f"{100 * (errors_m <= reach_m).sum() / len(shots):.0f} ({reach_m:g} m)",
        f"{np.median(errors_m):.1f}" if len(errors_m) else "-",
        f"{ready - start:.1f}",
        f"{each_s:.2f}",
    ]
