"""Systems on real imagery: place retrieval and localization, as tables in docs/results.md.

    python benchmarks/real_world.py --work runs/real_world [--steps 300] [--write docs/results.md]

Needs the optional data folder (SKYFIX_SHARED, by default ../shared beside the checkout). Trains
instance, LPN and SDPL for the same number of steps from the same weights, then measures them and
plain ImageNet features. Finished runs and galleries in the work folder are used again.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from localization_real import Row, ariel, fongyuan
from timing import machine

from skyfix.datasets.university1652 import University1652
from skyfix.evaluation.metrics import evaluate_retrieval
from skyfix.files import write_text
from skyfix.inference import Embedder
from skyfix.training.config import make_config
from skyfix.training.loop import train

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
INPUT_PX, BATCH, SEED = 128, 8, 0
SYSTEMS = ("instance", "lpn", "sdpl")
LEARNING_RATE = 0.005
"""Of the heads, for all alike; with 0.02 instance and LPN diverged on training places."""
KNOWN = ("photo as it is", "heading", "full pose")
DIRECTIONS = {"drone2satellite": ("drone", "satellite"), "satellite2drone": ("satellite", "drone")}
RETRIEVAL = ["system", "direction", "R@1", "R@5", "R@10", "R@1%", "AP", "R@1 single", "AP single",
             "R@1 multi", "AP multi"]  # fmt: skip


def trained(name: str, data: University1652, work: Path, steps: int) -> Path:
    """Checkpoint folder of a system, trained if need be."""
    steps_per_epoch = len(data.train("satellite")) // BATCH
    sections = {
        "system": {"name": name, "backbone": "tf_efficientnet_lite0", "input_px": INPUT_PX},
        "optim": {"lr": LEARNING_RATE, "backbone_scale": 0.3},
        "schedule": {
            "kind": "step",
            "steps": steps,
            "decay_epochs": max(1, 2 * steps // (3 * steps_per_epoch)),
            "decay": 0.1,
        },
        "sampler": {"batch_size": BATCH},
        "validation": {"select": "last"},
    }
    run = work / f"{name}_{steps}"
    if not (run / "system.json").exists():
        train(make_config(sections, "the benchmark"), data, run, resume=True, seed=SEED)
    return run


def retrieval(name: str, embedder: Embedder, data: University1652) -> list[list[str]]:
    """One row a direction; places with one drone view and with 54 are scored apart, too."""
    descriptors = {
        (side, view): embedder.embed(images.paths, view, progress=f"{name}, {side} {view}")
        for view in ("drone", "satellite")
        for side, images in (("query", data.query(view)), ("gallery", data.gallery(view)))
    }
    drone = data.query("drone").labels
    several = [label for label in set(drone) if (drone == label).sum() > 1]
    rows = []
    for direction, (asked, searched) in DIRECTIONS.items():
        labels = data.query(asked).labels
        many = np.isin(labels, several)
        figures: list[float] = []
        for chosen in (np.ones_like(many), ~many, many):
            result = evaluate_retrieval(
                descriptors["query", asked][chosen],
                labels[chosen],
                descriptors["gallery", searched],
                data.gallery(searched).labels,
            )
            whole = [*result.recall.values(), result.recall_1_percent, result.ap]
            figures += whole if chosen.all() else [result.recall[1], result.ap]
        rows.append([name, direction, *(f"{figure:.1f}" for figure in figures)])
    return rows


def localization(name: str, rows: Iterable[Row]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one flight."""
    rows = list(rows)
    header = ["system", "known", *(f"R@{k} {radius} m" for k, radius in rows[0].recall)]
    header += ["median tile m", "located %", "median fix m", "within accuracy %"]
    cells = [
        [
            name,
            row.known,
            *(f"{recall:.1f}" for recall in row.recall.values()),
            f"{row.tile_median_m:.0f}",
            f"{row.located:.0f}",
            f"{row.fix_median_m:.0f}" if row.located else "-",
            f"{row.held:.0f}" if row.located else "-",
        ]
        for row in rows
    ]
    return header, cells


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---", "---"] + ["---:"] * (len(header) - 2), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def report(work: Path, steps: int) -> str:
    """Measure everything; the text of docs/results.md."""
    data = University1652(SHARED / "data" / "university1652_mini")
    plain = Embedder("imagenet")
    runs: dict[str, str | Path] = {name: trained(name, data, work, steps) for name in SYSTEMS}
    rows = retrieval("ImageNet, 256 px", plain, data)
    plain.system.with_input_px(INPUT_PX, INPUT_PX)
    rows += retrieval(f"ImageNet, {INPUT_PX} px", plain, data)
    for name, run in runs.items():
        rows += retrieval(f"{name}, {INPUT_PX} px", Embedder(run), data)
    places = table(RETRIEVAL, rows)
    flights: dict[str, list[list[str]]] = {}
    headers: dict[str, list[str]] = {}
    for name, system in (("ImageNet, 256 px", "imagenet"), (f"sdpl, {INPUT_PX} px", runs["sdpl"])):
        for flight, measured in (
            ("Nadir photos (Fengyuan), 30 photos", fongyuan(system, SHARED, work, knows=KNOWN)),
            ("Oblique flight (Ariel), 140 clean frames", ariel(system, SHARED, work, knows=KNOWN)),
        ):
            headers[flight], cells = localization(name, measured)
            flights.setdefault(flight, []).extend(cells)
    parts = [PREFACE.format(steps=steps, batch=BATCH, machine=machine()), places, LOCALIZATION]
    parts += [f"### {flight}\n\n{table(headers[flight], flights[flight])}" for flight in flights]
    return "\n\n".join(parts) + "\n"


PREFACE = """# Results

Made by `python benchmarks/real_world.py --steps {steps}` ({machine}).
Trained systems use EfficientNet-Lite0, start from its ImageNet weights and make {steps} steps of
{batch} images a view.

## Place retrieval

An extract of University-1652 at 128 px: 280 training places with one drone view each, 102 test
places and 40 distractors. Its figures do not compare with published ones, which are measured on
the whole set at 256 to 512 px. Two test places have 54 drone views (`multi`), all others one
(`single`). Percent, official evaluator, distractors kept. One training run each, one seed:
differences of a few percent between the trained systems mean nothing."""

LOCALIZATION = """## Localization

Recall counts a photo as found when the centre of one of the best K tiles lies within the radius
of the true ground point (for the nadir photos, of the drone). *photo as it is* takes the photo's
top for north, *heading* turns the photo north-up, *full pose* rectifies it to the ground plane.
Fixes rest on the tiles alone here; [fixes.md](fixes.md) has those that are registered to the map.
*located* are photos that got a fix; *within accuracy* are fixes that are no farther from
the truth than the accuracy they claim (68 % would be ideal), of those located."""


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/real_world"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"No optional data folder at {SHARED}; set SKYFIX_SHARED.\n")
    text = report(arguments.work, arguments.steps)
    print(text)
    if arguments.write:
        write_text(arguments.write, text)


if __name__ == "__main__":
    main()
