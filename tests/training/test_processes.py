"""Training in several processes: the curve of one, also when one is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plain_runs import ONE_THREAD, PLAIN, RECIPES, TORCHRUN, same_weights

from skyfix.training.config import Sections
from skyfix.training.log import read_log

pytestmark = pytest.mark.full


def command(spec: str, out: Path, sections: Sections, *more: str) -> list[str]:
    """``skyfix train`` with the settings of ``sections``."""
    settings = [f"{section}.{name}={value}" for section, values in sections.items()
                for name, value in values.items() if name != "name"]  # fmt: skip
    sets = [part for setting in settings for part in ("--set", setting)]
    return ["-m", "skyfix", "train", str(RECIPES / "sues200.toml"), "--data", spec, "--out",
            str(out), "--weights", "none", "--device", "cpu", *more, *sets]  # fmt: skip


def test_two_processes_give_the_curve_of_one(spec: str, tmp_path: Path) -> None:
    for out, start in (("one", [sys.executable]), ("two", TORCHRUN)):
        words = [*start, *command(spec, tmp_path / out, PLAIN)]
        subprocess.run(words, check=True, env=ONE_THREAD)
    one, two = (read_log(tmp_path / out / "training") for out in ("one", "two"))
    assert len(one) == len(two) == 6
    for first, second in zip(one, two, strict=True):
        assert first["total"] == pytest.approx(second["total"], abs=2e-5)
    same_weights(tmp_path / "one", tmp_path / "two", 1e-5)


def test_a_killed_process_is_started_again_and_leaves_the_curve_intact(
    spec: str, tmp_path: Path
) -> None:
    sections: Sections = {**PLAIN, "schedule": {"kind": "constant", "steps": 24}}
    saving = ("--resume", "--save-every", "4")
    whole = [*TORCHRUN, *command(spec, tmp_path / "whole", sections, *saving)]
    subprocess.run(whole, check=True, env=ONE_THREAD)
    # Without it torch 2.14 hands the addresses of the dead to those who are started again.
    environment = {**ONE_THREAD, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    cut = [*TORCHRUN, "--max-restarts=1", *command(spec, tmp_path / "cut", sections, *saving)]
    with subprocess.Popen(cut, env=environment) as agent:
        log, deadline = tmp_path / "cut" / "training" / "log.jsonl", time.monotonic() + 120
        while not (log.exists() and len(log.read_text().splitlines()) >= 8):
            assert agent.poll() is None, "the run ended before a process could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ranks = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
        os.kill(int(ranks[-1]), signal.SIGKILL)
        assert agent.wait(timeout=300) == 0
    logs = [read_log(tmp_path / out / "training") for out in ("whole", "cut")]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 24
    same_weights(tmp_path / "whole", tmp_path / "cut")
