"""Every picture of the documentation has a command that makes it."""

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest
from markdown_texts import FILES, ROOT, links


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    path = ROOT / "benchmarks" / "pictures.py"
    spec = importlib.util.spec_from_file_location("pictures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while they are made.
    sys.modules["pictures"] = module
    spec.loader.exec_module(module)
    return module


def test_the_recipe_makes_what_is_there_and_pages_show_it(recipe: ModuleType) -> None:
    made = [name for one in recipe.RECIPES for name in one.makes]
    kept = {path.name for path in recipe.PICTURES.iterdir()}
    assert sorted(made) == sorted(kept)
    targets = {(ROOT / file.parent / link).resolve() for file in FILES for link in links(file)}
    assert {recipe.PICTURES / name for name in made} <= targets


def test_each_program_names_its_pictures(recipe: ModuleType) -> None:
    """No recipe claims a picture that its program does not write."""
    for one in recipe.RECIPES:
        program = (ROOT / one.command.split()[1]).read_text()
        for name in one.makes:
            # Names that are put together, such as service_{name}.png, by their parts.
            parts = name.rpartition(".")[0].split("_") if "service_{" in program else [name]
            assert all(part in program for part in parts), f"{one.command} does not make {name}"


def test_what_is_missing_is_said(
    recipe: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> None:
    missing = tmp_path_factory.mktemp("nothing") / "shared"
    command = [sys.executable, str(ROOT / "benchmarks" / "pictures.py"), "reliability.png"]
    done = subprocess.run(
        command, env={"SKYFIX_SHARED": str(missing)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "reliability.png: skipped, needs the optional data folder; set SKYFIX_SHARED\n"
    )
