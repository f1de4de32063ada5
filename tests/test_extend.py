"""The examples of docs/extend.md, put where it says and used as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_texts import ROOT, code

PAGE = Path("docs/extend.md")
# The files are found as if they lay in the package, which stays as it is.
PUT_IN_PLACE = """
import sys
from pathlib import Path
import skyfix.datasets, skyfix.systems
from skyfix.datasets.registry import _ENTRIES, _Entry
skyfix.systems.__path__.append("{folder}/systems")
skyfix.datasets.__path__.append("{folder}/datasets")
_ENTRIES.update({{{row}}})
"""


@pytest.fixture
def put(tmp_path: Path) -> str:
    """Writes both examples; Python that makes the package know them."""
    text = (ROOT / PAGE).read_text()
    names = re.findall(r"^`src/skyfix/((?:systems|datasets)/\w+\.py)`:", text, re.MULTILINE)
    blocks = [piece.text for piece in code(PAGE) if piece.kind == "python"]
    assert names == ["systems/ring_pairs.py", "datasets/flat.py"]
    for name, block in zip(names, blocks, strict=True):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(block)
    (recipe,) = (piece.text for piece in code(PAGE) if piece.kind == "toml")
    (tmp_path / "ring_pairs.toml").write_text(recipe)
    (row,) = (piece.text for piece in code(PAGE) if "_Entry(" in piece.text)
    return PUT_IN_PLACE.format(folder=tmp_path, row=row)


def run(program: str, folder: Path) -> str:
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_both_are_found_by_their_names(put: str, tmp_path: Path) -> None:
    program = f"""{put}
import torch
from skyfix import systems
from skyfix.datasets.registry import generate, open_dataset
system = systems.create("ring_pairs", input_px=128).eval()
rows = system.embed(torch.rand(2, 3, 128, 128), "drone")
print(*rows.shape, *(round(float(row.norm()), 4) for row in rows))
made = open_dataset("flat:" + str(generate("flat", "made", places=2)))
print(made.places, len(made.query("drone")), len(made.gallery("satellite")))
"""
    assert run(program, tmp_path).splitlines() == [
        "2 2560 1.0 1.0",
        "('0001', '0002') 4 2",
    ]


@pytest.mark.full
def test_the_commands_run_on_both_examples(put: str, tmp_path: Path) -> None:
    lines = [piece.text for piece in code(PAGE) if piece.kind == "command"]
    assert len(lines) == 4
    program = f"""{put}
import shlex
from skyfix.cli import main
for line in {lines!r}:
    main(shlex.split(line)[1:])
"""
    shown = run(program, tmp_path)
    assert "39 images decoded" in shown
    assert "R@1" in shown
    assert (tmp_path / "runs" / "ring_pairs" / "model.safetensors").is_file()


@pytest.mark.full
def test_the_contract_of_all_systems_holds_for_the_new_one(put: str, tmp_path: Path) -> None:
    tests = str(ROOT / "tests" / "systems" / "test_contract.py")
    arguments = [tests, "-k", "ring_pairs", "-p", "no:cacheprovider", "-m", "", "-n", "0"]
    shown = run(f"{put}\nimport pytest\nsys.exit(pytest.main({arguments!r}))", tmp_path)
    assert re.search(r"\b4 passed", shown), shown
