"""`skyfix data` from end to end."""

import json
import shutil
from pathlib import Path

import pytest

from skyfix.cli import main
from skyfix.datasets.denseuav import DenseUAV
from skyfix.datasets.registry import names


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    try:
        main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "dense"
    code, out, _ = run(capsys, "data", "generate", "denseuav", folder, "--places", 3)
    assert code == 0
    assert f"denseuav:{folder}" in out.replace("\n", "")
    return folder


def test_the_list_names_every_set_and_choice(capsys):
    code, out, _ = run(capsys, "data")
    assert code == 0
    for name in (*names(), "sues200@150", "sues200@300", "vigor@cross", "gta_uav@same"):
        assert name in out


def test_a_smaller_set_is_incomplete(root, tmp_path, capsys):
    report = tmp_path / "report.json"
    code, out, _ = run(capsys, "data", "check", f"denseuav:{root}", "--json", report)
    assert code == 1
    assert "incomplete" in out
    assert "Usable, but not the published set" in out
    found = json.loads(report.read_text())
    assert found["state"] == "differs"
    assert found["data"] == f"denseuav:{root}"
    assert found["parts"][0] == {
        "part": "train/drone",
        "images": 9,
        "published_images": 6_768,
        "places": 3,
        "published_places": 2_256,
        "published_verified": True,
        "verdict": "incomplete: 3 of 2,256 places",
        "problem": "",
    }


def test_a_complete_set_is_complete(root, capsys, monkeypatch):
    monkeypatch.setattr(DenseUAV, "PLACES", {"train": 3, "query": 4, "gallery": 7})
    code, out, _ = run(capsys, "data", "check", f"denseuav:{root}")
    assert code == 0
    assert "126 images decoded. Complete and readable." in out


def test_unreadable_images_are_shown_but_not_all(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(DenseUAV, "PLACES", {"train": 3, "query": 4, "gallery": 7})
    for image in (root / "train/satellite").glob("*/*.tif"):
        image.write_bytes(b"")
    report = tmp_path / "report.json"
    code, out, _ = run(capsys, "data", "check", f"denseuav:{root}", "--json", report)
    assert code == 1
    assert out.count("Empty image file") == 10
    assert "8 more images cannot be read" in out
    assert len(json.loads(report.read_text())["unreadable"]) == 18


def test_a_wrong_layout_ends_in_one_line(root, tmp_path, capsys):
    shutil.rmtree(root / "train/drone/000001")
    report = tmp_path / "report.json"
    code, out, err = run(capsys, "data", "check", f"denseuav:{root}", "--json", report)
    assert code == 2
    assert "wrong layout" in out
    assert err.startswith("skyfix: Place folder 000001 is missing in")
    assert err.count("\n") == 1
    assert json.loads(report.read_text())["state"] == "wrong layout"
    code, _, err = run(capsys, "data", "check", f"vigor@same:{root}")
    assert code == 2
    assert "has no splits" in err


def test_sets_without_published_counts_are_only_readable(tmp_path, capsys):
    run(capsys, "data", "generate", "folder", tmp_path / "own")
    code, out, _ = run(capsys, "data", "check", f"folder:{tmp_path / 'own'}")
    assert code == 0
    assert "No count was published" in out


def test_generating_again_gives_the_same_and_other_seeds_do_not(tmp_path, capsys):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(capsys, "data", "generate", "folder", tmp_path / folder, "--seed", seed)
    a, b, c = ((tmp_path / name / "test/drone/site 9/0.jpg").read_bytes() for name in "abc")
    assert a == b != c


def test_a_filled_folder_is_not_written_over(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = run(capsys, "data", "generate", "vigor", tmp_path)
    assert code == 2
    assert f"{tmp_path} is not empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("name", "choice", "direction"),
    [
        ("vigor", "same", "ground2satellite"),
        ("gta_uav", "cross", "drone2satellite"),
        ("denseuav", "", "drone2satellite"),
    ],
)
def test_links_and_positions_are_scored(name, choice, direction, tmp_path, capsys):
    run(capsys, "data", "generate", name, tmp_path / name, "--places", 3)
    spec = f"{name}@{choice}" if choice else name
    figures = tmp_path / "figures.json"
    arguments = ["--data", f"{spec}:{tmp_path / name}", "--direction", direction]
    code, _, err = run(
        capsys, "evaluate", "imagenet", *arguments, "--input-px", 64, "--json", figures
    )
    assert code == 0, err
    found = json.loads(figures.read_text())
    assert 0 <= found["R@1"] <= found["R@5"] <= 100
    assert ("hit rate" in found) == ("AP(step)" in found) == (name != "denseuav")
    assert 0 < found["SDM@1/metres"] <= 100
    # Games have no degrees.
    assert ("SDM@1/degrees" in found) == (name != "gta_uav")
