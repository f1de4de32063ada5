"""What each ingredient of skyfix_s gives on real photos, one added after the other.

    python benchmarks/study.py --data runs/grounds [--work runs/ingredients]
        [--write docs/ingredients.md]

Needs the optional data folder (SKYFIX_SHARED) and the training ground that
benchmarks/skyfix_s_data.py writes. Four small trainings with one budget, then the adaptation to
each flight's map and the pose, for the small system and for the built-in weights. Trainings that
lie in the work folder are not done again.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import localization_real
import torch
from skyfix_s import RECIPE
from timing import machine, table
from torch import Tensor
from torch.nn import functional as F
from zero_shot import SHARED, ariel, fongyuan, in_tiles, university

from skyfix import systems
from skyfix.datasets.grounds import SOURCE_TABLE, Grounds
from skyfix.files import write_text
from skyfix.inference import Embedder
from skyfix.layers.partition import shifted_dense_parts
from skyfix.layers.pooling import gem_parts
from skyfix.losses.info_nce import info_nce
from skyfix.systems.pair_system import LABEL_SMOOTHING, paired
from skyfix.systems.registry import register
from skyfix.systems.skyfix_s import SHIFTS, SkyfixS
from skyfix.systems.system import Batch
from skyfix.training.config import read_config
from skyfix.training.loop import train
from skyfix.views import View

INPUT_PX, BATCH = 128, 48
FLIGHTS = ("Ariel", "Fengyuan")
COLUMNS = (
    "University all R@1",
    "University fall when turned %",
    "University moved by 60 of 512 R@1",
    "Ariel R@1",
    "Ariel R@5",
    "Ariel median m",
    "Fengyuan R@1",
    "Fengyuan R@5",
    "Fengyuan median m",
)
Figures = dict[str, float]


@register
class Whole(SkyfixS):
    """The pooled map alone: plain InfoNCE."""

    name = "skyfix_s_whole"

    def __init__(self, backbone: str = "tf_efficientnet_lite0", input_px: int = INPUT_PX) -> None:
        super().__init__(backbone, input_px)
        self.descriptor_dim = self.whole_norm.num_features

    def embed(self, images: Tensor, view: View) -> Tensor:
        """See ``System.embed``."""
        return F.normalize(self.embeddings(images)[1])

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """See ``System.objective``."""
        first, second = self.embed(torch.cat(paired(batch)), "satellite").float().chunk(2)
        loss = info_nce(first, second, self.scale(), LABEL_SMOOTHING)
        return {"info_nce": loss, "total": loss}


@register
class Unshifted(SkyfixS):
    """Parts around the centre, without shifts."""

    name = "skyfix_s_unshifted"

    def _pooled_parts(self, feature_map: Tensor) -> Tensor:
        partition = shifted_dense_parts(*feature_map.shape[-2:], self.rings)
        return gem_parts(feature_map, partition).unflatten(1, (SHIFTS, -1))[:, SHIFTS // 2]


@dataclass(frozen=True)
class Training:
    """One of the small trainings."""

    title: str
    system: str
    real_only: bool = False


TRAININGS = (
    Training("fine-tuned on real pairs", Whole.name, real_only=True),
    Training("+ cut and rendered pairs", Whole.name),
    Training("+ parts", Unshifted.name),
    Training("+ shifts", SkyfixS.name),
)


def trained(training: Training, asked: argparse.Namespace) -> Path:
    """Checkpoint folder of a training, made unless it is there."""
    folder = asked.work / training.title.strip("+ ").replace(" ", "_")
    if (folder / "model.safetensors").exists():
        return folder
    settings = [
        f"system.name={training.system}",
        f"system.input_px={INPUT_PX}",
        f"sampler.batch_size={BATCH}",
        f"schedule.steps={asked.steps}",
        "validation.select=last",
    ]
    config = read_config(RECIPE, settings)
    with tempfile.TemporaryDirectory() as name:
        root = real_pairs(asked.data, Path(name)) if training.real_only else asked.data
        train(config, Grounds(root), folder, weights="imagenet", workers=1, save_every=10_000)
    return folder


def real_pairs(data: Path, folder: Path) -> Path:
    """The training ground's real pairs alone."""
    (folder / "university").symlink_to((data / "university").resolve())
    write_text(folder / SOURCE_TABLE, "folder,share,together\nuniversity,1,1\n")
    return folder


def raw(embedder: Embedder, work: Path) -> Figures:
    """Figures with nothing known of the camera."""
    found = university(embedder)
    for flight in (ariel(), fongyuan()):
        found |= in_tiles(flight, embedder, work)
    return found


def adapted(system: str | Path, work: Path) -> dict[str, Path]:
    """Checkpoints of a system, adapted to each flight's map by ``skyfix adapt``."""
    folders = {}
    for flight in (ariel(), fongyuan()):
        folders[flight.name] = work / f"{Path(system).name}_to_{flight.name}"
        if not folders[flight.name].exists():
            command = ["adapt", "--map", str(flight.map_path), "--system", str(system)]
            command += ["--tile-m", str(flight.tile_m), "--out", str(folders[flight.name])]
            subprocess.run([sys.executable, "-m", "skyfix", *command], check=True)
    return folders


def adapted_figures(folders: dict[str, Path], work: Path) -> Figures:
    """Each flight found with the system of its map."""
    found: Figures = {}
    for flight in (ariel(), fongyuan()):
        found |= in_tiles(flight, Embedder(folders[flight.name]), work)
    return found


def posed(folders: dict[str, Path], work: Path) -> Figures:
    """The same with the camera's full pose known: photos are brought to the map's view."""
    known = ("full pose",)
    (aslant,) = localization_real.ariel(folders["Ariel"], SHARED, work / "posed", knows=known)
    (above,) = localization_real.fongyuan(folders["Fengyuan"], SHARED, work / "posed", knows=known)
    found: Figures = {}
    for name, row, radius_m in (("Ariel", aslant, 100), ("Fengyuan", above, 50)):
        found |= {f"{name} R@{k}": row.recall[k, radius_m] for k in (1, 5)}
        found[f"{name} median m"] = row.tile_median_m
    return found


def rows(asked: argparse.Namespace) -> tuple[dict[str, Figures], dict[str, Figures]]:
    """Figures by row: of the small trainings, then of the built-in weights."""
    work = asked.work
    features = systems.create("imagenet", input_px=INPUT_PX)
    features.load_backbone("imagenet")
    small = {"ImageNet features": raw(Embedder(features), work)}
    for training in TRAININGS:
        folder = trained(training, asked)
        small[training.title] = raw(Embedder(folder), work)
    built_in = {"skyfix_s": raw(Embedder("skyfix_s"), work)}
    for found, system in ((small, folder), (built_in, "skyfix_s")):
        folders = adapted(system, work)
        found["+ adapted to the map"] = adapted_figures(folders, work)
        found["+ full pose"] = posed(folders, work)
        found["full pose, not adapted"] = posed(dict.fromkeys(FLIGHTS, Path(system)), work)
    return small, built_in


def as_table(found: dict[str, Figures]) -> str:
    """Markdown."""
    header = ["", *(column.removeprefix("University ") for column in COLUMNS)]
    return table(header, [[title, *cells(figures)] for title, figures in found.items()])


def cells(figures: Figures) -> Sequence[str]:
    """One row's figures; what was not measured is a dash."""
    return [f"{figures[column]:.1f}" if column in figures else "-" for column in COLUMNS]


PREFACE = """# What each ingredient gives

Made by `python benchmarks/study.py --data runs/grounds --steps {steps} --write
docs/ingredients.md` ({machine}). Protocols and columns are those of [skyfix_s](skyfix_s.md):
photos raw, north-up tiles, nothing of these places in any training. *turned* and *moved* are of
the University-1652 extract's 208 photos.

## Small trainings

EfficientNet-Lite0 at {px} px, {steps} steps of {batch} pairs each, one seed, from ImageNet
weights; every row adds to the one above. *adapted* is `skyfix adapt` to the flight's map, 60 steps;
*full pose* brings each photo to the map's view by heading, pitch, altitude and field of view.
One seed tells large differences only: a photo of Fengyuan is 3.3 points, one of Ariel 0.7.
"""
BUILT_IN = """
## The built-in weights

The same with the weights that skyfix ships: 256 px, 600 steps of 256 pairs on a GPU.
"""


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/ingredients"))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    small, built_in = rows(asked)
    preface = PREFACE.format(steps=asked.steps, machine=machine(), px=INPUT_PX, batch=BATCH)
    text = "\n".join([preface, as_table(small), BUILT_IN, as_table(built_in), ""])
    print(text)
    if asked.write:
        write_text(asked.write, text)


if __name__ == "__main__":
    main()
