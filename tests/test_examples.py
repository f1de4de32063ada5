"""The programs under examples/, as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "first_hour.ipynb"


def run(name: str, *arguments: Path) -> list[str]:
    """Run an example; the lines it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all_are_short_and_run_here() -> None:
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    # tests/serve runs the client, against a service.
    assert names == [
        "own_map.py",
        "own_system.py",
        "service_client.py",
        "stream_camera.py",
        "track_video.py",
        "train_on_pairs.py",
    ]
    assert all(len((EXAMPLES / name).read_text().splitlines()) < 55 for name in names)


@pytest.mark.full
def test_own_map(tmp_path: Path) -> None:
    *_, last = run("own_map.py", tmp_path)
    located = int(last.split()[0])
    assert 3 <= located <= 4
    page = (tmp_path / "fixes.html").read_text()
    assert all(f"photo_{number:03d}.jpg" in page for number in range(1, 5))


def test_own_system(tmp_path: Path) -> None:
    *_, last = run("own_system.py", tmp_path)
    assert last.startswith("map_mean: loss ") and last.endswith(", 1280 numbers an image")


def test_train_on_pairs(tmp_path: Path) -> None:
    *_, keep, drop = run("train_on_pairs.py", tmp_path)
    assert keep.startswith("distractors keep: R@1 ") and drop.startswith("distractors drop: R@1 ")


@pytest.mark.full
def test_track_video_and_stream(tmp_path: Path) -> None:
    lines = run("track_video.py", tmp_path)
    assert [line.partition(":")[0] for line in lines] == [f"flight.mp4#{n}" for n in range(8)]
    assert "flight.mp4#7" in (tmp_path / "track.html").read_text()
    assert sum(line.partition(": ")[2].startswith("(") for line in lines) >= 6
    *steps, _ = run("stream_camera.py", tmp_path / "gallery", tmp_path / "flight.mp4")
    # At the pace it was filmed: how many frames there is time for, the machine decides.
    assert 2 <= len(steps) <= 9 and f"{tmp_path}/flight.mp4#7: " in steps[-1] + steps[-2]


def code_cells() -> list[dict]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_as_it_ran() -> None:
    assert NOTEBOOK.stat().st_size < 1_000_000
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"execute_result", "stream"}
    assert sum("image/png" in output.get("data", ()) for output in outputs) == 3


@pytest.mark.full
def test_the_notebook_runs(tmp_path: Path) -> None:
    """Its cells in order, as plain Python: it uses nothing of Jupyter's."""
    program = "\n".join("".join(cell["source"]) for cell in code_cells())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "324 tiles of 120.0 m; 512 numbers each"
    (located,) = (line for line in lines if " located, median error " in line)
    assert int(located.split()[0]) > 54
    assert float(located.split()[-2]) < 2.0
    assert "data:image" in (tmp_path / "first_hour" / "fixes.html").read_text()
