"""The report of an evaluation: one page, and its figures as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyfix.datasets.contract import RetrievalSet
from skyfix.errors import SkyfixError
from skyfix.evaluation.protocol import Extraction, Measurement
from skyfix.inference import Embedder
from skyfix.outputs.figures import write_figures
from skyfix.outputs.page import Page
from skyfix.outputs.score_tables import add_scores

PAGE_FILE = "report.html"


def write_report(
    folder: Path | str,
    embedder: Embedder,
    extraction: Extraction,
    measured: Sequence[Measurement],
    provenance: Mapping[str, Any],
) -> Path:
    """Write ``report.html``, ``figures.csv`` and ``figures.json``.

    Args:
        folder: made where missing.
        embedder: what was measured; it is asked again for the maps of its parts.
        extraction: what was measured with, so that nothing is embedded twice.
        measured: of one system and data set; the plain protocol in every direction among them.
        provenance: see ``provenance.provenance_of``.

    Returns:
        The page.

    Raises:
        SkyfixError: no plain measurement of a direction, or a folder that cannot be written.
    """
    folder = Path(folder)
    plain = _plain(measured)
    write_figures(folder, measured, provenance)
    system, dataset = embedder.system, extraction.dataset
    page = Page(f"{system.name} on {dataset_name(dataset, provenance['data'])}")
    add_scores(page, plain, system.name, dataset, provenance)
    path = folder / PAGE_FILE
    page.write(path)
    return path


def dataset_name(dataset: RetrievalSet, spec: str) -> str:
    """The published name of a data set with the choice that was opened."""
    choice = spec.partition(":")[0].partition("@")[2]
    name = str(getattr(dataset, "NAME", type(dataset).__name__))
    return f"{name} ({choice})" if choice else name


def _plain(measured: Sequence[Measurement]) -> list[Measurement]:
    plain = [found for found in measured if found.condition.protocol == "plain"]
    lacking = {found.direction for found in measured} - {found.direction for found in plain}
    if lacking or not plain:
        raise SkyfixError(
            "A report starts from the undisturbed figures. Measure the protocol plain too."
        )
    return plain
