"""The training loop."""

from dataclasses import dataclass
from pathlib import Path

import torch

from skyfix.datasets.contract import LinkedSet, PlaceSet
from skyfix.datasets.grounds import Grounds
from skyfix.systems import create
from skyfix.systems.registry import system_class, takes_places
from skyfix.training import state as run_state
from skyfix.training.config import TrainConfig
from skyfix.training.data import training_data
from skyfix.training.run import Run


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a run.

    Attributes:
        folder: checkpoint folder.
        steps: steps made in all.
        loss: last total loss; not a number if the run had been complete already.
        unreadable: images that were left out, and why.
    """

    folder: Path
    steps: int
    loss: float
    unreadable: tuple[str, ...]


def train(
    config: TrainConfig,
    dataset: PlaceSet | LinkedSet | Grounds,
    out: Path | str,
    weights: str = "imagenet",
    resume: bool = False,
    device: str = "auto",
    seed: int = 0,
    save_every: int = 100,
    workers: int | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a system and write its checkpoint folder.

    Started by ``torchrun`` with several processes, each takes its share of every batch.

    Args:
        config: system and recipe.
        dataset: the training places.
        out: run folder: ``model.safetensors``, ``system.json`` and ``training/``.
        weights: where the backbone starts from: ``imagenet``, ``none`` or a weight file.
        resume: go on with the run in ``out``; the result is the one of an unbroken run.
        device: ``auto``, ``cpu`` or ``cuda``; mixed precision on CUDA only.
        seed: decides initial weights, order, augmentation and what is held out.
        save_every: steps between saved states.
        workers: processes that load images; by default one, on CUDA up to 8.
        tensorboard: log for TensorBoard as well.

    Raises:
        SkyfixError: unfit data or settings, or a loss that is not a number.
    """
    out = Path(out)
    data = training_data(dataset, system_class(config.system), config.recipe, seed)
    asked = {**config.to_json(), "places": data.places, "seed": seed, "weights": weights,
             "data": data.listing}  # fmt: skip
    saved = run_state.saved_state(out, asked, resume)
    torch.manual_seed(seed)
    options = {"places": data.places} if takes_places(config.system) else {}
    system = create(config.system, **options, **config.options)
    system.recipe = config.recipe
    if weights != "none" and saved is None:
        system.load_backbone(weights)
    run = Run(system, data, out, device, workers, seed, asked)
    loss = run.go(saved, save_every, tensorboard)
    run.end({**asked, "steps": run.total})
    return TrainResult(out, run.total, loss, tuple(run.unreadable))
