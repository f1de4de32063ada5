"""Tracks of a real flight: single fixes, the filters and the smoother against the ground point.

Run with SKYFIX_SHARED set: ``python benchmarks/track_real.py runs/track``. The gallery is built
there once. The flight (``ariel``) is oblique, 45 degrees; its nominal ground points carry 10 to
40 m of error. Take-off is part of it: the first 37 frames stand still or climb from 20 m.
"""

import csv
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich import print as show
from rich.table import Table

from skyfix.gallery import Gallery
from skyfix.geo.camera import Pose
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.localize import Fix, TrackStep, open_frames, read_telemetry, track

RADII_M = (50, 100)
LENS = Pose(pitch_deg=-45.0, hfov_deg=73.7)
COLUMNS = {
    "measured": lambda step: step.measured,
    "filter": lambda step: step.filtered,
    "smoother": lambda step: step.smoothed,
}
Rows = Sequence[dict[str, str]]


def main(work: Path) -> None:
    folder = Path(os.environ["SKYFIX_SHARED"]) / "data" / "ariel"
    flight = folder / "flights" / "v17"
    embedder = Embedder("imagenet")
    gallery = Gallery.build(folder / "map.tif", work / "ariel", embedder, 200.0, 50.0)
    rows = _table(flight / "frames.csv")
    of_file = {row["file"]: row for row in rows}
    clip = [of_file[row["file"]] for row in _table(flight / "clip.csv")]
    table = Table("source", "frames", "fix", "located", *(f"< {m} m" for m in RADII_M),
                  "median m", "95 % m", "in 68 %", "in 95 %")  # fmt: skip
    for source, telemetry, truth in (
        (flight / "clip.mp4", flight / "clip.srt", clip),
        (flight / "frames", flight / "frames.csv", rows),
    ):
        recorded = read_telemetry(telemetry)
        frames = open_frames(source, time_of_file=dict(recorded.time_of_file))
        running = track(frames, gallery, recorded, pose=LENS, smooth=True, embedder=embedder)
        for _ in running:
            pass
        _add(table, source.name, running.smoothed(), truth)
    show(table)


def _add(table: Table, source: str, steps: Sequence[TrackStep], truth: Rows) -> None:
    parts: dict[str, Callable[[dict[str, str]], bool]] = {
        "all": lambda row: True,
        "clean": lambda row: row["clean"] == "1",
    }
    for part, wanted in parts.items():
        kept = [pair for pair in zip(steps, truth, strict=True) if wanted(pair[1])]
        for name, fix_of in COLUMNS.items():
            figures = _figures([(fix_of(step), row) for step, row in kept])
            table.add_row(source, f"{part} {len(kept)}", name, *figures)


def _figures(pairs: Sequence[tuple[Fix, dict[str, str]]]) -> list[str]:
    """Located, shares within the radii (of all frames), errors and honesty (of located ones)."""
    found = np.array(
        [
            (_error_m(fix, row), fix.accuracy_m, fix.accuracy_95_m)
            for fix, row in pairs
            if fix.located
        ]
    ).reshape(-1, 3)
    errors_m = found[:, 0]
    shares = [len(found), *(int((errors_m <= radius_m).sum()) for radius_m in RADII_M)]
    middle_m, most_m = np.percentile(errors_m, (50, 95))
    held = (errors_m[:, None] <= found[:, 1:]).mean(axis=0)
    return [
        *(f"{share / len(pairs):.1%}" for share in shares),
        f"{middle_m:.0f}",
        f"{most_m:.0f}",
        *(f"{part:.0%}" for part in held),
    ]


def _error_m(fix: Fix, row: dict[str, str]) -> float:
    lon, lat = float(row["ground_lon"]), float(row["ground_lat"])
    return float(distance_m(fix.lon or 0.0, fix.lat or 0.0, lon, lat))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
