"""The report of an evaluation: one page, and its figures as files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skyfix.datasets.contract import RetrievalSet
from skyfix.errors import SkyfixError
from skyfix.evaluation.protocol import Extraction, Measurement
from skyfix.inference import Embedder
from skyfix.outputs.curves import (
    cmc_curve,
    is_curve,
    recall_at_1,
    robustness_bars,
    robustness_curve,
)
from skyfix.outputs.figures import write_figures
from skyfix.outputs.heat_pictures import add_heat
from skyfix.outputs.page import Page, Shown
from skyfix.outputs.provenance_table import add_provenance, add_unreadable
from skyfix.outputs.ranking import ranking_of
from skyfix.outputs.ranking_pictures import BEST, FAILURES, STRIPS, add_failures, add_strips
from skyfix.outputs.score_tables import add_scores

PAGE_FILE = "report.html"
_CHART_REM = 24
_FRAMES = "A full green frame (✓) is right, a dashed red one (✗) wrong."
_LINKED_FRAMES = f"{_FRAMES} A dashed brown one (≈) overlaps, too little to count."


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
    _add_robustness(page, measured)
    _add_cmc(page, plain)
    _add_pictures(page, embedder, extraction, plain)
    add_unreadable(page, measured)
    add_provenance(page, provenance)
    path = folder / PAGE_FILE
    page.write(path)
    return path


def dataset_name(dataset: RetrievalSet, spec: str) -> str:
    """The published name of a data set with the choice that was opened."""
    choice = spec.partition(":")[0].partition("@")[2]
    name = str(getattr(dataset, "NAME", type(dataset).__name__))
    return f"{name} ({choice})" if choice else name


def _add_robustness(page: Page, measured: Sequence[Measurement]) -> None:
    protocols: dict[str, list[Measurement]] = {}
    for found in measured:
        if found.condition.protocol != "plain":
            protocols.setdefault(found.condition.protocol, []).append(found)
    if not protocols:
        return
    page.heading("Robustness")
    page.row(
        (shown for protocol, group in protocols.items() for shown in _charts(protocol, group)),
        "R@1 under each protocol's conditions; of the shifts, (+P,-P) moves the content by P px to "
        "the right and up. Every figure stands in figures.csv.",
        _CHART_REM,
    )


def _charts(protocol: str, group: list[Measurement]) -> Iterator[Shown]:
    """One chart a protocol, or one a direction where a direction has several lines."""
    curve = is_curve(group)
    by_direction: dict[str, list[Measurement]] = {}
    for found in group:
        by_direction.setdefault(found.direction, []).append(found)
    values = {found.condition.value for found in group}
    several = curve and len(group) > len(values) * len(by_direction)
    for part in by_direction.values() if several else [group]:
        worst = min(part, key=recall_at_1)
        named = ", ".join(dict.fromkeys(found.direction for found in part))
        caption = (
            f"{protocol}, {named}. Lowest: {recall_at_1(worst):.1f} % "
            f"({worst.condition.name}, {worst.direction})."
        )
        yield Shown(robustness_curve(part) if curve else robustness_bars(part), caption)


def _add_cmc(page: Page, plain: Sequence[Measurement]) -> None:
    page.heading("Recall over K")
    page.picture(
        cmc_curve(plain),
        "Cumulative matching characteristic: queries whose true match is among the first K.",
    )


def _add_pictures(
    page: Page, embedder: Embedder, extraction: Extraction, plain: Sequence[Measurement]
) -> None:
    rankings = [ranking_of(extraction, found) for found in plain]
    frames = _LINKED_FRAMES if plain[0].links else _FRAMES
    page.heading("Best matches")
    page.text(
        f"Up to {STRIPS} queries at even distances through the data set's order, each beside its "
        f"best {BEST} gallery images. {frames}"
    )
    for ranking in rankings:
        add_strips(page, ranking)
    page.heading("Failures")
    page.text(
        f"Up to {FAILURES} queries whose true match has the worst rank, one a place: the query, "
        f"its true match, the best {BEST} gallery images. {frames}"
    )
    for ranking in rankings:
        add_failures(page, ranking)
    if not embedder.system.shows_maps:
        return
    page.heading("Where the system looks")
    page.text(
        "Colours show how strongly the cells of the feature map answer (length of their vector), "
        "from the weakest of a part (dark) to its strongest (bright); black lies outside the "
        "part. cosine compares a part's descriptor with that of the query's. Shown are the first "
        "of the chosen queries and the worst failure, each with its true match."
    )
    for ranking in rankings:
        add_heat(page, embedder, ranking)


def _plain(measured: Sequence[Measurement]) -> list[Measurement]:
    plain = [found for found in measured if found.condition.protocol == "plain"]
    lacking = {found.direction for found in measured} - {found.direction for found in plain}
    if lacking or not plain:
        raise SkyfixError(
            "A report starts from the undisturbed figures. Measure the protocol plain too."
        )
    return plain
