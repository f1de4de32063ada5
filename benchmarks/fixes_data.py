"""Flights, galleries and findings for the benchmark of fixes."""

import csv
import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from kept_findings import read_findings, write_findings
from localization_real import KNOWLEDGE

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize.calibration import Calibration
from skyfix.localize.fix import Fix
from skyfix.localize.locate import Locator
from skyfix.localize.prepare import Prepared, prepare, prepare_many
from skyfix.localize.verdict import Finding, fix_of

LonLat = tuple[float, float]


@dataclass(frozen=True)
class Shot:
    """A photo, its camera, the ground point at its centre (lon, lat) and the drone's place.

    ``surveyed`` is False where the centre is not known and the drone's place stands for it.
    """

    path: Path
    pose: Pose
    centre: LonLat
    drone: LonLat
    surveyed: bool = True


@dataclass(frozen=True)
class Found:
    """What was found for a photo; ``finding`` is a Fix where it gives no evidence at all."""

    shot: Shot
    prepared: Prepared
    finding: Finding | Fix

    def fix(self, calibration: Calibration, registered: bool = True) -> Fix:
        """The fix, by the tiles alone or with registration."""
        finding = self.finding
        if isinstance(finding, Fix):
            return finding
        if not registered and finding.tiles is not None:
            finding = finding.tiles
        return fix_of(self.prepared, finding, calibration)


def error_m(place: LonLat, truth: LonLat) -> float:
    return float(distance_m(*place, *truth))


def fongyuan(shared: Path) -> list[Shot]:
    """All 30 photos in order of flight."""
    folder = shared / "data" / "fongyuan"
    shots = []
    for row in _table(folder / "photos.csv"):
        drone = float(row["lon"]), float(row["lat"])
        surveyed = bool(row["centre_lon"])
        centre = (float(row["centre_lon"]), float(row["centre_lat"])) if surveyed else drone
        pose = Pose(float(row["yaw_deg"]), float(row["pitch_deg"]), float(row["rel_alt_m"]), 70.0)
        shots.append(Shot(folder / row["file"], pose, centre, drone, surveyed))
    return shots


def ariel(shared: Path) -> list[Shot]:
    """Every second of the 140 clean frames, in order of flight."""
    folder = shared / "data" / "ariel" / "flights" / "v17"
    return [
        Shot(
            folder / row["file"],
            Pose(float(row["heading_deg"]), float(row["pitch_deg"]), float(row["rel_alt_m"]), 73.7),
            (float(row["ground_lon"]), float(row["ground_lat"])),
            (float(row["lon"]), float(row["lat"])),
        )
        for row in _table(folder / "frames.csv")
        if row["clean"] == "1"
    ][::2]


def gallery(name: str, shared: Path, work: Path, embedder: Embedder) -> Gallery:
    """``ariel``, ``fongyuan`` or ``joint``, which holds both and the twelve rural maps."""
    data = shared / "data"
    maps = {name: [data / name / "map.tif"] for name in ("ariel", "fongyuan")}
    maps["joint"] = [*maps["ariel"], *maps["fongyuan"], data / "wildnav_maps"]
    tile_m, stride_m = {"ariel": (200.0, 50.0), "fongyuan": (100.0, 25.0)}.get(name, (100.0, 50.0))
    return Gallery.build(
        maps[name], work / name / embedder.identity[:16], embedder, tile_m, stride_m
    )


def found(
    shots: Sequence[Shot], opened: Gallery, embedder: Embedder, known: str, register: bool
) -> list[Found]:
    """Findings of all photos, knowing part of the pose; kept beside the gallery, used again."""
    key = f"{[shot.path.name for shot in shots]} {shots[0].pose} {known} {register}"
    kept = opened.path.parent / f"found_{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"
    if not kept.exists():
        locator = Locator(opened, embedder, register=register)
        jobs = [(shot.path, KNOWLEDGE[known](shot.pose)) for shot in shots]
        prepared = prepare_many(jobs, locator.scales)
        write_findings([(photo, _finding(locator, photo)) for photo in prepared], kept)
    return [
        Found(shot, photo, finding)
        for shot, (photo, finding) in zip(shots, read_findings(kept), strict=True)
    ]


def _finding(locator: Locator, prepared: Prepared) -> Finding | Fix:
    return locator.find(prepared, locator.scores(prepared, *locator.embed([prepared])))


def latency(shots: Sequence[Shot], opened: Gallery, embedder: Embedder) -> dict[str, float]:
    """Median seconds of each stage, photo by photo, full pose."""
    locator = Locator(opened, embedder)
    spent: dict[str, list[float]] = {"read and rectify": [], "tiles": [], "registration": []}
    for number, shot in enumerate(shots):
        start = time.perf_counter()
        prepared = prepare(shot.path, shot.pose, locator.scales)
        ready = time.perf_counter()
        _finding(locator, replace(prepared, ground=None))
        tiles = time.perf_counter()
        _finding(locator, prepared)
        both = time.perf_counter()
        if number:  # The first one opens files and fills caches.
            spent["read and rectify"].append(ready - start)
            spent["tiles"].append(tiles - ready)
            spent["registration"].append(both - tiles - (tiles - ready))
    return {stage: statistics.median(values) for stage, values in spent.items()}


def halves(photos: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """The first half of a flight and the second: neighbours, which overlap, stay together."""
    middle = len(photos) // 2
    return list(photos[:middle]), list(photos[middle:])


def tile_errors_m(photos: Sequence[Found]) -> np.ndarray:
    """Distance (N, 5) of the best tiles' centres from the truth, metres."""
    return np.array(
        [
            [error_m((one.lon, one.lat), photo.shot.centre) for one in photo.finding.candidates]
            for photo in photos
        ]
    )


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
