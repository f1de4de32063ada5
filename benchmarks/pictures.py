"""Every picture of docs/pictures, and the command that makes it.

    python benchmarks/pictures.py [NAME ...]

Without names all are made anew, but for those of which something is missing here: a line says what.
`make pictures` does this.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
STUDY = Path("runs/study")


@dataclass(frozen=True)
class Need:
    """Something that is not everywhere.

    Attributes:
        what: for the line that says that it is missing.
        is_there: whether it is.
    """

    what: str
    is_there: Callable[[], bool]


def _has_shared() -> bool:
    return Path(os.environ.get("SKYFIX_SHARED", ROOT.parent / "shared")).is_dir()


def _has_browser() -> bool:
    return find_spec("playwright") is not None and bool(
        which("chromium") or which("chromium-browser")
    )


SHARED = Need("the optional data folder; set SKYFIX_SHARED", _has_shared)
BROWSER = Need("playwright and Chromium on the path", _has_browser)
TRAININGS = Need(
    f"the trainings of `python benchmarks/study_mini.py --work {STUDY}`", (ROOT / STUDY).is_dir
)


@dataclass(frozen=True)
class Recipe:
    """A command and the pictures that it makes.

    Attributes:
        command: run in the repository's root; `python` is the one that runs this.
        makes: files of docs/pictures.
        need: what it cannot do without, beside the package.
    """

    command: str
    makes: tuple[str, ...]
    need: Need | None = None


RECIPES = (
    Recipe(
        "python benchmarks/explain_pictures.py",
        ("explain_partition.png", "explain_pose.jpg", "explain_refusal.png"),
    ),
    Recipe(
        "python benchmarks/world_pictures.py",
        ("demo.jpg", "world_oblique.jpg", "world_orbit.jpg"),
    ),
    Recipe(
        "python benchmarks/page_pictures.py",
        ("service_dark.png", "service_light.png", "service_phone.png", "service_track.png"),
        BROWSER,
    ),
    # Measures anew, and writes text and picture together.
    Recipe(
        "python benchmarks/fixes.py --work runs/fixes --write docs/fixes.md",
        ("reliability.png",),
        SHARED,
    ),
    Recipe(
        f"python benchmarks/study_mini.py --work {STUDY} --page", ("study_shift.png",), TRAININGS
    ),
)


def main() -> None:
    known = {name: recipe for recipe in RECIPES for name in recipe.makes}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(sorted(known))}")
    names = parser.parse_args().names
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"no recipe makes {', '.join(unknown)}")
    for recipe in dict.fromkeys(known[name] for name in names or known):
        made = ", ".join(recipe.makes)
        if recipe.need is not None and not recipe.need.is_there():
            print(f"{made}: skipped, needs {recipe.need.what}", flush=True)
            continue
        print(f"{made}: {recipe.command}", flush=True)
        program, *words = shlex.split(recipe.command)
        assert program == "python"
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
