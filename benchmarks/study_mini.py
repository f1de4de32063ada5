"""Seven systems on real imagery with one budget and three seeds, as a table and a figure.

    python benchmarks/study_mini.py --work runs/study [--steps 300] [--seeds 3] [--write FILE]

Needs the optional data folder (SKYFIX_SHARED, by default ../shared beside the checkout), whose
university1652_mini has 280 training places. Every system is run by ``skyfix reproduce`` with the
same steps, batch and input, each seed apart: first all on one small backbone with ImageNet
weights, then each on its paper's backbone from random weights. What is done in the work folder is
not done again; --only trains and measures one entry, so that several can run side by side on one
GPU; --page writes of what is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from timing import table

from skyfix.files import read_json, write_text

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))
BATCH, INPUT_PX, BACKBONE = 32, 256, "tf_efficientnet_lite0"
SGD = {"optim.lr": 0.005, "optim.backbone_scale": 0.3, "schedule.kind": "cosine"}
"""The rates of benchmarks/real_world.py, for all that train with SGD."""
SGD_RANDOM = {**SGD, "optim.backbone_scale": 1}
ADAMW = {"optim.lr": 0.0003, "schedule.warmup_epochs": 0.5}
"""Of 1e-4, 3e-4 and 1e-3 the one that found most held-out training places (R@1, one seed)."""
METRICS = ("R@1", "R@5", "AP")
SHIFT = "mirrored-shift"
DIRECTIONS = ("drone2satellite", "satellite2drone")


@dataclass(frozen=True)
class Entry:
    """A row of the study; on another backbone than the small one from random weights."""

    title: str
    recipe: str
    settings: dict[str, object]
    backbone: str = BACKBONE
    shifted: bool = False

    @property
    def is_random(self) -> bool:
        return self.backbone != BACKBONE


ENTRIES = (
    Entry("instance", "instance", SGD),
    Entry("lpn", "lpn", SGD, shifted=True),
    Entry("sdpl paper", "sdpl", SGD, shifted=True),
    Entry("sdpl released", "sdpl_released", SGD, shifted=True),
    Entry("fsra", "fsra", SGD),
    Entry("mccg", "mccg", SGD),
    Entry("sample4geo", "sample4geo", ADAMW),
    Entry("instance, ResNet-50", "instance", SGD_RANDOM, "resnet50"),
    Entry("lpn, ResNet-50", "lpn", SGD_RANDOM, "resnet50"),
    Entry("sdpl paper, ResNet-50", "sdpl", SGD_RANDOM, "resnet50"),
    Entry("sdpl released, ResNet-50", "sdpl_released", SGD_RANDOM, "resnet50"),
    Entry("fsra, ViT-S", "fsra", SGD_RANDOM, "vit_small_patch16_768x8_224"),
    Entry("mccg, ConvNeXt-T", "mccg", SGD_RANDOM, "convnext_tiny"),
    Entry("sample4geo, ConvNeXt-B", "sample4geo", ADAMW, "convnext_base.fb_in22k_ft_in1k_384"),
)


def folder_of(entry: Entry, work: Path) -> Path:
    return work / entry.title.replace(",", "").replace(" ", "_")


def skyfix(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "skyfix", *words], check=True)


def run(entry: Entry, work: Path, steps: int, seeds: int) -> None:
    settings = {
        "schedule.steps": steps,
        "system.backbone": entry.backbone,
        "system.input_px": INPUT_PX,
        "sampler.batch_size": BATCH,
        **entry.settings,
    }
    sets = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    data = ("--data", f"university1652:{SHARED / 'data' / 'university1652_mini'}")
    folder = folder_of(entry, work)
    start = ("--weights", "none" if entry.is_random else "imagenet")
    out = ("--out", str(folder), "--seeds", str(seeds))
    skyfix("reproduce", entry.recipe, *data, *out, *start, *sets)
    for seed in range(seeds if entry.shifted else 0):
        shifts = folder / f"{SHIFT}_{seed}.json"
        if not shifts.exists():
            asked = ("--protocol", SHIFT, "--json", str(shifts))
            skyfix("evaluate", str(folder / f"seed_{seed}"), *data, *asked)


def measurements(entry: Entry, work: Path, seeds: int) -> list[list[dict]]:
    folders = [folder_of(entry, work) / f"seed_{seed}" / "report" for seed in range(seeds)]
    return [read_json(path / "figures.json", "figures")["measurements"] for path in folders]


def spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.1f}"
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


def plain_row(entry: Entry, runs: list[list[dict]]) -> list[str]:
    cells = [entry.title]
    for direction in DIRECTIONS:
        for metric in METRICS:
            values = [
                found["keep"][metric]
                for run in runs
                for found in run
                if (found["protocol"], found["direction"]) == ("plain", direction)
            ]
            cells.append(spread(values))
    return cells


def shift_curve(entry: Entry, work: Path, seeds: int) -> dict[int, list[float]]:
    """R@1 of each seed, by shift in px."""
    curve: dict[int, list[float]] = {}
    for seed in range(seeds):
        path = folder_of(entry, work) / f"{SHIFT}_{seed}.json"
        for found in read_json(path, "figures")["measurements"]:
            curve.setdefault(int(found["value"]), []).append(found["keep"]["R@1"])
    return curve


def draw(curves: dict[str, dict[int, list[float]]], path: Path) -> None:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for title, curve in curves.items():
        means = [statistics.fmean(values) for values in curve.values()]
        deviations = [
            statistics.stdev(values) if len(values) > 1 else 0 for values in curve.values()
        ]
        axes.errorbar(list(curve), means, deviations, label=title, capsize=3)
    axes.set_xlabel("content of the drone photo moved right (px of 256)")
    axes.set_ylabel("R@1, drone to satellite (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def is_measured(entry: Entry, work: Path, seeds: int) -> bool:
    """Whether all that the page tells of it is there."""
    folder = folder_of(entry, work)
    return all(
        (folder / f"seed_{seed}" / "report" / "figures.json").exists()
        and (not entry.shifted or (folder / f"{SHIFT}_{seed}.json").exists())
        for seed in range(seeds)
    )


def trained_on(work: Path, entry: Entry) -> str:
    """Device, torch and day of an entry's first run."""
    figures = read_json(folder_of(entry, work) / "seed_0" / "report" / "figures.json", "figures")
    told = figures["provenance"]
    return f"{told['device']}, torch {told['versions']['torch']}, {told['date'][:10]}"


def plain_table(entries: Sequence[Entry], work: Path, seeds: int) -> str:
    header = ["system", *(f"{short} {metric}" for short in ("D2S", "S2D") for metric in METRICS)]
    return table(header, [plain_row(one, measurements(one, work, seeds)) for one in entries])


def best(scores: dict[str, list[float]]) -> str:
    """Who has the highest mean, and by how much the next one is lower."""
    (first, high), (second, low) = sorted(
        ((title, statistics.fmean(values)) for title, values in scores.items()),
        key=lambda one: -one[1],
    )[:2]
    return f"{first} with {high:.1f}, {high - low:.1f} before {second}"


def recall_at_1(entry: Entry, work: Path, seeds: int, direction: str) -> list[float]:
    return [
        found["keep"]["R@1"]
        for run in measurements(entry, work, seeds)
        for found in run
        if (found["protocol"], found["direction"]) == ("plain", direction)
    ]


def text(work: Path, steps: int, seeds: int, picture: str) -> str:
    entries = [entry for entry in ENTRIES if is_measured(entry, work, seeds)]
    missing = ", ".join(entry.title for entry in ENTRIES if entry not in entries)
    small = [entry for entry in entries if not entry.is_random]
    large = [entry for entry in entries if entry.is_random]
    curves = {entry.title: shift_curve(entry, work, seeds) for entry in entries if entry.shifted}
    points = list(next(iter(curves.values())))
    shifts = [[title, *(spread(curve[px]) for px in points)] for title, curve in curves.items()]
    draw(curves, Path(picture))
    passes = steps * BATCH / 280
    winners = [
        best({one.title: recall_at_1(one, work, seeds, direction) for one in small})
        for direction in DIRECTIONS
    ]
    shifted = best({title: curve[points[-1]] for title, curve in curves.items()})
    return f"""# Study: one budget for all

Made by `python benchmarks/study_mini.py --steps {steps} --seeds {seeds}`; trained on
{trained_on(work, entries[0])}.

280 training places of real imagery with one drone photo each (an extract
of University-1652). {steps} steps of {BATCH} images a view at {INPUT_PX} px, {passes:.0f} passes,
for every system. SGD systems share one learning rate; sample4geo's was chosen on held-out training
places. Test: 208 drone photos against 142 satellite tiles (D2S), 102 tiles against 208 photos
(S2D), distractors kept. Percent, mean of {seeds} seeds ± standard deviation.

## One small backbone

EfficientNet-Lite0 from ImageNet weights for all.

{plain_table(small, work, seeds)}

Highest R@1: drone to satellite {winners[0]}; satellite to drone {winners[1]}.

## The papers' backbones, from random weights

No ImageNet weights of these can be had without a network, and 280 places teach a network of their
size nearly nothing: the table shows that they run and how much the weights are worth, not what
the systems reach.

{plain_table(large, work, seeds)}

{missing and f"Not measured yet: {missing}."}
InfoNCE gets {BATCH} pairs a step where its authors use 128; FSRA and MCCG stand on a CNN instead
of their ViT-S and ConvNeXt-T in the first table. A budget of this size says which system learns
most from little, not which wins at the size of the papers.

## Shifted photos

R@1 (drone to satellite) when the drone photo's content is moved to the right by so many px of 256
and the strip that comes free is mirrored (the protocol mirrored-shift, as DenseUAV and MBF do):

{table(["system", *(f"{px} px" for px in points)], shifts)}

Highest at {points[-1]} px: {shifted}.

![R@1 over the shift](pictures/{Path(picture).name})
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=[entry.title for entry in ENTRIES])
    parser.add_argument("--page", action="store_true", help="of what is measured already")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--picture", default="docs/pictures/study_shift.png")
    arguments = parser.parse_args()
    for entry in ENTRIES:
        if not arguments.page and arguments.only in (None, entry.title):
            run(entry, arguments.work, arguments.steps, arguments.seeds)
    if arguments.only:
        return
    made = text(arguments.work, arguments.steps, arguments.seeds, arguments.picture)
    if arguments.write:
        write_text(arguments.write, made)
    print(made)


if __name__ == "__main__":
    main()
