"""What a report rests on, as its last sections."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skyfix.evaluation.protocol import Measurement
from skyfix.outputs.page import Page

_NAMES = {
    "identity": "system's digest (weights, options, preprocessing)",
    "listing": "data's digest (paths and sizes of queries and gallery)",
    "seconds": "measuring took [s]",
    "input_px": "input (height x width) [px]",
    "selected_by": "checkpoint chosen by",
}


def add_unreadable(page: Page, measured: Sequence[Measurement]) -> None:
    """Name the images that were left out, if there are any."""
    problems = list(dict.fromkeys(str(error) for found in measured for error in found.unreadable))
    if problems:
        page.heading("Images left out")
        page.text(f"{len(problems):,} could not be read; no figure counts them.")
        page.notes(problems)


def add_provenance(page: Page, provenance: Mapping[str, Any]) -> None:
    """Add a table of ``provenance.provenance_of``, and how the weights were chosen."""
    page.heading("Provenance")
    training = provenance["training"]
    if training.get("selected_by") == "test":
        page.warning(
            "The checkpoint was chosen by its figures on these test images, so they are too good "
            "to compare."
        )
    page.table(["what", "value"], list(_rows(provenance, skipped="training")), ["value"])
    page.subheading("Training")
    if not training:
        page.text("Nothing is known of how these weights were trained.")
        return
    if "selected_by" not in training:
        page.text("How the checkpoint was chosen was not recorded.")
    page.table(["what", "value"], list(_rows(training)), ["value"])


def _rows(
    values: Mapping[str, Any], before: str = "", skipped: str = ""
) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name == skipped:
            continue
        label = f"{before}.{name}" if before else _NAMES.get(name, name)
        if isinstance(value, Mapping):
            yield from _rows(value, label)
        else:
            yield label, _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " x ".join(map(str, value)) if value else "none"
    return "unknown" if value is None else str(value)
