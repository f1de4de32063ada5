"""What tests share: the optional data folder with golden numbers and real imagery."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import settings

# Some first calls import hundreds of modules; examples are bounded in number, not in time.
settings.register_profile("skyfix", deadline=None)
settings.load_profile("skyfix")

SHARED = Path(os.environ.get("SKYFIX_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for the optional folder, so that -m "not shared" leaves it out."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared)


@pytest.fixture
def opencv_threads() -> Iterator[None]:
    """For tests of training batches, which turn OpenCV's threads off for good."""
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder with golden numbers and real imagery."""
    if not SHARED.is_dir():
        pytest.skip(f"no optional data folder at {SHARED}; set SKYFIX_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The folder of fixtures made by the authors' own code."""
    return shared / "golden" / "dev"


@pytest.fixture(scope="session")
def load_golden(golden: Path) -> Callable[[str], tuple[dict, Mapping[str, np.ndarray]]]:
    """Reads one fixture by name, such as ``sdpl/eval``: its description and its arrays."""

    def load(name: str) -> tuple[dict, Mapping[str, np.ndarray]]:
        description = json.loads((golden / f"{name}.json").read_text())
        return description, np.load(golden / f"{name}.npz")

    return load


@pytest.fixture(scope="session")
def fill(shared: Path) -> ModuleType:
    """The module that regenerates the golden fixtures' weights and inputs."""
    return _golden_module("fill", shared)


@pytest.fixture(scope="session")
def fill_global(shared: Path) -> ModuleType:
    """The same for the fixtures of global-descriptor systems."""
    return _golden_module("fill_global", shared)


def _golden_module(name: str, shared: Path) -> ModuleType:
    folder = str(shared / "golden")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
