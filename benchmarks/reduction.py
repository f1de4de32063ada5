"""What galleries of shorter descriptors lose, on real flights.

    python benchmarks/reduction.py [--system skyfix_s] [--write docs/gallery.md]

Needs the optional data folder SKYFIX_SHARED.
"""

import argparse
import os
import tempfile
from pathlib import Path

from localization_real import Row, ariel, fongyuan
from timing import machine, publish, table

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
DIMENSIONS = (None, 256, 128, 64)
PREFACE = """Made by `python benchmarks/reduction.py --system {system}` ({machine}).
Tiles alone, without registration, the pose known: {oblique} frames of an oblique flight over tiles
of 200 m at 50 m, and {nadir} nadir photos over tiles of 100 m at 25 m. Every photo counts with its
best tile, located or not. The reductions are fitted to all tiles.
"""
HEADER = ["dimensions", "oblique: median error m", "within 50 m %", "within 100 m %",
          "nadir: median error m", "within 25 m %", "within 50 m %"]  # fmt: skip


def line(dims: int | None, oblique: Row, nadir: Row) -> list[str]:
    cells = [f"{dims}" if dims else "whole"]
    for row, radii_m in ((oblique, (50, 100)), (nadir, (25, 50))):
        cells.append(f"{row.tile_median_m:.1f}")
        cells += [f"{row.recall[1, radius_m]:.0f}" for radius_m in radii_m]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", default="skyfix_s")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    knows, found = ["full pose"], []
    with tempfile.TemporaryDirectory() as temporary:
        for dims in DIMENSIONS:
            work = Path(temporary)
            (oblique,) = ariel(arguments.system, SHARED, work, knows=knows, dims=dims)
            (nadir,) = fongyuan(
                arguments.system, SHARED, work, truth="centre", knows=knows, dims=dims
            )
            found.append((dims, oblique, nadir))
    preface = PREFACE.format(
        system=arguments.system,
        machine=machine(),
        oblique=found[0][1].photos,
        nadir=found[0][2].photos,
    )
    text = f"{preface}\n{table(HEADER, [line(*one) for one in found])}"
    publish("What shorter descriptors cost", text, arguments.write)


if __name__ == "__main__":
    main()
