"""Fixes on real flights: error, refusal, calibration and time, as tables in docs/fixes.md.

    python benchmarks/fixes.py --work runs/fixes [--system skyfix_s] [--write docs/fixes.md]

With --write the picture of the radii goes beside it, into pictures/reliability.png.

Needs the optional data folder (SKYFIX_SHARED, by default ../shared beside the checkout). The
defaults in skyfix.localize.calibration are what this fits to the first half of each flight and
prints at the end. Finished galleries and findings in the work folder are used again.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fixes_data import (
    Found,
    ariel,
    error_m,
    fongyuan,
    found,
    gallery,
    halves,
    latency,
    tile_errors_m,
)
from sift_baseline import sift_row
from timing import machine, publish

from skyfix.files import atomic_path
from skyfix.inference import Embedder
from skyfix.localize.calibration import Calibration, Curve
from skyfix.localize.verdict import Finding
from skyfix.outputs.reliability import held_by_radius

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
PRIOR = Calibration(
    {
        "tiles": Curve(-5.0, (0.5, 1.0), (1.0, 1.0)),
        "registration": Curve(-11.0, (1.0, 1.0, 1.0), (1.0, 1.0)),
    }
)
"""Where the fit of the defaults starts: tiles that score 5 deviations above the mean are as good
as even, and so is a registration with z = 6 and a lead of 2 on a tile of
score 3."""
REACH_M = {"fongyuan": 50.0, "ariel": 100.0}
KNOWN = ("photo as it is", "heading", "heading and scale", "full pose")
ROW = ["known", "photos", "R@1 25 m", "R@5 25 m", "R@1 50 m", "R@5 50 m", "R@1 100 m", "R@5 100 m",
       "located %", "within reach %", "median m", "95 % m", "in 68 % radius %",
       "in 95 % radius %"]  # fmt: skip


def row(name: str, photos: Sequence[Found], registered: bool, reach_m: float) -> list[str]:
    """Tiles and fixes of photos by the shipped calibration."""
    tiles_m = tile_errors_m(photos)
    recalls = [(tiles_m[:, :k] <= radius).any(axis=1) for radius in (25, 50, 100) for k in (1, 5)]
    fixes = [(photo.fix(Calibration(), registered), photo.shot) for photo in photos]
    errors = np.array(
        [
            (error_m((fix.lon, fix.lat), shot.centre), fix.accuracy_m, fix.accuracy_95_m)
            for fix, shot in fixes
            if fix.located
        ]
    ).reshape(-1, 3)
    cells = [f"{100 * recall.mean():.0f}" for recall in recalls]
    cells.append(f"{100 * len(errors) / len(fixes):.0f}")
    cells.append(f"{100 * (errors[:, 0] <= reach_m).sum() / len(fixes):.0f}")
    if len(errors) == 0:
        return [name, f"{len(fixes)}", *cells, "-", "-", "-", "-"]
    cells += [f"{np.median(errors[:, 0]):.1f}", f"{np.quantile(errors[:, 0], 0.95):.1f}"]
    cells += [f"{100 * (errors[:, 0] <= errors[:, radius]).mean():.0f}" for radius in (1, 2)]
    return [name, f"{len(fixes)}", *cells]


def refusal(name: str, photos: Sequence[Found]) -> list[str]:
    """Share of photos of other ground that are refused."""
    confidences = {
        kind: [photo.fix(Calibration(), kind) for photo in photos] for kind in (False, True)
    }
    cells = [
        f"{100 * np.mean([not fix.located for fix in confidences[kind]]):.0f}"
        for kind in confidences
    ]
    return [name, f"{len(photos)}", *cells]


def camera_error(photos: Sequence[Found]) -> str:
    """Median distance of the camera's place from the drone's own, metres."""
    fixes = [(photo.fix(Calibration()), photo.shot) for photo in photos]
    errors = [
        error_m((fix.camera_lon, fix.camera_lat), shot.drone)
        for fix, shot in fixes
        if fix.method == "registration"
    ]
    return f"{np.median(errors):.1f} m ({len(errors)} photos)"


def fitted(right: Sequence[tuple[Sequence[Found], float]], wrong: Sequence[Found]) -> Calibration:
    """The defaults: fitted to halves of flights, and to photos of other ground."""
    evidence, errors = [], []
    for photos, reach_m in [*right, (wrong, 1.0)]:
        for photo in photos:
            finding = photo.finding
            for one in (finding, getattr(finding, "tiles", None)):
                if isinstance(one, Finding):
                    evidence.append(one.evidence)
                    errors.append((error_m((one.lon, one.lat), photo.shot.centre), reach_m))
    metres, reach = np.array(errors).T
    return PRIOR.fitted(evidence, metres, reach, "", len(evidence))


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def draw_radii(flights: Sequence[Sequence[Found]], path: Path) -> None:
    """The picture of stated radii, of photos that the calibration has not seen."""
    found = {}
    for title, registered in (("tiles", False), ("registration", True)):
        pairs = [
            (one.fix(Calibration(), registered), one.shot) for flight in flights for one in flight
        ]
        stated = [
            (error_m((fix.lon, fix.lat), shot.centre), fix.accuracy_m, fix.accuracy_95_m)
            for fix, shot in pairs
            if fix.located
        ]
        figures = np.array(stated)
        found[title] = figures[:, 0], figures[:, 1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        held_by_radius(found).savefig(temporary, format="png", dpi=110)


def report(work: Path, system: str, picture: Path | None) -> str:
    """Measure everything; the text of the section in docs/fixes.md."""
    embedder = Embedder(system)
    flights = {"fongyuan": fongyuan(SHARED), "ariel": ariel(SHARED)}
    own = {name: gallery(name, SHARED, work, embedder) for name in flights}
    parts, full = [], {}
    for name, shots in flights.items():
        rows = []
        for known in KNOWN:
            photos = found(shots, own[name], embedder, known, True)
            rows.append(row(known, photos, False, REACH_M[name]))
            rows.append(row(f"{known} + registration", photos, True, REACH_M[name]))
        full[name] = photos
        second = halves(photos)[1]
        rows.append(row("the same, second half", second, True, REACH_M[name]))
        if name == "fongyuan":
            surveyed = [photo for photo in photos if photo.shot.surveyed]
            rows.append(row("the same, centre known", surveyed, True, REACH_M[name]))
        parts.append(f"### {TITLES[name]}\n\n{table(ROW, rows)}\n\nCamera against the drone's own "
                     f"position, median: {camera_error(photos)}. {CAMERA[name]}")  # fmt: skip
    if picture is not None:
        draw_radii([halves(photos)[1] for photos in full.values()], picture)
    parts.append(RADII)
    joint = gallery("joint", SHARED, work, embedder)
    everywhere = {
        name: found(shots[:: 4 if name == "ariel" else 1], joint, embedder, "full pose", True)
        for name, shots in flights.items()
    }
    rows = []
    for name, photos in everywhere.items():
        rows.append(row(f"{name}, tiles", photos, False, REACH_M[name]))
        rows.append(row(f"{name}, + registration", photos, True, REACH_M[name]))
    parts.append(JOINT.format(tiles=len(joint)) + table(["flight", *ROW[1:]], rows))
    strangers = {
        "fongyuan in ariel": found(flights["fongyuan"], own["ariel"], embedder, "full pose", True),
        "ariel in fongyuan": found(
            flights["ariel"][::2], own["fongyuan"], embedder, "full pose", True
        ),
    }
    rows = [refusal(name, photos) for name, photos in strangers.items()]
    rows += [
        refusal(f"{name}, second half", halves(photos)[1]) for name, photos in strangers.items()
    ]
    parts.append(
        REFUSAL
        + table(
            ["photos in gallery", "photos", "refused by tiles %", "refused with registration %"],
            rows,
        )
    )
    rows = []
    for name, shots in flights.items():
        spent = latency(shots[::3][:10], own[name], embedder)
        rows.append([name, *(f"{1000 * seconds:.0f}" for seconds in spent.values())])
    parts.append(LATENCY + table(["flight", *(f"{stage} ms" for stage in spent)], rows))
    data = SHARED / "data"
    rows = [
        sift_row("fongyuan", flights["fongyuan"], data / "fongyuan" / "map.tif", 0.2, 50.0),
        sift_row("ariel", flights["ariel"][::7], data / "ariel" / "map.tif", 0.5, 100.0),
    ]
    parts.append(
        SIFT
        + table(["flight", "photos", "placed %", "right %", "median m", "map s", "photo s"], rows)
    )
    first = [(halves(photos)[0], REACH_M[name]) for name, photos in full.items()]
    fit = fitted(first, [photo for photos in strangers.values() for photo in halves(photos)[0]])
    lines = [f"{method}: {curve}" for method, curve in fit.curves.items()]
    parts.append(FITTED + "\n".join(lines) + "\n```")
    return PREFACE.format(system=system, machine=machine()) + "\n\n".join(parts) + "\n"


TITLES = {
    "fongyuan": "Nadir photos (Fengyuan), 100-m tiles at 25 m",
    "ariel": "Oblique flight (Ariel), every second of 140 clean frames, 200-m tiles at 50 m",
}

CAMERA = {
    "fongyuan": "The photos' tags say straight down, but many look some 10 degrees forward, which "
    "moves the camera by about 20 m.",
    "ariel": "The pitch is nominal and the ground is hilly.",
}

RADII = """### Stated radii

![Share of fixes inside their stated radii](pictures/reliability.png)

Measured share of fixes inside the radii that they state, over the radius, for the second halves of
both flights; dashed is what each radius promises.
Radii of registration are a few metres for nadir photos and some thirty for oblique ones; four of
the five nadir fixes outside are those whose truth is only the drone's position.
"""
PREFACE = """Made by `python benchmarks/fixes.py` with the system `{system}` ({machine}).

Of a *photo as it is* nothing is known but that its top is north; *heading and scale* are heading,
height and field of view, the camera taken to look straight down. Recall counts a photo as found
when the centre of one of the best K tiles lies within the radius of the ground point at the photo's
centre. *located* are photos that got a fix. *within reach* are those located within 50 m (Fengyuan)
or 100 m (Ariel) of the truth, of all photos. *median* and *95 %* are errors of the fixes. *in 68 %
radius* and *in 95 % radius* are fixes no farther from the truth than the radius they claim. The
shipped calibration was fitted to the first half of each flight; rows that end in *second half* are
the other half, which it has not seen. The evidence that enters it, the limit on a tile's score and
the stiffness of the fit were chosen among seven variants with both halves in view: confidence and
refusal of the second halves are therefore somewhat flattering. Radii were not chosen so.

What the truth is worth: for 26 nadir photos it is the photo's centre, which the data's authors
found by correlating edge directions, the idea of our registration too, so errors of a metre show
that two implementations agree, not that both are right; for the other 4 it is the drone's
position, up to 10 m from the centre. For the oblique flight it is computed from the drone's
position, the flown track and flat ground, with 10 to 40 m of error, so medians near 20 m are the
truth's own.

"""
JOINT = """### One gallery of two flights and twelve rural maps

{tiles} tiles of 100 m at 50 m, no prior position, full pose; every eighth clean Ariel frame.

"""
REFUSAL = """### Photos of other ground

Photos searched in a gallery of another place; all of them should be refused.

"""
LATENCY = """### Time

Median of nine photos, one after the other, on a machine with other work.

"""
SIFT = """### SIFT against the whole map

RootSIFT of the photo (960 px wide, no pose used) against the whole map, ratio test 0.8, MAGSAC
homography with at least 15 inliers; every fourteenth clean Ariel frame.

"""
FITTED = """### The shipped calibration

What the run fits to the first halves of both flights and of the photos of other ground. Shipped
are, rounded, the radii of tiles of the run with skyfix_s and all else of the run with imagenet:
the weights that fit skyfix_s refuse more photos of other ground, and more of the right one.

```
"""


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/fixes"))
    parser.add_argument("--system", default="skyfix_s")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"No optional data folder at {SHARED}; set SKYFIX_SHARED.\n")
    write = arguments.write
    picture = write.parent / "pictures" / "reliability.png" if write else None
    publish("Single photos", report(arguments.work, arguments.system, picture), write)


if __name__ == "__main__":
    main()
