"""What the tests of systems share."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from parity import Authors


@pytest.fixture
def authors(golden: Path, load_golden: Callable, fill: ModuleType, tmp_path: Path) -> Authors:
    """The authors' numbers of the systems with parts."""
    return Authors(golden, load_golden, fill, tmp_path)
