"""Fixtures of losses in double precision."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="module")
def cases(golden: Path) -> dict[str, dict]:
    """What the authors' code computed, by name."""
    files = [golden / "losses_global" / f"losses_{kind}.json" for kind in ("tf", "torch")]
    return {case["name"]: case for path in files for case in json.loads(path.read_text())["losses"]}


@pytest.fixture(scope="module")
def draw(fill_global: ModuleType) -> Callable[..., Tensor]:
    """Draws a fixture's input by name, shape and rule."""

    def make(name: str, shape: tuple[int, ...], rule: str = "normal") -> Tensor:
        drawn = getattr(fill_global, rule)(f"dev/losses_global/{name}", list(shape))
        return torch.from_numpy(drawn)

    return make
