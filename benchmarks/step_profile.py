"""Where the time of a training step goes, system by system.

    python benchmarks/step_profile.py [--batch 2] [--write docs/performance.md]

A step is forward, backward and the optimizer, on made-up images of all the system's views at its
paper's size and backbone. Operators are grouped by what they do, by the profiler's own time of
each; the step itself is timed without the profiler.
"""

import argparse
from pathlib import Path

import torch
from timing import alternate, machine, publish, table
from torch.profiler import ProfilerActivity, profile

from skyfix import systems
from skyfix.systems.system import Batch, System

PLACES = 701
CANDIDATES = (
    ("sdpl", {"input_px": 512, "places": PLACES}),
    ("lpn", {"places": PLACES}),
    ("fsra", {"places": PLACES}),
    ("mccg", {"places": PLACES}),
    ("sample4geo", {}),
)
GROUPS = {
    "convolutions": ("conv", "mkldnn"),
    "products": ("mm", "matmul", "linear", "attention", "einsum"),
    "norms": ("norm",),
    "optimizer": ("optimizer", "_foreach", "_fused"),
}
"""Names of operators by what they do; all others are *rest*."""

PREFACE = """Made by `python benchmarks/step_profile.py --batch {batch} --runs {runs}`
({machine}, {device}). One training step with {batch} places and one image a view, each system at
its paper's backbone and size, median of {runs} runs in float32; then what share of it each kind of
operator has (%), and the three operators that take most of the *rest*. Products are matrix
products: of heads, attention and pooling.
"""
HEADER = ["system", "input px", "step ms", *(f"{name} %" for name in GROUPS), "rest %",
          "most of the rest"]  # fmt: skip


def stepped(system: System, batch: Batch):
    """A function that trains one step."""
    optimizer = torch.optim.SGD(system.parameters(), 1e-6, momentum=0.9, nesterov=True)

    def step() -> float:
        optimizer.zero_grad()
        total = system.objective(batch)["total"]
        total.backward()
        optimizer.step()
        return total.item()

    return step


def group_of(operator: str) -> str:
    """Which of ``GROUPS`` an operator is in."""
    name = operator.lower()
    return next((group for group, words in GROUPS.items() if any(w in name for w in words)), "rest")


def run(name: str, options: dict, places: int, runs: int, device: str) -> list[str]:
    """One row of the table."""
    torch.manual_seed(0)
    system = systems.create(name, **options).to(device).train()
    height, width = system.preprocess["drone"].input_px
    shape = places, 3, height, width
    # Channels last in memory, as the engine gives them.
    images = {
        view: torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
        for view in system.views
    }
    labels = torch.arange(places, device=device)
    step = stepped(system, Batch(images, dict.fromkeys(system.views, labels)))
    seconds = alternate({"step": step}, runs)["step"]
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as seen:
        step()
    own = {
        event.key: event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        for event in seen.key_averages()
    }
    whole = sum(own.values())
    shares = dict.fromkeys([*GROUPS, "rest"], 0.0)
    for operator, spent in own.items():
        shares[group_of(operator)] += 100 * spent / whole
    others = sorted((key for key in own if group_of(key) == "rest"), key=own.get, reverse=True)
    most = ", ".join(
        f"{one.removeprefix('aten::')} {100 * own[one] / whole:.0f}" for one in others[:3]
    )
    percent = [f"{share:.0f}" for share in shares.values()]
    return [name, f"{height}", f"{1e3 * seconds:.0f}", *percent, most]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    rows = [run(*one, asked.batch, asked.runs, asked.device) for one in CANDIDATES]
    preface = PREFACE.format(
        batch=asked.batch, runs=asked.runs, machine=machine(), device=asked.device
    )
    publish(f"Training steps, {asked.device}", preface + "\n" + table(HEADER, rows), asked.write)


if __name__ == "__main__":
    main()
