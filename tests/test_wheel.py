"""What the wheel holds: everything that the installed package reads, and nothing else."""

import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import skyfix

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "skyfix"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ZipFile(next(folder.glob("*.whl")))


def metadata(wheel: ZipFile) -> Message:
    name = f"skyfix-{skyfix.__version__}.dist-info/METADATA"
    return Parser().parsestr(wheel.read(name).decode())


def test_it_holds_the_package_and_nothing_else(wheel: ZipFile) -> None:
    listed = {Path(name) for name in wheel.namelist()}
    inside = {name.relative_to("skyfix") for name in listed if name.parts[0] == "skyfix"}
    others = {name.parts[0] for name in listed} - {"skyfix"}
    assert others == {f"skyfix-{skyfix.__version__}.dist-info"}
    files = (path for path in SOURCE.rglob("*") if path.is_file())
    package = {path.relative_to(SOURCE) for path in files if "__pycache__" not in path.parts}
    recipes = {path.relative_to(ROOT) for path in (ROOT / "recipes").iterdir()}
    assert inside == package | recipes
    assert {
        Path("py.typed"),
        Path("recipes/sdpl.toml"),
        Path("systems/weights/skyfix_s/model.safetensors"),
        Path("world/small_sample/map.tif"),
        Path("world/small_sample/photos/photo_001.jpg"),
        Path("outputs/map_page.js"),
    } <= inside


def test_it_says_what_it_is(wheel: ZipFile) -> None:
    about = metadata(wheel)
    assert (about["Version"], about["License-Expression"]) == (skyfix.__version__, "Apache-2.0")
    assert set(about.get_all("License-File", [])) == {"LICENSE", "LICENSES.md"}
    assert {"geo", "gallery", "video", "all"} <= set(about.get_all("Provides-Extra", []))
    entry = f"skyfix-{skyfix.__version__}.dist-info/entry_points.txt"
    assert "skyfix = skyfix.cli:main" in wheel.read(entry).decode()
