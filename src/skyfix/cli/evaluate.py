"""`skyfix evaluate`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich import print as show
from rich.table import Table

from skyfix.cli.numbers import InputPx
from skyfix.evaluation.choices import Direction, Distractors

if TYPE_CHECKING:
    from skyfix.evaluation.protocol import Measurement

FIGURES = ("R@1", "R@5", "R@10", "R@1%", "AP")
LINK_FIGURES = ("R@1", "R@5", "R@10", "R@1%", "hit rate", "AP(step)")
DISTANCES = ("SDM@1/degrees", "SDM@3/degrees", "SDM@1/metres", "SDM@3/metres", "MA@20", "Dis@1")


def evaluate(
    run: str,
    *,
    data: str,
    direction: Literal[Direction, "both"] | None = None,
    distractors: Distractors = "keep",
    protocol: tuple[str, ...] = ("plain",),
    json: Annotated[Path | None, Parameter(help="Write the figures to this file.")] = None,
    report: Path | None = None,
    input_px: InputPx | None = None,
    device: str = "auto",
) -> None:
    """Measure R@K, R@1 % and AP of a system on a data set's test split.

    Example: `skyfix evaluate runs/sdpl --data university1652:ROOT --json sdpl.json`

    Robustness: `skyfix evaluate runs/sdpl --data university1652:ROOT --protocol shift
    --protocol rotation`

    A page with figures, curves and pictures: `skyfix evaluate runs/sdpl --data university1652:ROOT
    --direction both --report report`

    Several processes: `torchrun --nproc-per-node 2 -m skyfix evaluate ...`

    Parameters
    ----------
    run
        Checkpoint folder, or a system with built-in weights (skyfix_s, imagenet).
    data
        Data set as NAME:ROOT.
    direction
        Which view asks and which one is searched: photos ask satellite images, unless told
        otherwise; both asks either way (drone and satellite).
    distractors
        keep (official) leaves gallery places without a query in the ranking, drop takes them out.
        The JSON of a protocol has both.
    protocol
        plain, rotation, gallery-rotation, shift, black-shift, mirrored-shift, sues-shift, weather,
        distance, scale, multi-query, or a TOML file with protocols = [...]; may be given several
        times.
    report
        Write report.html, figures.csv and figures.json to this folder; the plain protocol is
        measured too.
    input_px
        Side of the square input in px, instead of the checkpoint's.
    device
        auto, cpu or cuda.
    """
    from skyfix.datasets.registry import open_dataset
    from skyfix.evaluation.protocol import Extraction, directions_of
    from skyfix.evaluation.study import read_protocols, run_protocols
    from skyfix.files import require_writable, write_json
    from skyfix.inference import Embedder
    from skyfix.inference.together import together
    from skyfix.outputs.figures import write_figures

    started = time.monotonic()
    asked = ("plain", *protocol) if report else protocol
    protocols = list(dict.fromkeys(read_protocols(asked)))
    embedder = Embedder(run, device=device)
    if input_px is not None:
        embedder.system.with_input_px(input_px, input_px)
    dataset = open_dataset(data)
    offered = directions_of(dataset)
    directions = offered if direction == "both" else (direction or offered[0],)
    if report is not None:
        require_writable(report)
    measured: list[Measurement] = []

    def keep(found: "Measurement") -> None:
        """Nothing that was measured is lost when a later condition fails."""
        measured.append(found)
        if json is not None:
            about = {"system": embedder.system.name, "data": data}
            write_json(json, _report(measured, protocols, distractors, about))
        if report is not None:
            write_figures(report, measured, {})

    with together(embedder) as shared:
        if shared is None:
            return
        extraction = Extraction(shared, dataset)
        run_protocols(extraction, protocols, directions, keep)
        for table in _tables(measured, embedder.system.name, distractors):
            show(table)
        for problem in dict.fromkeys(str(e) for found in measured for e in found.unreadable):
            show(f"[yellow]left out:[/] {problem}")
        if report is not None:
            from skyfix.outputs.evaluation_report import write_report
            from skyfix.outputs.provenance import provenance_of

            provenance = provenance_of(
                embedder, extraction, measured, run=run, data=data, started=started
            )
            show(f"Report: {write_report(report, embedder, extraction, measured, provenance)}")


def _report(
    measured: "list[Measurement]",
    protocols: list[str],
    distractors: Distractors,
    about: dict[str, str],
) -> dict[str, Any]:
    """The figures of one plain measurement, or a list of all conditions."""
    if protocols == ["plain"] and len(measured) == 1:
        found = measured[0]
        scores = {**_scores(found, distractors), **found.distances}
        return {**about, "direction": found.direction, **scores}
    return {**about, "measurements": [found.to_json() for found in measured]}


def _scores(found: "Measurement", distractors: Distractors) -> dict[str, Any]:
    if found.links is not None:
        return found.links.to_json()
    return found.places[distractors].to_json()


def _tables(measured: "list[Measurement]", system: str, distractors: Distractors) -> list[Table]:
    """One table a protocol and direction, and one more of the figures in metres."""
    tables: dict[tuple[str, ...], Table] = {}
    for found in measured:
        linked = found.links is not None
        rule = "" if linked else f", distractors {distractors}"
        title = f"{system}, {found.direction}, {found.condition.protocol}"
        recalls = LINK_FIGURES if linked else FIGURES
        for kind, names, scores in (
            (rule, recalls, _scores(found, distractors)),
            (", distances", DISTANCES, found.distances),
        ):
            known = [name for name in names if name in scores]
            if not known:
                continue
            table = tables.setdefault((title, kind, *known), Table(title=title + kind))
            if not table.columns:
                for name in ("condition", *known):
                    table.add_column(name, justify="left" if name == "condition" else "right")
            table.add_row(found.condition.name, *(f"{scores[name]:.2f}" for name in known))
    return list(tables.values())
