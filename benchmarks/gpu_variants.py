"""What mixed precision, memory layout and compilation give on a GPU, for descriptors and training.

    python benchmarks/gpu_variants.py [--batch 32] [--systems NAME ...] [--write docs/speed.md]

Each variant adds one thing to the one before it. Images are on the GPU already. Descriptors are
compared with the first variant's; a training step is forward, backward and the optimizer on
``batch`` places, one image a view.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import torch
from timing import alternate, machine, publish, table
from torch import Tensor

from skyfix import systems
from skyfix.inference.folding import folded
from skyfix.systems.preprocess import normalized
from skyfix.systems.system import Batch, System

PLACES = 701
CANDIDATES = {
    "skyfix_s": {},
    "sdpl": {"input_px": 512, "places": PLACES},
    "lpn": {"places": PLACES},
    "fsra": {"places": PLACES},
    "mccg": {"places": PLACES},
    "sample4geo": {},
}
HEADER = ["system", "variant", "ms", "times as fast", "GiB", "s to compile"]
MADE_BY = """Made by
`python benchmarks/gpu_variants.py --tables {table} --batch {batch} --runs {runs}`
({machine}, {device}). """
EMBEDDING = """Descriptors of {batch} images on the GPU, mirrored ones included where
the system adds them, each variant with one thing more than the one before it. `Embedder` folds
batch norms and takes mixed precision where it keeps descriptors. *least cosine* is the lowest of a
descriptor with that of the first variant; the weights are random but for skyfix_s.
"""
TRAINING = """One training step with {batch} places and one image a view, each variant with one
thing more than the one before it. The engine gives images channels last in memory, in mixed
precision; `optim.compile` compiles.
"""


@contextmanager
def measured_peak(peaks: dict[str, float], name: str) -> Iterator[None]:
    """Most memory (GiB) that was in use."""
    torch.cuda.reset_peak_memory_stats()
    yield
    peaks[name] = torch.cuda.max_memory_allocated() / 2**30


def warmed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What the first run gives, and its seconds, of which most are spent on compiling."""
    start = time.perf_counter()
    result = run()
    torch.cuda.synchronize()
    return result, time.perf_counter() - start


def rows_of(
    name: str, variants: dict[str, Callable[[], Tensor]], runs: int, has_cosine: bool
) -> list[list[str]]:
    """One row a variant."""
    first: Tensor | None = None
    cosines, compiling, peaks = {}, {}, {}
    for variant, run in variants.items():
        with measured_peak(peaks, variant):
            result, compiling[variant] = warmed(run)
        first = result if first is None else first
        cosines[variant] = f"{(result * first).sum(dim=1).min().item():.5f}" if has_cosine else ""

    def timed(run: Callable[[], Tensor]) -> Callable[[], None]:
        def once() -> None:
            run()
            torch.cuda.synchronize()

        return once

    seconds = alternate({variant: timed(run) for variant, run in variants.items()}, runs)
    slowest = next(iter(seconds.values()))
    return [
        [
            name,
            variant,
            f"{1e3 * spent:.1f}",
            f"{slowest / spent:.2f}",
            f"{peaks[variant]:.1f}",
            f"{compiling[variant]:.0f}" if "compiled" in variant else "",
            *([cosines[variant]] if has_cosine else []),
        ]
        for variant, spent in seconds.items()
    ]


def embedding(name: str, batch: int, runs: int) -> list[list[str]]:
    """Rows of making descriptors."""
    torch.manual_seed(0)
    built_in = name == "skyfix_s"
    system = systems.load(name) if built_in else systems.create(name, **CANDIDATES[name])
    system.cuda().eval()
    height, width = system.preprocess["drone"].resized_px
    photos = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, device="cuda")
    unknown_m = torch.full((batch,), torch.nan, device="cuda")
    with torch.inference_mode():
        thin = folded(system, lambda one: one.embed_photos(photos[:1], "drone", unknown_m[:1]))
    laid = deepcopy(thin).to(memory_format=torch.channels_last)
    preprocess = system.preprocess["drone"]
    compiled = torch.compile(lambda images: laid.embed(images, "drone"), dynamic=False)

    def described(one: System, mixed: bool) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=mixed):
                return one.embed_photos(photos, "drone", unknown_m).float()

        return run

    def described_compiled() -> Tensor:
        with torch.inference_mode(), torch.autocast("cuda", torch.float16):
            return compiled(normalized(photos, preprocess)).float()

    variants = {
        "float32": described(system, False),
        "batch norms folded": described(thin, False),
        "mixed precision": described(thin, True),
        "weights channels last": described(laid, True),
        "compiled": described_compiled,
    }
    return rows_of(name, variants, runs, has_cosine=True)


def training(name: str, batch: int, runs: int) -> list[list[str]]:
    """Rows of training steps."""
    torch.manual_seed(0)
    system = systems.create(name, **CANDIDATES[name]).cuda().train()
    laid = deepcopy(system).to(memory_format=torch.channels_last)
    height, width = system.preprocess["drone"].input_px
    drawn = {v: torch.randn(batch, 3, height, width, device="cuda") for v in system.views}
    labels = dict.fromkeys(system.views, torch.arange(batch, device="cuda"))
    plain = Batch(drawn, labels)
    last = Batch(
        {v: one.contiguous(memory_format=torch.channels_last) for v, one in drawn.items()}, labels
    )

    def stepped(one: System, given: Batch, mixed: bool, compiled: bool = False):
        optimizer = torch.optim.SGD(one.parameters(), 1e-6, momentum=0.9, nesterov=True)
        scaler = torch.amp.GradScaler(enabled=mixed)
        objective = torch.compile(one.objective, dynamic=False) if compiled else one.objective

        def step() -> Tensor:
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.float16, enabled=mixed):
                total = objective(given)["total"]
            scaler.scale(total).backward()
            scaler.step(optimizer)
            scaler.update()
            return total.detach()

        return step

    variants = {
        "float32": stepped(system, plain, False),
        "mixed precision": stepped(system, plain, True),
        "images channels last": stepped(system, last, True),
        "weights channels last": stepped(laid, last, True),
        "compiled": stepped(laid, last, True, compiled=True),
    }
    return rows_of(name, variants, runs, has_cosine=False)


TABLES = {
    "descriptors": ("Descriptors on a GPU", EMBEDDING, [*HEADER, "least cosine"], embedding),
    "training": ("Training steps on a GPU", TRAINING, HEADER, training),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--systems", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("This compares what a GPU does, and torch finds none here.")
    for name in asked.tables:
        title, preface, header, measure = TABLES[name]
        rows: list[list[str]] = []
        for system in asked.systems:
            rows += measure(system, asked.batch, asked.runs)
            torch.cuda.empty_cache()
            torch.compiler.reset()
        made_by = (MADE_BY + preface).format(
            table=name,
            batch=asked.batch,
            runs=asked.runs,
            machine=machine(),
            device=torch.cuda.get_device_name(),
        )
        publish(title, made_by + "\n" + table(header, rows, words=2), asked.write)


if __name__ == "__main__":
    main()
