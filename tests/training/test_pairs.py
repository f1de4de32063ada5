"""Training on pairs of panorama and satellite image, and measuring the result."""

from pathlib import Path

import pytest
import torch

from skyfix.datasets.cvusa import generate
from skyfix.datasets.registry import open_dataset
from skyfix.errors import SkyfixError
from skyfix.evaluation.protocol import evaluate
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.systems.preprocess import Preprocess, prepared
from skyfix.systems.recipe import Augment, Sampler
from skyfix.training.batches import StepDataset, ViewImages
from skyfix.training.config import read_config
from skyfix.training.loop import train

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = [
    "system.polar_px=64",
    "system.ground_height_px=64",
    "system.ground_width_px=96",
    "schedule.steps=2",
    "sampler.batch_size=3",
    "validation.select=last",
]


@pytest.mark.slow
def test_safa_trains_on_cvusa_and_is_measured(tmp_path: Path) -> None:
    dataset = open_dataset(f"cvusa:{generate(tmp_path / 'cvusa', places=6, test_places=4)}")
    config = read_config(RECIPES / "safa.toml", TINY)
    result = train(config, dataset, tmp_path / "run", "none", device="cpu", workers=0)
    assert (result.steps, result.unreadable) == (2, ())
    embedder = Embedder(tmp_path / "run", device="cpu")
    assert embedder.input_px == (64, 64)
    found = evaluate(embedder, dataset, "ground2satellite")
    assert (found.queries, found.gallery, found.result.without_match) == (4, 4, 0)
    photo = dataset.query("ground").paths[0]
    with pytest.raises(SkyfixError, match="describes satellite and ground images, not drone"):
        embedder.embed([photo], "drone")


def test_training_images_are_fitted_as_test_images_are(tmp_path: Path) -> None:
    dataset = open_dataset(f"cvusa:{generate(tmp_path / 'cvusa', places=3, test_places=1)}")
    plain = ((0.0,) * 3, (1.0,) * 3)
    preprocess = {
        "satellite": Preprocess((14, 38), *plain, interpolation="area", polar_px=64),
        "ground": Preprocess((20, 30), *plain, interpolation="area"),
    }
    images = {view: dataset.train(view) for view in preprocess}
    steps = StepDataset(
        {view: ViewImages(x.paths, x.labels - 1) for view, x in images.items()},
        Sampler(pairing="places", batch_size=3),
        Augment(pad_px=0, satellite_rotation_deg=0.0, flip=0.0),
        preprocess,
        seed=0,
    )
    batch = steps[0]
    assert batch.places["satellite"].tolist() == batch.places["ground"].tolist()
    for view, entry in preprocess.items():
        for row, place in enumerate(batch.places[view].tolist()):
            expected = prepared(read_image(images[view].paths[place]), entry)
            assert torch.equal(batch.images[view][row], expected)
