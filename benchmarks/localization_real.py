"""Localization on real flights: recall of tiles, error and honesty of fixes.

``ariel`` (oblique, 45 degrees) and ``fongyuan`` (nadir) build a gallery of the flight's map with
a system and locate its photos, knowing more of the camera from row to row.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize import Fix, locate_many

LonLat = tuple[float, float]


@dataclass(frozen=True)
class Shot:
    """A photo, its camera and what its fix is compared with (lon, lat)."""

    path: Path
    pose: Pose
    truth: LonLat


@dataclass(frozen=True)
class Row:
    """How well photos were found with one kind of knowledge about the camera.

    Attributes:
        known: what was known.
        recall: percent of photos of which one of the first K tiles lies within a radius,
            by (K, radius in metres).
        tile_median_m: median error of the best tile's centre, all photos.
        fix_median_m: median error of the fixes, located photos only.
        located: percent of photos with a fix.
        right: percent of fixes within half a tile of the truth.
        held: percent of fixes that are no farther from the truth than their accuracy.
        photos: number of photos.
    """

    known: str
    recall: dict[tuple[int, int], float]
    tile_median_m: float
    fix_median_m: float
    located: float
    right: float
    held: float
    photos: int


def ariel(
    system: str | Path,
    shared: Path,
    work: Path,
    clean: bool = True,
    knows: Sequence[str] = (),
    dims: int | None = None,
) -> list[Row]:
    """Oblique frames against 200-m tiles at 50-m stride; truth is the nominal ground point.

    Args:
        system: registered name with weights, or checkpoint folder.
        shared: the optional data folder.
        work: galleries are kept here and used again.
        clean: only frames of steady flight, of which the heading is trusted.
        knows: rows wanted, of ``KNOWLEDGE``; by default those that are quick.
        dims: length that descriptors are reduced to; None to keep them whole.
    """
    folder = shared / "data" / "ariel"
    flight = folder / "flights" / "v17"
    shots = [
        Shot(
            flight / row["file"],
            Pose(float(row["heading_deg"]), float(row["pitch_deg"]), float(row["rel_alt_m"]), 73.7),
            (float(row["ground_lon"]), float(row["ground_lat"])),
        )
        for row in _table(flight / "frames.csv")
        if row["clean"] == "1" or not clean
    ]
    embedder = Embedder(system)
    gallery = _gallery(folder / "map.tif", work / "ariel", embedder, 200.0, 50.0, dims)
    return [_row(shots, gallery, embedder, known, (50, 100)) for known in knows or QUICK]


def fongyuan(
    system: str | Path,
    shared: Path,
    work: Path,
    truth: str = "drone",
    knows: Sequence[str] = (),
    dims: int | None = None,
) -> list[Row]:
    """Nadir photos against 100-m tiles at 25-m stride.

    Args:
        system, shared, work, knows, dims: as for ``ariel``.
        truth: ``drone`` compares with the drone's position (the protocol), ``centre`` with the
            photo's centre, known for 26 of the 30 photos.
    """
    folder = shared / "data" / "fongyuan"
    lon, lat = ("centre_lon", "centre_lat") if truth == "centre" else ("lon", "lat")
    shots = [
        Shot(
            folder / row["file"],
            Pose(float(row["yaw_deg"]), float(row["pitch_deg"]), float(row["rel_alt_m"]), 70.0),
            (float(row[lon]), float(row[lat])),
        )
        for row in _table(folder / "photos.csv")
        if row[lon]
    ]
    embedder = Embedder(system)
    gallery = _gallery(folder / "map.tif", work / "fongyuan", embedder, 100.0, 25.0, dims)
    return [_row(shots, gallery, embedder, known, (25, 50)) for known in knows or QUICK]


KNOWLEDGE = {
    "photo as it is": lambda pose: Pose(heading_deg=0.0),
    "nothing": lambda pose: Pose(),
    "heading": lambda pose: Pose(heading_deg=pose.heading_deg),
    "heading and scale": lambda pose: Pose(pose.heading_deg, None, pose.altitude_m, pose.hfov_deg),
    "all but heading": lambda pose: Pose(None, pose.pitch_deg, pose.altitude_m, pose.hfov_deg),
    "full pose": lambda pose: pose,
}
"""What of a pose is handed on. ``photo as it is`` takes the photo's top for north, ``nothing``
tries several headings."""

QUICK = ("photo as it is", "nothing", "heading", "full pose")


def _row(
    shots: Sequence[Shot],
    gallery: Gallery,
    embedder: Embedder,
    known: str,
    radii_m: tuple[int, int],
) -> Row:
    fixes = locate_many(
        [shot.path for shot in shots],
        gallery,
        poses=[KNOWLEDGE[known](shot.pose) for shot in shots],
        k=5,
        embedder=embedder,
        register=False,
    )
    tiles_m = np.array(
        [
            [float(distance_m(one.lon, one.lat, *shot.truth)) for one in fix.candidates]
            for fix, shot in zip(fixes, shots, strict=True)
        ]
    )
    errors_m, accuracy_m = _errors(fixes, shots)
    return Row(
        known,
        {
            (k, radius_m): _percent((tiles_m[:, :k] <= radius_m).any(axis=1))
            for radius_m in radii_m
            for k in (1, 5)
        },
        float(np.median(tiles_m[:, 0])),
        float(np.median(errors_m)) if len(errors_m) else float("nan"),
        100.0 * len(errors_m) / len(shots),
        _percent(errors_m <= gallery.tile_m / 2),
        _percent(errors_m <= accuracy_m),
        len(shots),
    )


def _errors(fixes: Sequence[Fix], shots: Sequence[Shot]) -> tuple[np.ndarray, np.ndarray]:
    """Error and claimed accuracy of the fixes of located photos, metres."""
    pairs = [
        (float(distance_m(fix.lon, fix.lat, *shot.truth)), fix.accuracy_m)
        for fix, shot in zip(fixes, shots, strict=True)
        if fix.lon is not None and fix.lat is not None and fix.accuracy_m is not None
    ]
    errors, accuracies = np.array(pairs).reshape(-1, 2).T
    return errors, accuracies


def _percent(hits: np.ndarray) -> float:
    return 100.0 * float(hits.mean()) if len(hits) else float("nan")


def _gallery(
    map_path: Path,
    work: Path,
    embedder: Embedder,
    tile_m: float,
    stride_m: float,
    dims: int | None,
) -> Gallery:
    out = work / f"{embedder.identity[:16]}{f'-{dims}' if dims else ''}"
    return Gallery.build(map_path, out, embedder, tile_m, stride_m, dims=dims)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
