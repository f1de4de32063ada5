"""The commands joined end to end on made-up data."""

import json
from pathlib import Path

import pytest

from skyfix.cli import main
from skyfix.datasets.synthetic import generate
from skyfix.systems import names

RECIPES = Path(__file__).parents[2] / "recipes"


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"university1652:{generate(tmp_path / 'data', places=4)}"
    settings = [
        "system.backbone=tf_efficientnet_lite0",
        "system.input_px=128",
        "schedule.steps=2",
        "sampler.batch_size=2",
    ]
    sets = [part for setting in settings for part in ("--set", setting)]
    run = str(tmp_path / "run")
    main(["train", str(RECIPES / "sdpl.toml"), "--data", data, "--out", run, *sets])
    assert "Trained sdpl for 2 steps" in capsys.readouterr().out
    figures = {}
    for direction in ("drone2satellite", "satellite2drone"):
        out = tmp_path / f"{direction}.json"
        main(["evaluate", run, "--data", data, "--direction", direction, "--json", str(out)])
        figures[direction] = json.loads(out.read_text())
        assert direction in capsys.readouterr().out
    for values in figures.values():
        assert {"R@1", "R@5", "R@10", "R@1%", "AP"} <= values.keys()
        assert 0 <= values["R@1"] <= values["R@5"] <= values["R@10"] <= 100
        assert 0 < values["AP"] <= 100


def test_systems_and_doctor_name_everything(capsys: pytest.CaptureFixture[str]) -> None:
    main(["systems"])
    listed = capsys.readouterr().out
    main(["doctor"])
    examined = capsys.readouterr().out
    for name in names():
        assert name in listed
        assert name in examined
    assert "torch" in examined
