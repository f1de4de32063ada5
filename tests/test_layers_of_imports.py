"""Every module imports only from its own folder or from floors below.

Folders of one floor know nothing of each other; the base modules may use one another.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skyfix

ROOT = Path(skyfix.__file__).parent
FLOORS = (
    ("errors", "views", "files", "bucket_path", "progress", "images", "memory"),
    ("layers", "losses", "datasets", "geo"),
    ("systems", "world"),
    ("inference",),
    ("evaluation", "gallery"),
    ("training", "localize"),
    ("outputs",),
    ("serve", "demo", "demo_train", "reproduce"),
    ("cli",),
    ("__main__",),
)
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def part_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported_parts(module: Path) -> set[str]:
    """Folders and base modules of skyfix that a module names in its imports, nested ones too."""
    names = []
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ("skyfix", *module.parent.parts)
            above = package[: len(package) + 1 - node.level] if node.level else ()
            source = ".".join((*above, node.module or "")).strip(".")
            names += [f"{source}.{alias.name}" for alias in node.names]
    split = [name.split(".") for name in names]
    return {name[1] for name in split if name[0] == "skyfix" and len(name) > 1} & FLOOR.keys()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_down(module):
    part = part_of(module)
    if part == "__init__":
        assert not imported_parts(module)
        return
    assert part in FLOOR, f"{module} stands on no floor; add it to FLOORS"
    for other in imported_parts(module) - {part}:
        base = FLOOR[other] == FLOOR[part] == 0
        assert base or FLOOR[other] < FLOOR[part], f"{module} imports {other}"


def test_the_check_sees_imports():
    assert imported_parts(Path("evaluation/protocol.py")) >= {"datasets", "errors", "views"}


def test_importing_the_package_is_light():
    listing = "import skyfix, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    assert not {"torch", "numpy", "PIL", "rasterio", "rich"} & set(done.stdout.split())


def test_long_files_say_why():
    repository = Path(__file__).parents[1]
    folders = ("src", "tests", "benchmarks", "examples")
    files = [
        path
        for folder in folders
        for kind in ("*.py", "*.js")
        for path in (repository / folder).rglob(kind)
        if "vendor" not in path.parts
    ]
    assert len(files) > 400
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    long = {path for path, text in texts.items() if text.count("\n") > 300}
    assert {path for path in long if "Longer than other files" not in texts[path]} == set()
