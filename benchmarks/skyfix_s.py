"""Train skyfix_s and export it in half precision.

    python benchmarks/skyfix_s.py --data runs/grounds --out runs/skyfix_s [--minutes 9]

The data folder comes from benchmarks/skyfix_s_data.py. With ``--minutes`` the first steps are
timed and the recipe's number of steps is set to what fits. ``--set`` changes values of the recipe.
The checkpoint folders ``best`` and ``last`` below ``--out`` hold fp16 weights; ``best`` is the
state that finds the held-out places best and is written whenever there is a new one.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from skyfix.datasets.grounds import Grounds
from skyfix.systems import create, save
from skyfix.training import state
from skyfix.training.config import TrainConfig, read_config
from skyfix.training.log import read_log
from skyfix.training.loop import train

RECIPE = Path(__file__).parents[1] / "recipes" / "skyfix_s.toml"
WARM_UP_STEPS, TIMED_STEPS = 10, 40
_EVERY_S = 20.0
_FINISH_SHARE = 0.9


def fitting_steps(minutes: float, settings: list[str], data: Grounds, rest: dict) -> int:
    """Steps that fit into so many minutes, the timing included; loaders and looks take a share."""
    start = time.monotonic()
    seconds = []
    for steps in (WARM_UP_STEPS, WARM_UP_STEPS + TIMED_STEPS):
        short = [*settings, f"schedule.steps={steps}", "validation.select=last"]
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            train(read_config(RECIPE, short), data, folder, save_every=10_000, **rest)
            seconds.append(time.monotonic() - began)
    step_s = (seconds[1] - seconds[0]) / TIMED_STEPS
    left_s = 60 * minutes - (time.monotonic() - start)
    steps = max(TIMED_STEPS, int(_FINISH_SHARE * left_s / step_s))
    print(f"{step_s:.3f} s a step; {steps} steps in {left_s:.0f} s", flush=True)
    return steps


def export(tensors: dict, config: TrainConfig, folder: Path, provenance: dict) -> None:
    """A checkpoint folder with fp16 weights."""
    system = create(config.system, **config.options)
    system.load_state_dict(tensors)
    save(system.half(), folder, provenance)


class Watcher(threading.Thread):
    """Says where a run stands and exports its best state so far."""

    def __init__(self, run: Path, out: Path, config: TrainConfig) -> None:
        super().__init__(daemon=True)
        self._run, self._out, self._config = run, out, config
        self._exported, self._said = -1.0, 0
        self.over = threading.Event()

    def run(self) -> None:
        """Until ``over`` is set."""
        while not self.over.wait(_EVERY_S):
            self.look()

    def look(self) -> None:
        """Print what the log has new, and export if the best has changed."""
        rows = read_log(self._run / state.FOLDER)
        for row in rows[self._said :]:
            if "recall@1" in row or row["step"] % 100 == 0:
                print(json.dumps(row), flush=True)
        self._said = len(rows)
        best = max((row["recall@1"] for row in rows if "recall@1" in row), default=-1.0)
        if best > self._exported:
            tensors = load_file(self._run / state.FOLDER / "best.safetensors")
            export(tensors, self._config, self._out / "best", {"validation R@1": best})
            self._exported = best


def main() -> None:
    """Train, export, say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    data = Grounds(asked.data)
    rest = {name: getattr(asked, name) for name in ("weights", "device", "seed", "workers")}
    settings = asked.settings
    if asked.minutes:
        steps = fitting_steps(asked.minutes, settings, data, rest)
        settings = [*settings, f"schedule.steps={steps}"]
    config = read_config(RECIPE, settings)
    run = asked.out / "run"
    watcher = Watcher(run, asked.out, config)
    watcher.start()
    result = train(config, data, run, save_every=asked.save_every, **rest)
    watcher.over.set()
    watcher.join()
    watcher.look()
    last = torch.load(run / state.FOLDER / "state.pt", map_location="cpu", weights_only=True)
    export(last["model"], config, asked.out / "last", {"steps": result.steps})
    print(f"{result.steps} steps, loss {result.loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
