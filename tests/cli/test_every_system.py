"""Every system through the command line: two steps of its own recipe, then its evaluation."""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_systems import LITE0, smallest

from skyfix import systems
from skyfix.cli import main
from skyfix.datasets import cvusa, university1652
from skyfix.systems.registry import takes_places
from skyfix.systems.system import System
from skyfix.training.config import TrainConfig, read_config
from skyfix.training.log import read_log

RECIPES = {
    path.stem: path
    for path in (Path(__file__).parents[2] / "recipes").glob("*.toml")
    # Those of one data set differ from them in numbers only.
    if "-" not in path.stem
}
PLACES, TEST_PLACES, DISTRACTORS, DRONE_VIEWS = 4, 3, 1, 2


@dataclass(frozen=True)
class Data:
    """What a system is tried on.

    Attributes:
        spec: as the command line names it.
        queries, gallery: images of the test split in ``direction``.
    """

    spec: str
    direction: str
    queries: int
    gallery: int


@pytest.fixture(scope="module")
def drone_data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root = university1652.generate(
        tmp_path_factory.mktemp("university1652"),
        places=PLACES,
        test_places=TEST_PLACES,
        distractors=DISTRACTORS,
        drone_views=DRONE_VIEWS,
    )
    queries, gallery = TEST_PLACES * DRONE_VIEWS, TEST_PLACES + DISTRACTORS
    return Data(f"university1652:{root}", "drone2satellite", queries, gallery)


@pytest.fixture(scope="module")
def ground_data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root = cvusa.generate(tmp_path_factory.mktemp("cvusa"), places=PLACES, test_places=TEST_PLACES)
    return Data(f"cvusa:{root}", "ground2satellite", TEST_PLACES, TEST_PLACES)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A run folder that does not outlive its test: the largest take half a gigabyte."""
    yield tmp_path / "run"
    shutil.rmtree(tmp_path / "run", ignore_errors=True)


def settings(recipe: str) -> list[str]:
    return [*smallest(recipe), "schedule.steps=2", "validation.select=last"]


def evaluated(system: str, data: Data, report: Path) -> dict:
    choices = ["--direction", data.direction, "--json", str(report), "--device", "cpu"]
    main(["evaluate", system, "--data", data.spec, *choices])
    return json.loads(report.read_text())


def check_figures(figures: dict, data: Data) -> None:
    assert (figures["queries"], figures["gallery"]) == (data.queries, data.gallery)
    assert figures["without_match"] == 0
    assert 0 <= figures["R@1"] <= figures["R@5"] <= figures["R@10"] == 100
    assert 0 <= figures["R@1%"] <= 100
    # The true match cannot come later than last.
    assert 100 / data.gallery / 2 <= figures["AP"] <= 100


def untrained(config: TrainConfig, weights: str) -> System:
    """What a run of seed 0 starts from."""
    torch.manual_seed(0)
    places = {"places": PLACES} if takes_places(config.system) else {}
    system = systems.create(config.system, **places, **config.options)
    if weights != "none":
        system.load_backbone(weights)
    return system


def check_weights(start: System, after: dict[str, torch.Tensor]) -> None:
    """All that is trained has moved, nothing else, and the run did start there."""
    before = {name: parameter.detach() for name, parameter in start.named_parameters()}
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved == {name for name, p in start.named_parameters() if p.requires_grad}
    largest = max(before, key=lambda name: before[name].numel())
    # Two independent starts lie about 1.4 norms apart.
    assert (after[largest] - before[largest]).norm() < 0.5 * before[largest].norm()


def test_every_system_has_a_recipe() -> None:
    trained = {read_config(path).system for path in RECIPES.values()}
    assert trained == set(systems.names()) - {"imagenet"}
    assert trained <= RECIPES.keys()


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_train_then_evaluate(
    recipe: str, drone_data: Data, ground_data: Data, run: Path, tmp_path: Path
) -> None:
    changes = settings(recipe)
    config = read_config(RECIPES[recipe], changes)
    # The only weights that need no network.
    weights = "imagenet" if config.options.get("backbone") == LITE0 else "none"
    start = untrained(config, weights)
    data = ground_data if "ground" in start.views else drone_data
    sets = [part for change in changes for part in ("--set", change)]
    choices = ["--weights", weights, "--device", "cpu", *sets]
    main(["train", str(RECIPES[recipe]), "--data", data.spec, "--out", str(run), *choices])

    losses = [row["total"] for row in read_log(run / "training")]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    check_weights(start, load_file(run / "model.safetensors"))
    check_figures(evaluated(str(run), data, tmp_path / "figures.json"), data)


def test_evaluate_imagenet(drone_data: Data, tmp_path: Path) -> None:
    check_figures(evaluated("imagenet", drone_data, tmp_path / "figures.json"), drone_data)
