"""Evaluation by several processes: the figures of one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plain_runs import ONE_THREAD, RECIPES, TORCHRUN

from skyfix.datasets.registry import generate
from skyfix.training.log import read_log

pytestmark = [pytest.mark.full, pytest.mark.slow]

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


def test_helpers_end_with_an_error_of_the_first_process(places: Path) -> None:
    for photo in (places / "test" / "query_drone").rglob("*.jpeg"):
        photo.write_bytes(b"")
    done = skyfix("evaluate", "imagenet", "--data", f"university1652:{places}")
    assert done.returncode != 0
    assert done.stderr.count("skyfix: None of the") == 1
