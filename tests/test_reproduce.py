"""`skyfix reproduce` for the systems and data sets of the published tables, on tiny trees."""

import csv
import json
import statistics
from pathlib import Path

import pytest
from tiny_systems import LITE0, smallest

from skyfix.cli import main
from skyfix.datasets.registry import generate, names, reader_class
from skyfix.errors import SkyfixError
from skyfix.systems.published import published_figures
from skyfix.training.config import read_config, recipe_file

DATASETS = {reader_class(name).NAME: name for name in names()}
CHOSEN = {"sues200": "@150", "gta_uav": "@cross", "vigor": "@same"}
PUBLISHED = {(figure.name, figure.dataset) for figure in published_figures() if figure.name}
PAIRS = sorted(PUBLISHED | {("sample4geo", "VIGOR")})
PLAIN = {(figure.name, figure.dataset) for figure in published_figures() if not figure.condition}
SAMPLED = {
    ("lpn", "University-1652"),
    ("mbf", "SUES-200"),
    ("denseuav", "DenseUAV"),
    ("sample4geo", "CVUSA"),
    ("game4loc", "GTA-UAV"),
}


def in_time(pair: tuple[str, str]) -> object:
    marks = () if pair in SAMPLED else (pytest.mark.full,)
    return pytest.param(*pair, marks=marks, id=" on ".join(pair))


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A generated tree of each data set, checked by `skyfix data check`'s own reader, by name."""
    made = {}
    for dataset in {dataset for _, dataset in PAIRS}:
        name = DATASETS[dataset]
        root = generate(name, tmp_path_factory.mktemp(name) / "data", places=4)
        made[dataset] = f"{name}{CHOSEN.get(name, '')}:{root}"
    return made


def reproduced(recipe: str, data: str, out: Path, *more: str) -> dict:
    tiny = recipe_file(recipe, data).stem.split("-")[0]
    weights = "imagenet" if f"system.backbone={LITE0}" in smallest(tiny) else "none"
    changes = [*smallest(tiny), "schedule.steps=2"]
    sets = [part for change in changes for part in ("--set", change)]
    choices = ["--weights", weights, "--device", "cpu", *sets, *more]
    main(["reproduce", recipe, "--data", data, "--out", str(out), *choices])
    return json.loads((out / "summary.json").read_text())


@pytest.mark.parametrize(("system", "dataset"), map(in_time, PAIRS))
def test_every_published_pair(
    system: str, dataset: str, trees: dict[str, str], tmp_path: Path
) -> None:
    data = trees[dataset]
    check_layout(data)
    recipe = "lpn_ground" if (system, dataset) == ("lpn", "CVUSA") else system
    found = reproduced(recipe, data, tmp_path)
    assert found["dataset"].startswith(dataset)
    directions = {row["direction"] for row in found["figures"]}
    drones = "drone" in reader_class(DATASETS[dataset]).VIEWS
    assert directions == (
        {"drone2satellite", "satellite2drone"} if drones else {"ground2satellite"}
    )
    assert all(0 <= row["value"] <= 100 for row in found["figures"])
    assert (tmp_path / "seed_0" / "report" / "report.html").stat().st_size > 10_000
    if (recipe, dataset) in PLAIN:
        assert found["published"], "the published figures stand beside the measured ones"


def check_layout(data: str) -> None:
    """All that `skyfix data check` can complain of is that there are too few images."""
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", data])
        raise SystemExit(0)
    assert ended.value.code in (0, 1)


def test_seeds_are_summed_up_and_nothing_is_done_twice(
    trees: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data = trees["University-1652"]
    found = reproduced("instance", data, tmp_path, "--seeds", "2", "--protocol", "mirrored-shift")
    recalls = [row["value"] for row in found["figures"]
               if (row["direction"], row["rule"], row["metric"])
               == ("drone2satellite", "keep", "AP")]  # fmt: skip
    assert len(recalls) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{statistics.fmean(recalls):.2f} ± {statistics.stdev(recalls):.2f}" in shown
    with (tmp_path / "summary.csv").open() as stream:
        assert [float(row["value"]) for row in csv.DictReader(stream)] == [
            pytest.approx(row["value"]) for row in found["figures"]
        ]
    measured = json.loads((tmp_path / "seed_1" / "report" / "figures.json").read_text())
    assert {x["protocol"] for x in measured["measurements"]} == {"plain", "mirrored-shift"}
    pages = [tmp_path / f"seed_{seed}" / "report" / "report.html" for seed in range(2)]
    before = [page.stat().st_mtime_ns for page in pages]
    again = reproduced("instance", data, tmp_path, "--seeds", "2")
    assert again["figures"] == found["figures"]
    assert [page.stat().st_mtime_ns for page in pages] == before


def test_other_settings_are_refused(
    trees: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproduced("instance", trees["University-1652"], tmp_path)
    with pytest.raises(SystemExit) as ended:
        reproduced("instance", trees["University-1652"], tmp_path, "--set", "optim.lr=0.5")
    assert ended.value.code == 2
    assert "was begun with other settings (recipe)" in capsys.readouterr().err


def test_reproduction_is_told_how_the_checkpoint_was_chosen(
    trees: dict[str, str], tmp_path: Path
) -> None:
    data = trees["University-1652"]
    reproduced("instance", data, tmp_path / "last")
    reproduced("instance", data, tmp_path / "test", "--set", "validation.select=test")
    assert "the checkpoint is the last state" in (tmp_path / "last" / "summary.html").read_text()
    page = (tmp_path / "test" / "summary.html").read_text()
    assert "best on the test split itself: these figures flatter" in page


@pytest.mark.parametrize(
    ("recipe", "data", "stem"),
    [
        ("sample4geo", "cvusa:x", "sample4geo-cvusa"),
        ("sample4geo", "university1652:x", "sample4geo"),
        ("game4loc", "gta_uav@same:x", "game4loc-gta_uav-same"),
        ("game4loc", "gta_uav@cross:x", "game4loc"),
        ("lpn", "sues200@150:x", "lpn-sues200"),
        ("mine/lpn.toml", "sues200@150:x", "lpn"),
    ],
)
def test_the_recipe_of_the_data_set_is_taken(recipe: str, data: str, stem: str) -> None:
    assert recipe_file(recipe, data).stem == stem


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(SkyfixError, match=r"No recipe 'lpm'.*lpn, lpn-sues200"):
        recipe_file("lpm")


def test_recipes_of_data_sets_differ_from_the_first_one() -> None:
    for path in recipe_file("lpn").parent.glob("*-*.toml"):
        first = read_config(path.with_name(f"{path.stem.partition('-')[0]}.toml"))
        assert read_config(path) != first
