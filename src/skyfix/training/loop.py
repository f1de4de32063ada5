"""The training loop."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from skyfix.datasets.contract import PlaceSet
from skyfix.errors import SkyfixError
from skyfix.inference.embedder import choose_device
from skyfix.progress import Counter, counting
from skyfix.systems import create, save
from skyfix.systems.preprocess import normalized
from skyfix.systems.registry import system_class, takes_places
from skyfix.systems.system import Batch, System
from skyfix.training import state as run_state
from skyfix.training.batches import StepDataset, StepImages, ViewImages
from skyfix.training.config import TrainConfig
from skyfix.views import View


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
    dataset: PlaceSet,
    out: Path | str,
    weights: str = "imagenet",
    resume: bool = False,
    device: str = "auto",
    seed: int = 0,
    save_every: int = 100,
    workers: int = 1,
) -> TrainResult:
    """Train a system and write its checkpoint folder.

    Args:
        config: system and recipe.
        dataset: the training places.
        out: run folder: ``model.safetensors``, ``system.json`` and ``training/``.
        weights: where the backbone starts from: ``imagenet``, ``none`` or a weight file.
        resume: go on with the run in ``out``; the result is the one of an unbroken run.
        device: ``auto``, ``cpu`` or ``cuda``; mixed precision on CUDA only.
        seed: decides initial weights, order and augmentation.
        save_every: steps between saved states.
        workers: processes that load images.

    Raises:
        SkyfixError: unfit data or settings, or a loss that is not a number.
    """
    out = Path(out)
    views = {view: _view_images(dataset, view) for view in system_class(config.system).views}
    places = 1 + max(int(images.classes.max()) for images in views.values())
    asked = {**config.to_json(), "places": places, "seed": seed}
    saved = run_state.saved_state(out, asked, resume)
    torch.manual_seed(seed)
    options = {"places": places} if takes_places(config.system) else {}
    system = create(config.system, **options, **config.options)
    system.recipe = config.recipe
    if weights != "none" and saved is None:
        system.load_backbone(weights)
    run = _Run(system, _steps(system, views, seed), out, device, workers)
    run_state.begin(out, asked)
    loss = run.go(saved, save_every)
    provenance = {**config.to_json(), "seed": seed, "steps": run.total, "weights": weights}
    save(system, out, provenance)
    return TrainResult(out, run.total, loss, tuple(run.unreadable))


class _Run:
    """One run: model, optimizer and where it stands."""

    def __init__(
        self, system: System, steps: StepDataset, out: Path, device: str, workers: int
    ) -> None:
        cuda = choose_device(device).type == "cuda"
        self._accelerator = Accelerator(cpu=not cuda, mixed_precision="fp16" if cuda else "no")
        optimizer = _optimizer(system)
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._model, self._optimizer = self._accelerator.prepare(system, optimizer)
        self._system, self._steps, self._out, self._workers = system, steps, out, workers
        self.total = system.recipe.schedule.total_steps(steps.steps_per_epoch)
        self.unreadable: dict[str, None] = {}

    def go(self, saved: dict[str, Any] | None, save_every: int) -> float:
        """Train to the end from the saved state or from the start; the last loss."""
        start = self._restore(saved) if saved else 0
        log = run_state.Log(self._out, start)
        loss = math.nan
        self._model.train()
        with counting(f"Train {self._system.name}", self.total, "steps", done=start) as counter:
            for step, images in enumerate(self._loader(start), start):
                terms = self._step(step, images)
                loss = self._checked(terms["total"], step)
                log.add(
                    step + 1,
                    step // self._steps.steps_per_epoch,
                    self._system.recipe.optim.lr * self._factor(step),
                    terms,
                )
                self._report(counter, images, loss)
                if (step + 1) % save_every == 0 or step + 1 == self.total:
                    log.write()
                    run_state.save_state(self._out, self._state(step + 1))
        self._model.eval()
        return loss

    def _loader(self, start: int) -> Iterator[StepImages]:
        loader = DataLoader(
            self._steps,
            batch_size=None,
            sampler=range(start, self.total),
            num_workers=self._workers,
            # The steps' own seeds decide everything; torch's generator must stay untouched.
            generator=torch.Generator(),
        )
        with warnings.catch_warnings():
            # Lance warns at every fork of a process that has loaded it; loaders never touch it.
            warnings.filterwarnings("ignore", message="lance is not fork-safe")
            return iter(loader)

    def _step(self, step: int, images: StepImages) -> dict[str, float]:
        factor = self._factor(step)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        terms = self._model(self._batch(images))
        self._optimizer.zero_grad()
        self._accelerator.backward(terms["total"])
        if self._system.recipe.optim.clip_value:
            clip_value = self._system.recipe.optim.clip_value
            self._accelerator.clip_grad_value_(self._model.parameters(), clip_value)
        self._optimizer.step()
        return {name: float(term.detach()) for name, term in terms.items()}

    def _batch(self, images: StepImages) -> Batch:
        device, preprocess = self._accelerator.device, self._system.preprocess
        return Batch(
            {view: normalized(x.to(device), preprocess[view]) for view, x in images.images.items()},
            {view: labels.to(device) for view, labels in images.places.items()},
            altitude_m={view: values.to(device) for view, values in images.altitude_m.items()},
        )

    def _factor(self, step: int) -> float:
        return self._system.recipe.schedule.factor(step, self._steps.steps_per_epoch)

    def _checked(self, loss: float, step: int) -> float:
        if not math.isfinite(loss):
            raise SkyfixError(
                f"The loss is not a number at step {step + 1}. Lower the learning rate with "
                f"--set optim.lr={self._system.recipe.optim.lr / 10:g}; the last saved state in "
                f"{self._out} is kept."
            )
        return loss

    def _report(self, counter: Counter, images: StepImages, loss: float) -> None:
        self.unreadable.update(dict.fromkeys(images.unreadable))
        counter.advance(note=f"loss {loss:.3f}")

    def _state(self, step: int) -> dict[str, Any]:
        scaler = self._accelerator.scaler
        return {
            "step": step,
            "model": self._system.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def _restore(self, saved: dict[str, Any]) -> int:
        self._system.load_state_dict(saved["model"])
        self._optimizer.load_state_dict(saved["optimizer"])
        if self._accelerator.scaler and saved["scaler"]:
            self._accelerator.scaler.load_state_dict(saved["scaler"])
        torch.set_rng_state(saved["rng"])
        if torch.cuda.is_available() and saved["cuda_rng"]:
            torch.cuda.set_rng_state_all(saved["cuda_rng"])
        return int(saved["step"])


def _optimizer(system: System) -> torch.optim.Optimizer:
    optim = system.recipe.optim
    groups = [group for group in system.parameter_groups() if group["params"]]
    if optim.kind == "sgd":
        return torch.optim.SGD(
            groups,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
            nesterov=optim.nesterov and optim.momentum > 0,
        )
    kind = torch.optim.Adam if optim.kind == "adam" else torch.optim.AdamW
    return kind(groups, weight_decay=optim.weight_decay)


def _steps(system: System, views: dict[View, ViewImages], seed: int) -> StepDataset:
    recipe = system.recipe
    return StepDataset(views, recipe.sampler, recipe.augment, system.preprocess, seed)


def _view_images(dataset: PlaceSet, view: View) -> ViewImages:
    images = dataset.train(view)
    classes = np.unique(images.labels, return_inverse=True)[1]
    return ViewImages(images.paths, classes, images.altitude_m)
