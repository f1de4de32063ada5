"""Made-up data that trainings share."""

import pytest

from skyfix.datasets.registry import generate


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"university1652:{generate('university1652', tmp_path_factory.mktemp('u'), places=8)}"
