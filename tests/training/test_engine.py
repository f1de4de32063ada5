"""What the engine adds to plain steps: selection, accumulation, mining, links."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_runs import PLAIN, RECIPES, run, same_weights
from safetensors.torch import load_file

from skyfix import systems
from skyfix.cli import main
from skyfix.datasets.registry import generate, open_dataset
from skyfix.errors import SkyfixError
from skyfix.inference import Embedder
from skyfix.systems.recipe import Recipe
from skyfix.systems.sample4geo import Sample4Geo
from skyfix.training.config import Sections, make_config, read_config
from skyfix.training.data import training_data
from skyfix.training.log import read_log
from skyfix.training.loop import train
from skyfix.training.mining import alike_places
from skyfix.training.selection import embedder_now

PAIRS: Sections = {
    "system": {"name": "sample4geo", "backbone": "test_convnext", "input_px": 32},
    "schedule": {"epochs": 4, "warmup_epochs": 0},
    "sampler": {"batch_size": 2},
    "validation": {"select": "last"},
}


def test_held_out_places_are_not_trained_on(spec: str) -> None:
    dataset = open_dataset(spec)
    data = training_data(dataset, Sample4Geo, Recipe(), seed=0)  # type: ignore[arg-type]
    assert data.places == 6
    assert data.judged_by is not None
    trained = {path for side in data.views.values() for path in side.paths}
    for view in ("satellite", "drone"):
        held = data.judged_by.query(view)  # type: ignore[arg-type]
        assert len(np.unique(held.labels)) == 2
        assert not trained & set(held.paths)
        assert set(held.paths) <= set(dataset.train(view).paths)  # type: ignore[arg-type]


def test_the_best_look_becomes_the_checkpoint(spec: str, tmp_path: Path) -> None:
    log = run(
        spec,
        tmp_path,
        PLAIN,
        schedule={"steps": 0, "epochs": 4},
        sampler={"batch_size": 5},
        validation={"select": "held-out", "share": 0.4, "every_epochs": 1},
    )
    looks = [row for row in log if "recall@1" in row]
    assert [row["step"] for row in looks] == [1, 2, 3, 4]
    best = max(row["recall@1"] for row in looks)
    made = json.loads((tmp_path / "system.json").read_text())["provenance"]
    assert made["selected_by"] == "held-out"
    assert made["validation R@1"] == pytest.approx(best, abs=1e-5)
    weights, kept = (
        load_file(path)
        for path in (tmp_path / "model.safetensors", tmp_path / "training" / "best.safetensors")
    )
    assert all(torch.equal(weights[name], kept[name]) for name in weights)
    assert (tmp_path / "training" / "curves.png").stat().st_size > 5000


def test_selection_on_the_test_split_is_told(spec: str, tmp_path: Path) -> None:
    run(spec, tmp_path, PLAIN, validation={"select": "test", "every_epochs": 100})
    made = json.loads((tmp_path / "system.json").read_text())["provenance"]
    assert made["selected_by"] == "test"
    assert made["recipe"]["validation"]["select"] == "test"


def test_too_few_places_to_hold_some_out(tmp_path: Path) -> None:
    few = f"university1652:{generate('university1652', tmp_path / 'few', places=3)}"
    with pytest.raises(SkyfixError, match=r"3 training places are too few.*select=last"):
        run(few, tmp_path / "run", PLAIN, validation={"select": "held-out"})
    assert not (tmp_path / "run").exists()


def test_gradients_add_up_to_those_of_a_larger_batch(spec: str, tmp_path: Path) -> None:
    plain = {"pad_px": 0, "satellite_rotation_deg": 0.0, "flip": 0.0}
    whole = run(spec, tmp_path / "whole", PLAIN, augment=plain)
    parts = run(
        spec, tmp_path / "parts", PLAIN, augment=plain, optim={"accumulate": 2},
        sampler={"batch_size": 2},
    )  # fmt: skip
    assert len(whole) == len(parts) == 6
    for one, other in zip(whole, parts, strict=True):
        assert one["total"] == pytest.approx(other["total"], abs=1e-5)
    same_weights(tmp_path / "whole", tmp_path / "parts", 1e-5)


def test_the_rate_grows_with_the_batch_on_request(spec: str, tmp_path: Path) -> None:
    asked = {"accumulate": 2, "batch_of_lr": 16}
    scaled = run(spec, tmp_path / "scaled", PLAIN, optim=asked)
    assert scaled[0]["lr"] == pytest.approx(0.02 * 4 * 2 / 16)
    run(spec, tmp_path / "plain", PLAIN, optim={"accumulate": 2, "lr": 0.01})
    same_weights(tmp_path / "scaled", tmp_path / "plain")


def test_forgetting_inner_maps_changes_no_figure(spec: str, tmp_path: Path) -> None:
    kept = run(spec, tmp_path / "kept", PLAIN)
    forgotten = run(spec, tmp_path / "forgotten", PLAIN, optim={"checkpointing": True})
    totals = [[row["total"] for row in log] for log in (kept, forgotten)]
    np.testing.assert_allclose(*totals, atol=1e-5)


@pytest.mark.full
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_compiled_steps_give_the_same_curve(spec: str, tmp_path: Path) -> None:
    plain = run(spec, tmp_path / "plain", PLAIN)
    compiled = run(spec, tmp_path / "compiled", PLAIN, optim={"compile": True})
    totals = [[row["total"] for row in log] for log in (plain, compiled)]
    np.testing.assert_allclose(*totals, atol=1e-5)
    same_weights(tmp_path / "plain", tmp_path / "compiled", 1e-5)


@pytest.mark.full
def test_a_missing_compiler_is_told(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.compiler.reset()
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "none"),))
    with pytest.raises(SkyfixError, match=r"cannot compile sues200.*Leave out optim\.compile"):
        run(spec, tmp_path / "run", PLAIN, optim={"compile": True}, sampler={"batch_size": 3})


def test_backbones_that_cannot_forget_are_named(spec: str, tmp_path: Path) -> None:
    cvusa = f"cvusa:{generate('cvusa', tmp_path / 'cvusa', places=4)}"
    changes = ["system.satellite_px=64", "optim.checkpointing=true", "validation.select=last",
               "sampler.batch_size=2", "system.ground_height_px=56",
               "system.ground_width_px=152"]  # fmt: skip
    config = read_config(RECIPES / "cvft.toml", changes)
    with pytest.raises(SkyfixError, match=r"cvft.*checkpointing"):
        train(config, open_dataset(cvusa), tmp_path / "run", "none", device="cpu", workers=0)


def test_mining_finds_what_the_system_takes_for_alike(spec: str) -> None:
    torch.manual_seed(0)
    system = systems.create("sample4geo", backbone="test_convnext", input_px=32)
    dataset = open_dataset(spec)
    data = training_data(
        dataset,  # type: ignore[arg-type]
        Sample4Geo,
        Recipe().replaced("validation", {"select": "last"}),
        seed=0,
    )
    system.train()
    with embedder_now(system, torch.device("cpu")) as embedder:
        assert isinstance(embedder, Embedder)
        found = alike_places(embedder, data.views, 3)
    assert system.training
    system.eval()
    first = np.unique(data.views["drone"].classes, return_index=True)[1]
    photos = embedder.embed([data.views["drone"].paths[row] for row in first], "drone")
    tiles = embedder.embed(list(data.views["satellite"].paths), "satellite")
    scores = photos @ tiles.T
    np.fill_diagonal(scores, -np.inf)
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, :3])


def test_a_mined_run_goes_on_as_if_unbroken(spec: str, tmp_path: Path) -> None:
    sampler = {"batch_size": 2, "mining": "similarity", "neighbours": 4, "mined_every": 1}
    sections: Sections = {**PAIRS, "sampler": sampler}
    whole = run(spec, tmp_path / "whole", sections)
    config, dataset = make_config(sections, "test"), open_dataset(spec)

    class StopError(Exception):
        pass

    from skyfix.training import run as module

    made = module.Run._step
    try:

        def until_9(self: module.Run, step: int, batches: Any) -> dict[str, float]:
            if step == 9:
                raise StopError
            return made(self, step, batches)

        module.Run._step = until_9  # type: ignore[method-assign]
        with pytest.raises(StopError):
            train(config, dataset, tmp_path / "cut", "none", device="cpu", workers=0, save_every=3)
    finally:
        module.Run._step = made  # type: ignore[method-assign]
    train(config, dataset, tmp_path / "cut", "none", resume=True, device="cpu", workers=0)
    assert read_log(tmp_path / "cut" / "training") == whole
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_mining_by_positions_needs_them(spec: str, tmp_path: Path) -> None:
    with pytest.raises(SkyfixError, match="does not tell where its places are"):
        run(spec, tmp_path, PAIRS, sampler={"mining": "positions"})


@pytest.mark.parametrize(
    ("data", "recipe", "direction"),
    [
        ("vigor@same", "sample4geo-vigor", "ground2satellite"),
        ("gta_uav@cross", "game4loc", "drone2satellite"),
        ("gta_uav@cross", "sdpl", "drone2satellite"),
    ],
)
def test_linked_data_train_and_are_measured(
    data: str, recipe: str, direction: str, tmp_path: Path
) -> None:
    root = generate(data.partition("@")[0], tmp_path / "data", places=12)
    backbone, px = {"game4loc": ("test_vit", 64), "sdpl": ("tf_efficientnet_lite0", 128)}.get(
        recipe, ("test_convnext", 64)
    )
    changes = [f"system.backbone={backbone}", f"system.input_px={px}", "schedule.steps=2",
               "sampler.batch_size=2"]  # fmt: skip
    if "vigor" in recipe:
        changes.append("system.ground_height_px=32")
    sets = [part for change in changes for part in ("--set", change)]
    out, figures = tmp_path / "run", tmp_path / "figures.json"
    main(["train", str(RECIPES / f"{recipe}.toml"), "--data", f"{data}:{root}", "--out", str(out),
          "--weights", "none", "--device", "cpu", *sets])  # fmt: skip
    log = read_log(out / "training")
    assert np.isfinite([row["total"] for row in log if "total" in row]).all()
    assert sum("recall@1" in row for row in log) == 1
    main(["evaluate", str(out), "--data", f"{data}:{root}", "--direction", direction,
          "--json", str(figures), "--device", "cpu"])  # fmt: skip
    assert "hit rate" in json.loads(figures.read_text())


def test_tensorboard_is_told_the_same_figures(spec: str, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = make_config(PLAIN, "test")
    train(config, open_dataset(spec), tmp_path, "none", device="cpu", workers=0, tensorboard=True)
    board = EventAccumulator(str(tmp_path / "training" / "tensorboard"))
    board.Reload()
    told = {event.step: event.value for event in board.Scalars("total")}
    logged = {row["step"]: row["total"] for row in read_log(tmp_path / "training")}
    assert told.keys() == logged.keys()
    np.testing.assert_allclose(list(told.values()), list(logged.values()), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"data": 10}, r"other settings \(places, data\)"), ({"weights": "x"}, r"\(weights\)")],
)
def test_a_run_goes_on_with_its_own_data_and_weights_only(
    change: dict[str, Any], message: str, spec: str, tmp_path: Path
) -> None:
    run(spec, tmp_path / "run", PLAIN)
    if "data" in change:
        other = generate("university1652", tmp_path / "other", places=change["data"])
        spec = f"university1652:{other}"
    dataset = open_dataset(spec)
    with pytest.raises(SkyfixError, match=message):
        train(make_config(PLAIN, "test"), dataset, tmp_path / "run", change.get("weights", "none"),
              resume=True, device="cpu", workers=0)  # fmt: skip


def test_a_folder_of_other_things_is_left_alone(spec: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SkyfixError, match=r"holds notes.txt and is no training run"):
        run(spec, tmp_path, PLAIN)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
