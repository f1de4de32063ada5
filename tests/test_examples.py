"""The programs under examples/, as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "first_hour.ipynb"


def run(name: str, folder: Path) -> list[str]:
    """Run an example; the lines it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(EXAMPLES / name), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all_are_short_and_run_here() -> None:
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    # tests/serve runs the client, against a service.
    assert names == ["own_map.py", "service_client.py", "track_video.py"]
    assert all(len((EXAMPLES / name).read_text().splitlines()) < 50 for name in names)


@pytest.mark.full
def test_own_map(tmp_path: Path) -> None:
    *_, last = run("own_map.py", tmp_path)
    located = int(last.split()[0])
    assert 3 <= located <= 4
    page = (tmp_path / "fixes.html").read_text()
    assert all(f"photo_{number:03d}.jpg" in page for number in range(1, 5))


@pytest.mark.full
def test_track_video(tmp_path: Path) -> None:
    lines = run("track_video.py", tmp_path)
    assert [line.partition(":")[0] for line in lines] == [f"flight.mp4#{n}" for n in range(8)]
    assert "flight.mp4#7" in (tmp_path / "track.html").read_text()
    assert sum(line.partition(": ")[2].startswith("(") for line in lines) >= 6


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
