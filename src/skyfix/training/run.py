"""One run: model, optimizer, batches, and where it stands."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast_object_list, gather_object
from torch import nn
from torch.utils.data import DataLoader

from skyfix.errors import SkyfixError
from skyfix.inference.embedder import choose_device
from skyfix.memory import keep_freed_memory
from skyfix.progress import counting
from skyfix.systems import save
from skyfix.systems.preprocess import normalized
from skyfix.systems.system import Batch, System
from skyfix.training import state as run_state
from skyfix.training.batches import Shard, StepDataset, StepImages, loading_processes
from skyfix.training.data import TrainingData
from skyfix.training.failures import told_failures
from skyfix.training.log import Log
from skyfix.training.made import MadePairs
from skyfix.training.mining import alike_places
from skyfix.training.optimizer import (
    compile_objective,
    forget_inner_maps,
    make_optimizer,
    rate_scale,
)
from skyfix.training.sampling import nearest_places
from skyfix.training.selection import Selection, embedder_now


class Run:
    """One run.

    Args:
        system: with the recipe that it is trained by.
        data: what it is trained on and judged by.
        out: run folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: processes that load images; None for as many as keep the device busy.
        seed: decides order, augmentation and dropout.
        asked: configuration that a saved state is for.

    Attributes:
        total: steps of the whole run.
        unreadable: images that were left out, and why.
    """

    def __init__(
        self,
        system: System,
        data: TrainingData,
        out: Path,
        device: str,
        workers: int | None,
        seed: int,
        asked: dict[str, Any],
    ) -> None:
        cuda = choose_device(device).type == "cuda"
        if not cuda:
            keep_freed_memory()
        self._accelerator = Accelerator(
            cpu=not cuda,
            mixed_precision="fp16" if cuda else "no",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        processes = self._accelerator.num_processes
        if processes > 1 and cuda:
            nn.SyncBatchNorm.convert_sync_batchnorm(system)
        if system.recipe.optim.checkpointing:
            forget_inner_maps(system)
        if system.recipe.optim.compile:
            compile_objective(system)
        self._system, self._data, self._out = system, data, out
        self._workers = loading_processes(cuda, processes) if workers is None else workers
        self._asked, self._seed = asked, seed
        self._shard = Shard(self._accelerator.process_index, processes)
        self._recipe = system.recipe
        self._neighbours: np.ndarray | None = None
        self._batches = self._drawn()
        optimizer = make_optimizer(system)
        self._rates = [group["lr"] * rate_scale(self._recipe) for group in optimizer.param_groups]
        self._model, self._optimizer = self._accelerator.prepare(system, optimizer)
        self._steps_per_epoch = max(
            1, self._batches.batches_per_epoch // self._recipe.optim.accumulate
        )
        self.total = self._recipe.schedule.total_steps(self._steps_per_epoch)
        self._selection: Selection | None = None
        self.unreadable: dict[str, None] = {}
        torch.manual_seed(seed + self._shard.rank)

    def go(self, saved: dict[str, Any] | None, save_every: int, tensorboard: bool) -> float:
        """Train to the end from the saved state or from the start; the last loss."""
        start = self._restore(saved) if saved else 0
        folder = self._out / run_state.FOLDER
        if self._data.judged_by is not None:
            best = saved["best"] if saved else -1.0
            self._selection = Selection(folder, self._data.judged_by, self._data.photo, best)
        log = Log(folder, start, tensorboard and self._accelerator.is_main_process)
        loss = math.nan
        self._model.train()
        while start < self.total:
            self._mine(start)
            end = self._next_stop(start)
            loss = self._train(start, end, save_every, log)
            self._look(end, log)
            self._keep(end, log)
            start = end
        self._model.eval()
        return loss

    def end(self, provenance: dict[str, Any]) -> None:
        """Write the checkpoint folder with the state that is selected."""
        self.unreadable = dict.fromkeys(gather_object([*self.unreadable]))
        if self._accelerator.is_main_process:
            provenance = {**provenance, "selected_by": self._recipe.validation.select}
            if self._selection is not None:
                self._selection.restore(self._system)
                provenance["validation R@1"] = self._selection.best
            save(self._system, self._out, provenance)
        self._accelerator.wait_for_everyone()

    def _next_stop(self, start: int) -> int:
        """Where images are mined or held-out places looked at next, or the end."""
        periods = []
        if self._selection is not None:
            periods.append(self._recipe.validation.every_epochs)
        if self._recipe.sampler.mining == "similarity":
            periods.append(self._recipe.sampler.mined_every)
        steps = [period * self._steps_per_epoch for period in periods]
        return min([self.total, *((start // step + 1) * step for step in steps)])

    def _train(self, start: int, end: int, save_every: int, log: Log) -> float:
        loss = math.nan
        title = f"Train {self._system.name}"
        with counting(title, self.total, "steps", done=start) as counter:
            batches = self._loader(start, end)
            for step in range(start, end):
                terms = self._step(step, batches)
                loss = self._checked(terms["total"], step)
                epoch = step // self._steps_per_epoch
                rate = self._recipe.optim.lr * rate_scale(self._recipe) * self._factor(step)
                log.add(step + 1, {"epoch": epoch, "lr": rate, **terms})
                counter.advance(note=f"loss {loss:.3f}")
                if (step + 1) % save_every == 0 and step + 1 < end:
                    self._keep(step + 1, log)
        return loss

    def _keep(self, step: int, log: Log) -> None:
        state = self._state(step)
        if self._accelerator.is_main_process:
            log.write()
            if step == self.total:
                log.draw()
            run_state.save_state(self._out, self._asked, state)

    def _look(self, step: int, log: Log) -> None:
        every = self._recipe.validation.every_epochs * self._steps_per_epoch
        if self._selection is None or (step % every and step < self.total):
            return
        with embedder_now(self._system, self._accelerator.device) as embedder:
            if embedder is not None:
                log.add(step, {"recall@1": self._selection.look(embedder, self._system)})

    def _mine(self, step: int) -> None:
        """Look for places that are easily confused, at the start and every few epochs."""
        sampler = self._recipe.sampler
        every = sampler.mined_every * self._steps_per_epoch
        if sampler.mining == "none" or (step % every and self._neighbours is not None):
            return
        if sampler.mining == "similarity" and step >= every:
            with embedder_now(self._system, self._accelerator.device) as embedder:
                found = embedder and alike_places(embedder, self._data.views, sampler.neighbours)
            [self._neighbours] = broadcast_object_list([found])
        elif self._data.positions is not None:
            self._neighbours = nearest_places(self._data.positions, sampler.neighbours)
        elif sampler.mining == "positions":
            raise SkyfixError(
                "The data set does not tell where its places are, so near ones cannot be found. "
                "Use --set sampler.mining=similarity or none."
            )
        self._batches = self._drawn()

    def _drawn(self) -> StepDataset | MadePairs:
        if self._data.grounds is not None:
            size, side_px = self._recipe.sampler.batch_size, self._system.preprocess["satellite"]
            return MadePairs(self._data.grounds, size, side_px.input_px[0], self._seed, self._shard)
        return StepDataset(
            self._data.views,
            self._recipe.sampler,
            self._recipe.augment,
            self._system.preprocess,
            self._seed,
            self._data.matches,
            self._neighbours,
            self._shard,
        )

    def _loader(self, start: int, end: int) -> Iterator[StepImages]:
        accumulate = self._recipe.optim.accumulate
        loader = DataLoader(
            self._batches,
            batch_size=None,
            sampler=range(start * accumulate, end * accumulate),
            num_workers=self._workers,
            # The batches' own seeds decide everything; torch's generator must stay untouched.
            generator=torch.Generator(),
        )
        with warnings.catch_warnings():
            # Lance warns at every fork of a process that has loaded it; loaders never touch it.
            warnings.filterwarnings("ignore", message="lance is not fork-safe")
            return iter(loader)

    def _step(self, step: int, batches: Iterator[StepImages]) -> dict[str, float]:
        optim, factor = self._recipe.optim, self._factor(step)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._optimizer.zero_grad()
        sums: dict[str, float] = {}
        for _ in range(optim.accumulate):
            images = next(batches)
            self.unreadable.update(dict.fromkeys(images.unreadable))
            with told_failures(self._system, self._accelerator.device):
                terms = self._model(self._batch(images))
                self._accelerator.backward(terms["total"] / optim.accumulate)
            for name, value in self._averaged(terms).items():
                sums[name] = sums.get(name, 0.0) + value / optim.accumulate
        if optim.clip_value:
            self._accelerator.clip_grad_value_(self._model.parameters(), optim.clip_value)
        self._optimizer.step()
        return sums

    def _averaged(self, terms: dict[str, torch.Tensor]) -> dict[str, float]:
        """Loss terms as numbers, the mean over all processes."""
        values = torch.stack([term.detach().float() for term in terms.values()])
        values = self._accelerator.reduce(values, reduction="mean")
        return dict(zip(terms, values.tolist(), strict=True))

    def _batch(self, images: StepImages) -> Batch:
        device, preprocess = self._accelerator.device, self._system.preprocess
        return Batch(
            {view: normalized(x.to(device), preprocess[view]) for view, x in images.images.items()},
            {view: labels.to(device) for view, labels in images.places.items()},
            overlaps=None if images.overlaps is None else images.overlaps.to(device),
            altitude_m={view: values.to(device) for view, values in images.altitude_m.items()},
        )

    def _factor(self, step: int) -> float:
        return self._recipe.schedule.factor(step, self._steps_per_epoch)

    def _checked(self, loss: float, step: int) -> float:
        if not math.isfinite(loss):
            raise SkyfixError(
                f"The loss is not a number at step {step + 1}. Lower the learning rate with "
                f"--set optim.lr={self._recipe.optim.lr / 10:g}; what was saved in {self._out} is "
                "kept."
            )
        return loss

    def _state(self, step: int) -> dict[str, Any]:
        scaler, neighbours = self._accelerator.scaler, self._neighbours
        cuda = torch.cuda.is_available()
        return {
            "step": step,
            "model": self._system.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
            "rng": gather_object([torch.get_rng_state()]),
            "cuda_rng": gather_object([torch.cuda.get_rng_state()]) if cuda else [],
            "best": -1.0 if self._selection is None else self._selection.best,
            "neighbours": None if neighbours is None else torch.from_numpy(neighbours),
        }

    def _restore(self, saved: dict[str, Any]) -> int:
        self._system.load_state_dict(saved["model"])
        self._optimizer.load_state_dict(saved["optimizer"])
        if self._accelerator.scaler and saved["scaler"]:
            self._accelerator.scaler.load_state_dict(saved["scaler"])
        if self._shard.rank < len(saved["rng"]):
            torch.set_rng_state(saved["rng"][self._shard.rank])
        if torch.cuda.is_available() and self._shard.rank < len(saved["cuda_rng"]):
            torch.cuda.set_rng_state(saved["cuda_rng"][self._shard.rank])
        if saved["neighbours"] is not None:
            self._neighbours = saved["neighbours"].numpy()
            self._batches = self._drawn()
        return int(saved["step"])
