"""Several processes with one embedder: what one process finds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from plain_runs import ONE_THREAD, RECIPES, TORCHRUN
from torch.multiprocessing.spawn import spawn

from skyfix import systems
from skyfix.datasets.registry import generate
from skyfix.errors import SkyfixError
from skyfix.inference import Embedder
from skyfix.inference.together import together
from skyfix.systems.system import System
from skyfix.training.log import read_log
from skyfix.training.selection import embedder_now

IMAGES = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
COUNTS = (0, 1, 5)
UNREADABLE = Path("nowhere.jpg")

ALIKE = {
    "system.backbone": "test_convnext",
    "system.input_px": 32,
    "schedule.epochs": 4,
    "schedule.warmup_epochs": 0,
    "sampler.batch_size": 4,
    "sampler.mining": "similarity",
    "sampler.mined_every": 2,
    "validation.select": "held-out",
    "validation.share": 0.5,
    "validation.every_epochs": 1,
}
"""Looks for places that are alike, and at held-out ones, on the way."""


def small_system() -> System:
    torch.manual_seed(0)
    return systems.create("imagenet", input_px=64)


def _in_process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    asked: list[int] = []
    embed_files = Embedder.embed_files

    def counted(self: Embedder, images: list, *rest: Any) -> Any:
        asked.append(len(images))
        return embed_files(self, images, *rest)

    Embedder.embed_files = counted  # type: ignore[assignment]
    system = small_system().train()
    for buffer in system.buffers():
        # As in training, running statistics are each process's own.
        buffer.add_(rank)
    found = {}
    with embedder_now(system, torch.device("cpu")) as embedder:
        if embedder is not None:
            for count in COUNTS:
                found[count] = embedder.embed_files([UNREADABLE, *IMAGES][:count], "drone")[:2]
    assert system.training
    np.savez(
        f"{folder}/{rank}",
        asked=asked,
        **{f"{n}_{i}": x for n, two in found.items() for i, x in enumerate(two)},
    )
    with (
        pytest.raises(SystemExit if rank else SkyfixError),
        together(Embedder(system, "cpu")) as embedder,
    ):
        assert embedder is not None
        raise SkyfixError("No reason.")
    dist.destroy_process_group()


@pytest.mark.slow
def test_each_process_embeds_its_share(tmp_path: Path) -> None:
    spawn(_in_process, (str(tmp_path),), nprocs=2)
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    assert first["asked"].tolist() == [0, 0, 2]
    assert second["asked"].tolist() == [0, 1, 3]
    embedder = Embedder(small_system(), "cpu")
    for count in COUNTS:
        descriptors, kept, _ = embedder.embed_files([UNREADABLE, *IMAGES][:count], "drone")
        np.testing.assert_allclose(first[f"{count}_0"], descriptors, atol=1e-5)
        np.testing.assert_array_equal(first[f"{count}_1"], kept)


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Made-up places; one photo of the test split cannot be read."""
    root = generate("university1652", tmp_path / "data", places=8)
    photo = sorted((root / "test" / "query_drone").rglob("*.jpeg"))[-1]
    photo.write_bytes(b"no photo")
    return root


def skyfix(*words: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    start = TORCHRUN if processes == 2 else [sys.executable]
    command = [*start, "-m", "skyfix", *map(str, words), "--device", "cpu"]
    return subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=240)


@pytest.mark.full
def test_two_processes_measure_what_one_does(places: Path, tmp_path: Path) -> None:
    found: list[Any] = []
    for processes in (1, 2):
        file = tmp_path / f"{processes}.json"
        asked = ("--protocol", "plain", "--protocol", "rotation", "--json", file)
        words = ("evaluate", "skyfix_s", "--data", f"university1652:{places}", *asked)
        done = skyfix(*words, processes=processes)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("left out:") == 1
        found.append(json.loads(file.read_text()))
    assert found[0] == found[1]
    assert len(found[0]["measurements"]) == 13


@pytest.mark.full
def test_two_processes_reproduce_what_one_does(places: Path, tmp_path: Path) -> None:
    sets = [part for name, value in ALIKE.items() for part in ("--set", f"{name}={value}")]
    logs, figures = [], []
    for processes in (1, 2):
        out = tmp_path / f"{processes}"
        words = ("--data", f"university1652:{places}", "--out", out, "--weights", "none", *sets)
        done = skyfix("reproduce", RECIPES / "sample4geo.toml", *words, processes=processes)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Summary:") == 1
        logs.append(read_log(out / "seed_0" / "training"))
        figures.append(json.loads((out / "summary.json").read_text())["figures"])
    assert figures[0] == figures[1]
    looked = [[row["recall@1"] for row in log if "recall@1" in row] for log in logs]
    assert looked[0] == looked[1]
    assert len(looked[0]) == ALIKE["schedule.epochs"]
    for one, two in zip(*logs, strict=True):
        assert one.get("total") == pytest.approx(two.get("total"), abs=1e-4)


@pytest.mark.full
def test_helpers_end_with_an_error_of_the_first_process(places: Path) -> None:
    for photo in (places / "test" / "query_drone").rglob("*.jpeg"):
        photo.write_bytes(b"")
    done = skyfix("evaluate", "imagenet", "--data", f"university1652:{places}")
    assert done.returncode != 0
    assert done.stderr.count("skyfix: ") == done.stderr.count("skyfix: None of the") == 1
    assert "[rank1]" not in done.stderr
