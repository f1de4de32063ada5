"""Tables of the undisturbed figures, beside the published ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from skyfix.datasets.contract import RetrievalSet
from skyfix.evaluation.protocol import Measurement
from skyfix.outputs.page import Page
from skyfix.outputs.published_rows import published_rows, published_sizes

_RECALLS = ("R@1", "R@5", "R@10", "R@1%")
_PLACES = (*_RECALLS, "R@1% (N//100)", "R@1% (N//100+1)", "AP")
_LINKS = (*_RECALLS, "hit rate", "AP(step)")
_COUNTS = ("queries", "gallery", "without_match")
_RULES = {
    "keep": "keep (official): gallery places that no query shows stay in the ranking, here and in "
    "all curves and pictures below.",
    "drop": "drop: they are taken out first, as Sample4Geo and its successors do. Higher figures, "
    "not comparable with official ones.",
    "links": "links: true matches are told one by one. A hit is a positive; semi-positives are no "
    "hits but take ranks. hit rate takes them out of the ranking first. AP(step) does not compare "
    "with the trapezoid AP of University-1652.",
}
_ONE_PERCENT = (
    "R@1% has three conventions for a gallery of N: R@1% counts K = round(0.01 N) + 1 "
    "(University-1652's evaluator), N//100 is SAFA's, CVFT's and Sample4Geo's, N//100+1 CVM-Net's."
)


def add_scores(
    page: Page,
    plain: Sequence[Measurement],
    system: str,
    dataset: RetrievalSet,
    provenance: Mapping[str, Any],
) -> None:
    """Add the summary, the measured figures, those in metres and the published ones.

    Args:
        plain: undisturbed measurements, one a direction.
        system: registered name.
        provenance: see ``provenance.provenance_of``.
    """
    page.text(_summary(plain))
    page.heading("Figures")
    _add_measured(page, plain)
    _add_distances(page, plain)
    _add_sizes(page, plain, dataset)
    _add_published(page, plain, system, dataset, provenance["data"])


def _summary(plain: Sequence[Measurement]) -> str:
    lines = []
    for found in plain:
        scores = found.to_json()["links" if found.links else "keep"]
        ap = "AP(step)" if found.links else "AP"
        lines.append(
            f"{found.direction}: R@1 {scores['R@1']:.2f} %, {ap} {scores[ap]:.2f} % "
            f"({_count(scores['queries'])} queries, {_count(scores['gallery'])} gallery images)"
        )
    return "; ".join(lines) + "."


def _add_measured(page: Page, plain: Sequence[Measurement]) -> None:
    linked = any(found.links is not None for found in plain)
    names, rules = (_LINKS, ("links",)) if linked else (_PLACES, ("keep", "drop"))
    heading = "true matches" if linked else "distractors"
    rows = []
    for found in plain:
        values = found.to_json()
        for rule in rules:
            scores = values[rule]
            rows.append(
                [f"{found.direction}, {rule}"]
                + [f"{scores[name]:.2f}" for name in names]
                + [_count(scores[name]) for name in _COUNTS]
            )
    counts = [name.replace("_", " ") for name in _COUNTS]
    page.table([f"direction, {heading}", *(f"{name} [%]" for name in names), *counts], rows)
    page.notes([*(_RULES[rule] for rule in rules), *(() if linked else (_ONE_PERCENT,))])


def _add_distances(page: Page, plain: Sequence[Measurement]) -> None:
    known = [found for found in plain if found.distances]
    if not known:
        return
    names = list(dict.fromkeys(name for found in known for name in found.distances))
    page.table(
        ["distance figure", *(found.direction for found in known)],
        [
            # A gallery of fewer than K images has no figure at K.
            [_with_unit(name), *(_figure(found.distances.get(name)) for found in known)]
            for name in names
        ],
    )
    page.notes([
        "SDM@K/degrees is DenseUAV's, SDM@K/metres Game4Loc's; MA@m: the first image lies within "
        "m metres of the truth; Dis@K: mean distance of the first K."
    ])  # fmt: skip


def _with_unit(name: str) -> str:
    if name == "median error m":
        return "median error [m]"
    return f"{name} [m]" if name.startswith("Dis@") else f"{name} [%]"


def _add_sizes(page: Page, plain: Sequence[Measurement], dataset: RetrievalSet) -> None:
    for found in plain:
        scores = found.to_json()["links" if found.links else "keep"]
        queries, gallery = published_sizes(dataset, found.direction)
        pairs = (("queries", queries), ("gallery", gallery))
        differing = [
            f"{_count(scores[side])} instead of {_count(size)} {what}"
            for (side, size), what in zip(pairs, ("queries", "gallery images"), strict=True)
            if size is not None and size != scores[side]
        ]
        if differing:
            page.warning(
                f"{found.direction}: {', '.join(differing)} of the published protocol. "
                "These figures do not compare with published ones."
            )


def _add_published(
    page: Page, plain: Sequence[Measurement], system: str, dataset: RetrievalSet, spec: str
) -> None:
    rows = published_rows(system, dataset, spec, [found.direction for found in plain])
    if not rows:
        page.text(f"No figures of {system} on this data set are published.")
        return
    metrics = list(dict.fromkeys(name for row in rows for name in row.values))
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    number = {note: index for index, note in enumerate(notes, start=1)}
    page.subheading(f"Published figures of {system}")
    page.table(
        ["direction", "system", "backbone", "input [px]", *map(_with_unit, metrics), "source",
         "notes"],
        [
            [row.direction, row.form, row.backbone or "not known", row.input_px or "not known",
             *(f"{row.values[name]:.2f}" if name in row.values else "" for name in metrics),
             row.source, ", ".join(f"[{number[note]}]" for note in row.notes)]
            for row in rows
        ],
        ["system", "backbone", "source", "notes"],
    )  # fmt: skip
    page.notes([f"[{index}] {note}" for note, index in number.items()])


def _count(number: int) -> str:
    return f"{number:,}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
