"""Fine-tuning a trained system to the ground that it will search, from the map alone."""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch.utils.data import DataLoader

from skyfix.datasets.grounds import Grounds
from skyfix.errors import SkyfixError
from skyfix.inference.embedder import choose_device
from skyfix.memory import keep_freed_memory
from skyfix.progress import counting
from skyfix.systems.preprocess import normalized
from skyfix.systems.recipe import Optim, Schedule
from skyfix.systems.registry import takes_places
from skyfix.systems.system import Batch, System
from skyfix.training.batches import Shard, StepImages
from skyfix.training.made import MadePairs

OPTIM = Optim(kind="adamw", lr=1e-4, backbone_scale=0.5, weight_decay=0.01)
FROZEN_SHARE = 2 / 3
"""Of the backbone's tensors, those next to the image: what they see is the same everywhere."""
_CHECKS = 4


@dataclass(frozen=True)
class Adapted:
    """What an adaptation did.

    Attributes:
        before, after: R@1 (percent) of made views of the map among tiles of the map, with views
            that were not trained on.
        loss: of the last step.
    """

    before: float
    after: float
    loss: float


def adapt(
    system: System,
    grounds: Grounds,
    steps: int,
    batch_size: int,
    seed: int = 0,
    device: str = "auto",
) -> Adapted:
    """Train a system in place on pairs that are made from the grounds.

    The first layers of the backbone stay, and so do all running statistics: a map is little
    ground, and real photos are still to come.

    Args:
        system: trained, of satellite and drone images, with an objective of pairs.
        grounds: what pairs are made from.
        steps: optimizer steps.
        batch_size: pairs a step.
        seed: decides everything.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        SkyfixError: a system that is not trained by pairs, too little ground for a batch, or a
            loss that is not a number.
    """
    _require_pairs(system)
    where = choose_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    system.to(where).eval()
    input_px = system.preprocess["satellite"].input_px[0]
    made = MadePairs(grounds, batch_size, input_px, seed, Shard())
    # A batch is a function of its number: those after the last step are never trained on.
    judged_by = [made[steps + number] for number in range(_CHECKS)]
    before = _recall(system, judged_by, where)
    loss = _train(system, made, steps, where)
    return Adapted(before, _recall(system, judged_by, where), loss)


def _train(system: System, made: MadePairs, steps: int, device: torch.device) -> float:
    optimizer = torch.optim.AdamW(_groups(system), weight_decay=OPTIM.weight_decay)
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = Schedule(kind="cosine", steps=steps, warmup_epochs=0.1)
    loader = DataLoader(made, batch_size=None, sampler=range(steps), num_workers=1)
    loss = math.nan
    with counting(f"Adapt {system.name}", steps, "steps") as counter:
        for step, images in enumerate(loader):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.factor(step, steps)
            optimizer.zero_grad()
            total = system(_batch(system, images, device))["total"]
            loss = float(total.detach())
            if not math.isfinite(loss):
                raise SkyfixError(
                    f"The loss is not a number at step {step + 1}. The system's weights may be "
                    "damaged; give another one with --system."
                )
            total.backward()
            optimizer.step()
            counter.advance(note=f"loss {loss:.3f}")
    return loss


def _groups(system: System) -> list[dict]:
    """Optimizer groups of what is trained; the rest is frozen."""
    heads = system.head_parameters()
    chosen = {id(parameter) for parameter in heads}
    backbone = [parameter for parameter in system.parameters() if id(parameter) not in chosen]
    first = round(FROZEN_SHARE * len(backbone))
    for parameter in backbone[:first]:
        parameter.requires_grad_(False)
    return [
        {"params": backbone[first:], "lr": OPTIM.lr * OPTIM.backbone_scale},
        {"params": heads, "lr": OPTIM.lr},
    ]


def _batch(system: System, images: StepImages, device: torch.device) -> Batch:
    return Batch(
        {
            view: normalized(pixels.to(device), system.preprocess[view])
            for view, pixels in images.images.items()
        },
        {view: labels.to(device) for view, labels in images.places.items()},
    )


def _recall(system: System, judged_by: list[StepImages], device: torch.device) -> float:
    """R@1 (percent) of the drone side of some batches, each among its own tiles."""
    hits = []
    for images in judged_by:
        batch = _batch(system, images, device)
        with torch.inference_mode():
            photos, tiles = (
                system.embed(batch.images[view], view) for view in ("drone", "satellite")
            )
        found = (photos @ tiles.T).argmax(dim=1).cpu()
        hits.append((found == torch.arange(len(found))).tolist())
    return 100 * float(np.mean(list(chain.from_iterable(hits))))


def _require_pairs(system: System) -> None:
    by_pairs = system.trainable and not takes_places(system.name)
    if not by_pairs or system.views != ("satellite", "drone"):
        raise SkyfixError(
            f"{system.name} is not trained by pairs of photo and tile, so a map alone cannot adapt "
            "it. Use skyfix_s, or a run of such a system."
        )
