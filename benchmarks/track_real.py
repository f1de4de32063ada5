"""Tracks of a real flight: single fixes, the filter and the smoother against the ground point.

    python benchmarks/track_real.py --work runs/track [--write docs/fixes.md]

Needs the optional data folder (SKYFIX_SHARED, by default ../shared beside the checkout). Runs the
command `skyfix track` over a clip and over all frames of the flight, about a quarter of an hour;
a run that was cut off goes on after its last frame, and one that was finished is used again.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from timing import machine, publish, table

from skyfix.geo.ground import distance_m
from skyfix.localize import Fix, TrackStep
from skyfix.localize.track_file import read_steps
from skyfix.world import sample_folder

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
RADII_M = (50, 100)
LENS = ("--pitch-deg", "-45", "--hfov-deg", "73.7")
HEADER = ["source", "frames", "fix", "located %", *(f"< {m} m %" for m in RADII_M), "median m",
          "95 % m", "in 68 % radius %", "in 95 % radius %"]  # fmt: skip
COLUMNS: dict[str, Callable[[TrackStep], Fix]] = {
    "measured": lambda step: step.measured,
    "filter": lambda step: step.filtered,
    "smoother": lambda step: step.best,
}
PREFACE = """Made by `python benchmarks/track_real.py`, which runs `skyfix track` with the system
`skyfix_s` ({machine}).

The oblique flight (Ariel), one frame a second, over 200-m tiles at 50 m, with registration and the
recorded poses; the errors are those of the ground point at the centre of the frame. `clip.mp4` is
a minute of it with the drone's own subtitles, which tell no heading: the course over ground stands
for it. `frames` is the whole flight with a table of poses; in its first 37 frames the drone stands
or climbs from 20 m, too low for tiles of this size. *clean* frames are those of steady flight.
Shares within a radius are of all frames; errors and shares inside the stated radii are of located
ones. The truth carries 10 to 40 m of error, so medians near 20 m are mostly the truth's own, and
the smoother's radii, narrower than that error, hold less of it than they say. `sample` is the
rendered flight of the package over 120-m tiles at 40 m, whose truth is exact.
"""
Rows = Sequence[dict[str, str]]


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/track"))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"No optional data folder at {SHARED}; set SKYFIX_SHARED.\n")
    folder = SHARED / "data" / "ariel"
    flight = folder / "flights" / "v17"
    gallery = arguments.work / "ariel"
    skyfix("gallery", "build", folder / "map.tif", "--out", gallery,
           "--tile-m", "200", "--stride-m", "50")  # fmt: skip
    rows = read_table(flight / "frames.csv")
    of_file = {row["file"]: row for row in rows}
    clip = [of_file[row["file"]] for row in read_table(flight / "clip.csv")]
    figures = []
    for source, telemetry, truth in (
        (flight / "clip.mp4", flight / "clip.srt", clip),
        (flight / "frames", flight / "frames.csv", rows),
    ):
        record = arguments.work / f"{source.stem}.jsonl"
        skyfix("track", source, "--gallery", gallery, "--telemetry", telemetry, *LENS, "--smooth",
               "--record", record, "--resume")  # fmt: skip
        figures += figures_of(source.name, read_steps(record), truth)
    figures += rendered_flight(arguments.work)
    preface = PREFACE.format(machine=machine())
    publish("Tracks", preface + "\n" + table(HEADER, figures, 3), arguments.write)


def skyfix(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "skyfix", *map(str, arguments)], check=True)


def rendered_flight(work: Path) -> list[list[str]]:
    """Figures of the flight in the package, whose truth is exact."""
    sample, gallery, record = sample_folder(), work / "sample", work / "sample.jsonl"
    skyfix("gallery", "build", sample / "map.tif", "--out", gallery,
           "--tile-m", "120", "--stride-m", "40")  # fmt: skip
    skyfix("track", sample / "flight.mp4", "--gallery", gallery, "--telemetry",
           sample / "flight.srt", "--every-s", "1", "--smooth", "--record", record,
           "--resume")  # fmt: skip
    truth = [row for row in read_table(sample / "truth.csv") if not row["file"]]
    steps = read_steps(record)
    return figures_of("sample", steps, [truth[step.index] for step in steps])


def figures_of(source: str, steps: Sequence[TrackStep], truth: Rows) -> list[list[str]]:
    parts: dict[str, Callable[[dict[str, str]], bool]] = {
        "all": lambda row: True,
        "clean": lambda row: row["clean"] == "1",
    }
    lines = []
    for part, wanted in parts.items():
        if part not in truth[0] and part != "all":
            continue
        kept = [pair for pair in zip(steps, truth, strict=True) if wanted(pair[1])]
        for name, fix_of in COLUMNS.items():
            cells = _cells([(fix_of(step), row) for step, row in kept])
            lines.append([source, f"{part} {len(kept)}", name, *cells])
    return lines


def _cells(pairs: Sequence[tuple[Fix, dict[str, str]]]) -> list[str]:
    found = np.array(
        [
            (_error_m(fix, row), fix.accuracy_m, fix.accuracy_95_m)
            for fix, row in pairs
            if fix.located
        ]
    ).reshape(-1, 3)
    errors_m = found[:, 0]
    shares = [len(found), *(int((errors_m <= radius_m).sum()) for radius_m in RADII_M)]
    cells = [f"{100 * share / len(pairs):.1f}" for share in shares]
    if len(found) == 0:
        return [*cells, "-", "-", "-", "-"]
    middle_m, most_m = np.percentile(errors_m, (50, 95))
    held = (errors_m[:, None] <= found[:, 1:]).mean(axis=0)
    return [*cells, f"{middle_m:.0f}", f"{most_m:.0f}", *(f"{100 * part:.0f}" for part in held)]


def _error_m(fix: Fix, row: dict[str, str]) -> float:
    lon, lat = float(row["ground_lon"]), float(row["ground_lat"])
    return float(distance_m(fix.lon, fix.lat, lon, lat))


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
