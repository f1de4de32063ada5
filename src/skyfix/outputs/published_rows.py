"""Published figures of a system on a data set, as rows beside the measured ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from skyfix.datasets.contract import RetrievalSet
from skyfix.datasets.reader import Reader
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.protocol import views_of
from skyfix.systems.published import published_figures

_CONDITIONS = {
    "SUES-200": "altitude={}",
    "GTA-UAV": "split={}_area",
    "VIGOR": "split={}_area",
    "CVACT": "split={}",
}
"""How the table names what stands behind the @ of the data set."""


@dataclass(frozen=True)
class PublishedRow:
    """Figures that one source gives for one form of a system.

    Attributes:
        form: the system as the source calls it, with its variant.
        backbone, input_px: empty where they are not known.
        values: percent by metric; metres for Dis@1.
        notes: what is known or doubted about the figures.
    """

    form: str
    backbone: str
    input_px: str
    direction: str
    source: str
    values: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def published_rows(
    system: str, dataset: RetrievalSet, spec: str, directions: Sequence[Direction]
) -> list[PublishedRow]:
    """What was published for a system on a data set's plain protocol, in the table's order.

    Args:
        system: registered name.
        spec: the data set as NAME@CHOICE:ROOT.
    """
    if not isinstance(dataset, Reader):
        return []
    choice = spec.partition(":")[0].partition("@")[2] or next(iter(dataset.CHOICES), "")
    condition = _CONDITIONS.get(dataset.NAME, "").format(choice)
    found: dict[tuple[str, ...], PublishedRow] = {}
    for figure in published_figures():
        if (
            (figure.name, figure.dataset, figure.condition) != (system, dataset.NAME, condition)
            or figure.direction not in directions
        ):  # fmt: skip
            continue
        form = f"{figure.system}, {figure.variant}" if figure.variant else figure.system
        identity = (form, figure.backbone, figure.input_px, figure.direction, figure.source)
        row = found.setdefault(identity, PublishedRow(*identity))
        row.values[figure.metric] = figure.value
        if figure.protocol_note and figure.protocol_note not in row.notes:
            row.notes.append(figure.protocol_note)
    return sorted(found.values(), key=lambda row: directions.index(row.direction))


def published_sizes(dataset: RetrievalSet, direction: Direction) -> tuple[int | None, int | None]:
    """How many queries and gallery images the published protocol has, as far as it is known."""
    if not isinstance(dataset, Reader):
        return None, None
    asking, searched = views_of(direction)
    images = {(part.role, part.view): part.images for part in dataset.parts()}
    return images.get(("query", asking)), images.get(("gallery", searched))
