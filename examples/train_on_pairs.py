"""A system trained on a table of pairs, and measured: python examples/train_on_pairs.py [FOLDER]

The pairs are made up, in FOLDER/pairs; give the path of a table of your own in their place.
"""

import sys
from pathlib import Path

from skyfix.datasets.registry import generate, open_dataset
from skyfix.evaluation.protocol import Extraction
from skyfix.evaluation.study import run_protocols
from skyfix.inference import Embedder
from skyfix.training.config import read_config, recipe_file
from skyfix.training.loop import train

# For some seconds of a CPU. Without these settings it is the paper's recipe.
SMALL = (
    "system.backbone=tf_efficientnet_lite0",
    "system.input_px=64",
    "sampler.batch_size=4",
    "schedule.steps=20",
)


def main(folder: Path) -> None:
    """Train Sample4Geo on pairs of photo and tile, then ask with the photos kept for the test."""
    table = generate("pairs", folder / "pairs") / "pairs.csv"
    pairs = open_dataset(f"pairs:{table}")
    config = read_config(recipe_file("sample4geo"), SMALL)
    result = train(config, pairs, folder / "run", resume=True)

    extraction = Extraction(Embedder(result.folder), pairs)
    (plain,) = run_protocols(extraction, ["plain"], ["drone2satellite"])
    for rule, scores in plain.places.items():
        print(f"distractors {rule}: R@1 {scores.recall[1]:.1f} %, AP {scores.ap:.1f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example"))
