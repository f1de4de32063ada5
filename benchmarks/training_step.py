"""SDPL's whole training step against the authors' arithmetic on the same backbone.

    python benchmarks/training_step.py [--batch 2] [--input-px 512] [--write docs/speed.md]

A step is forward, backward and the optimizer, ResNet-50, both views. *literal* slices and pads each
part of each shift, runs each head on its own and each view apart, in float32, as the authors' code
does; *backbone* stops at the map. On CUDA skyfix and the backbone run in mixed precision.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from part_pooling import (
    PLACES,
    LiteralHeads,
    fused_literally,
    literal_paper_parts,
    literal_released_parts,
)
from timing import alternate, machine, publish, table
from torch import Tensor, nn
from torch.nn import functional as F

from skyfix import systems
from skyfix.systems.sdpl import SDPL
from skyfix.systems.system import Batch

PREFACE = """Made by
`python benchmarks/training_step.py --batch {batch} --input-px {side} --runs {runs}`
({machine}, {device}). One step of SDPL-R50 with {batch} images a view at {side} px, median of
alternating runs. The literal side computes what the authors' code computes, in the steps in which
it does so, in float32; skyfix and the bare backbone run in {precision}, channels last in memory.
"""
HEADER = ["variant", "literal ms", "skyfix ms", "backbone ms", "times as fast",
          "backbone / skyfix"]  # fmt: skip


class Literal(nn.Module):
    """SDPL's objective in the authors' steps, on the system's own layers."""

    def __init__(self, system: SDPL) -> None:
        super().__init__()
        self.backbone, self.shift_weights = system.backbone, system.shift_weights
        self.heads = LiteralHeads(system.heads)
        self.parts = literal_paper_parts if system.variant == "paper" else literal_released_parts

    def forward(self, batch: Batch) -> Tensor:
        total = torch.zeros((), device=next(self.parameters()).device)
        for view, images in batch.images.items():
            feature_map = self.backbone(images)
            fused = fused_literally(self.parts(feature_map), self.shift_weights(feature_map))
            labels = batch.places[view]
            total = total + sum(F.cross_entropy(part, labels) for part in self.heads(fused))
        return total


def stepped(model: nn.Module, loss: Callable[[], Tensor], mixed: bool) -> Callable[[], float]:
    """One step; ends when the device has done it."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-6, momentum=0.9, nesterov=True)
    scaler = torch.amp.GradScaler(enabled=mixed)
    device = next(model.parameters()).device.type

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast(device, torch.float16, enabled=mixed):
            value = loss()
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        if device == "cuda":
            torch.cuda.synchronize()
        return value.item()

    return step


def run(variant: str, batch: int, input_px: int, runs: int, device: str) -> list[str]:
    """One row of the table, after checking that both sides have the same loss."""
    torch.manual_seed(0)
    system = systems.create("sdpl", variant=variant, places=PLACES, input_px=input_px, dropout=0.0)
    assert isinstance(system, SDPL)
    literal = Literal(system)
    for model in (system, literal):
        model.to(device).train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    images = {v: torch.randn(batch, 3, input_px, input_px, device=device) for v in system.views}
    places = {v: torch.randint(PLACES, (batch,), device=device) for v in system.views}
    given = Batch(images, places)
    # As the engine gives them, see ``normalized``.
    laid_out = {v: one.contiguous(memory_format=torch.channels_last) for v, one in images.items()}
    ours_given, both = Batch(laid_out, places), torch.cat(list(laid_out.values()))
    with torch.no_grad():
        torch.testing.assert_close(
            system.objective(given)["total"], literal(given), rtol=2e-2, atol=0
        )
    mixed = device == "cuda"
    seconds = alternate(
        {
            "literal": stepped(literal, lambda: literal(given), mixed=False),
            "skyfix": stepped(system, lambda: system.objective(ours_given)["total"], mixed),
            "backbone": stepped(system.backbone, lambda: system.backbone(both).mean(), mixed),
        },
        runs,
    )
    slow, ours, bare = (seconds[name] for name in ("literal", "skyfix", "backbone"))
    milliseconds = [f"{1e3 * value:.0f}" for value in (slow, ours, bare)]
    return [variant, *milliseconds, f"{slow / ours:.2f}", f"{bare / ours:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--input-px", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    rows = [
        run(variant, asked.batch, asked.input_px, asked.runs, asked.device)
        for variant in ("paper", "released")
    ]
    cuda = asked.device == "cuda"
    preface = PREFACE.format(
        batch=asked.batch,
        side=asked.input_px,
        runs=asked.runs,
        machine=machine(),
        device=torch.cuda.get_device_name() if cuda else "cpu",
        precision="mixed precision (float16)" if cuda else "float32, too",
    )
    title = f"SDPL's training step, {asked.device}"
    publish(title, preface + "\n" + table(HEADER, rows), asked.write)


if __name__ == "__main__":
    main()
