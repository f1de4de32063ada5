"""Parity of the University-1652 family with its authors' code."""

import pytest
from parity import Authors

pytestmark = pytest.mark.slow

CASES = {
    "u1652": ("instance", {}),
    "lpn": ("lpn", {}),
    "sdpl": ("sdpl", {"variant": "released"}),
}
TERMS = {"u1652": "ce", "lpn": "ce_parts", "sdpl": "ce_parts"}


@pytest.mark.parametrize("fixture", CASES)
def test_descriptors_equal_the_authors(fixture: str, authors: Authors) -> None:
    name, options = CASES[fixture]
    authors.check_descriptors(name, fixture, **options)


@pytest.mark.parametrize("fixture", CASES)
def test_training_step_equals_the_authors_in_double_precision(
    fixture: str, authors: Authors
) -> None:
    name, options = CASES[fixture]
    terms = {
        f"{TERMS[fixture]}_{view}": (f"classification_{view}",) for view in ("satellite", "drone")
    }
    authors.check_training_step(name, fixture, terms, double=True, **options)
