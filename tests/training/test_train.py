"""Training through its public interface: resuming, determinism, bad settings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from skyfix.datasets import registry as datasets
from skyfix.datasets.synthetic import generate
from skyfix.datasets.university1652 import University1652
from skyfix.errors import SkyfixError
from skyfix.systems.registry import system_class
from skyfix.training.config import make_config, read_config
from skyfix.training.log import read_log
from skyfix.training.loop import train

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = {
    "system": {"name": "sdpl", "backbone": "tf_efficientnet_lite0", "input_px": 128},
    "schedule": {"steps": 6},
    "sampler": {"batch_size": 2},
    "validation": {"select": "last"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("university1652")
    generate(root, places=6, seed=0)
    return root


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def log_of(run: Path) -> list[dict[str, Any]]:
    return read_log(run / "training")


def command(data: Path, out: Path) -> list[str]:
    settings = [
        "system.backbone=tf_efficientnet_lite0",
        "system.input_px=128",
        "schedule.steps=24",
        "sampler.batch_size=2",
        "validation.select=last",
    ]
    sets = [part for setting in settings for part in ("--set", setting)]
    return [
        *(sys.executable, "-m", "skyfix", "train", str(RECIPES / "sdpl.toml")),
        *("--data", f"university1652:{data}", "--out", str(out), "--device", "cpu"),
        *("--save-every", "4", "--weights", "none", "--resume", *sets),
    ]


@pytest.mark.slow
def test_a_killed_run_ends_as_an_unbroken_one(data: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    unbroken = subprocess.Popen(command(data, whole), env=environment)
    process = subprocess.Popen(command(data, killed), env=environment)
    saved = killed / "training" / "state.pt"
    while not saved.exists():
        assert process.poll() is None, "the run ended before it saved anything"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "model.safetensors").exists(), "the run ended before it was killed"
    subprocess.run(command(data, killed), check=True, env=environment)
    assert unbroken.wait(timeout=240) == 0
    one, other = weights_of(whole), weights_of(killed)
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)
    assert log_of(whole) == log_of(killed)


def test_training_learns_and_repeats(data: Path, tmp_path: Path) -> None:
    settings = {
        "system": {**TINY["system"], "name": "instance", "dropout": 0.0},
        "optim": {"lr": 0.01},
        "schedule": {"steps": 12},
        "sampler": {"batch_size": 6},
        "validation": {"select": "last"},
    }
    config = make_config(settings, "test")
    results = [
        train(config, University1652(data), tmp_path / name, device="cpu", workers=0)
        for name in ("one", "other")
    ]
    assert results[0].steps == 12
    losses = [row["total"] for row in log_of(tmp_path / "one")]
    assert losses == [row["total"] for row in log_of(tmp_path / "other")]
    assert losses[-1] < 0.5 * losses[0]


def test_an_unreadable_image_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    generate(root, places=6, seed=0)
    broken = next((root / "train" / "drone").glob("*/*"))
    broken.write_bytes(b"")
    config = make_config({**TINY, "sampler": {"batch_size": 6}}, "test")
    result = train(config, University1652(root), tmp_path / "run", "none", device="cpu", workers=0)
    assert [str(broken) in problem for problem in result.unreadable] == [True]


def test_a_loss_that_is_not_a_number_stops_the_run(data: Path, tmp_path: Path) -> None:
    config = make_config({**TINY, "optim": {"lr": 1e9}}, "test")
    with pytest.raises(SkyfixError, match="The loss is not a number at step"):
        train(config, University1652(data), tmp_path / "run", "none", device="cpu", workers=0)


def test_a_batch_beyond_the_memory_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(system_class("sdpl"), "objective", too_large)
    config = make_config({**TINY, "sampler": {"batch_size": 6}}, "test")
    with pytest.raises(SkyfixError, match=r"batch 6\..*sampler\.batch_size=3"):
        train(config, University1652(data), tmp_path / "run", "none", device="cpu", workers=0)


def test_an_occupied_run_folder_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    dataset = University1652(data)
    config = make_config({**TINY, "schedule": {"steps": 1}}, "test")
    train(config, dataset, tmp_path, "none", device="cpu", workers=0)
    with pytest.raises(SkyfixError, match="already holds a training run"):
        train(config, dataset, tmp_path, "none", device="cpu", workers=0)
    other = make_config({**TINY, "schedule": {"steps": 2}}, "test")
    with pytest.raises(SkyfixError, match="begun with other settings"):
        train(other, dataset, tmp_path, "none", resume=True, device="cpu", workers=0)


@pytest.mark.parametrize(
    ("batch_size", "options", "message"),
    [
        (64, {"device": "cpu"}, "than a batch of 64"),
        (2, {"device": "abacus"}, "No device 'abacus' here"),
        (2, {"device": "cpu", "weights": "none.pth"}, "none.pth"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    batch_size: int, options: dict[str, str], message: str, data: Path, tmp_path: Path
) -> None:
    config = make_config({**TINY, "sampler": {"batch_size": batch_size}}, "test")
    with pytest.raises(SkyfixError, match=message):
        train(config, University1652(data), tmp_path / "run", **{"weights": "none", **options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipe_files_are_the_papers_recipes(path: Path) -> None:
    from skyfix.systems.registry import system_class

    config = read_config(path)
    recipe = system_class(config.system).paper_recipe
    system, _, data = path.stem.partition("-")
    if system == "swin_dwdr":
        recipe = recipe.replaced("sampler", {"pairing": "places"})
    # Those of one data set differ in the numbers that its paper gives for it.
    assert (config.recipe == recipe) or data.split("-")[0] in datasets.names()
    assert system.startswith(config.system)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lr", "Not a setting"),
        ("optim.rate=1", "Unknown setting in \\[optim\\]: 'rate'"),
        ("optimizer.lr=1", "Unknown recipe section"),
        ("optim.lr=fast", "must be of type float"),
        ("optim.lr=-1", "must be 0 or more"),
        ("optim.lr=nan", "must be 0 or more"),
        ("sampler.batch_size=1", "must be 2 or more"),
        ("schedule.decay_epochs=0", "must be 1 or more"),
        ("schedule.epochs=1.5", "must be of type int"),
        ("system.places=3", "follows from the data"),
        ("system.name=imagenet", "is not trained"),
        ("system.name=nothing", "Unknown system"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(SkyfixError, match=message):
        read_config(RECIPES / "sdpl.toml", [setting])


def test_a_wrong_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="No recipe file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("system = ")
    with pytest.raises(SkyfixError, match="Cannot read the recipe"):
        read_config(tmp_path / "bad.toml")
