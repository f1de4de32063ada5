"""`skyfix evaluate`."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from cyclopts import Parameter
from rich import print as show
from rich.table import Table

from skyfix.cli.numbers import InputPx
from skyfix.evaluation.metrics import Distractors
from skyfix.evaluation.protocol import Direction, Extraction, Measurement

FIGURES = ("R@1", "R@5", "R@10", "R@1%", "AP")
LINK_FIGURES = ("R@1", "R@5", "R@10", "R@1%", "hit rate", "AP(step)")
DISTANCES = ("SDM@1/degrees", "SDM@3/degrees", "SDM@1/metres", "SDM@3/metres", "MA@20", "Dis@1")


def evaluate(
    run: str,
    *,
    data: str,
    direction: Literal[Direction, "both"] = "drone2satellite",
    distractors: Distractors = "keep",
    protocol: Annotated[tuple[str, ...], Parameter(negative="")] = ("plain",),
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

    Parameters
    ----------
    run
        Checkpoint folder, or a system with built-in weights (imagenet).
    data
        Data set as NAME:ROOT.
    direction
        Which view asks and which one is searched; both asks either way (drone and satellite).
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
    from skyfix.evaluation.protocol import views_of
    from skyfix.evaluation.study import read_protocols, run_protocols
    from skyfix.files import require_writable, write_json
    from skyfix.inference import Embedder
    from skyfix.outputs.figures import write_figures

    started = time.monotonic()
    asked = ("plain", *protocol) if report else protocol
    protocols = list(dict.fromkeys(read_protocols(asked)))
    directions = get_args(Direction)[:2] if direction == "both" else (direction,)
    for one in directions:
        views_of(one)
    embedder = Embedder(run, device=device)
    if input_px is not None:
        embedder.system.with_input_px(input_px, input_px)
    extraction = Extraction(embedder, open_dataset(data))
    if report is not None:
        require_writable(report)
    measured: list[Measurement] = []

    def keep(found: Measurement) -> None:
        """Nothing that was measured is lost when a later condition fails."""
        measured.append(found)
        if json is not None:
            write_json(json, _report(measured, protocols, distractors))
        if report is not None:
            write_figures(report, measured, {})

    run_protocols(extraction, protocols, directions, keep)
    for table in _tables(measured, embedder.system.name, distractors):
        show(table)
    for problem in dict.fromkeys(str(e) for found in measured for e in found.unreadable):
        show(f"[yellow]left out:[/] {problem}")
    if report is not None:
        from skyfix.outputs.evaluation_report import write_report
        from skyfix.outputs.provenance import provenance_of

        provenance = provenance_of(
            embedder,
            extraction,
            measured,
            run=run,
            data=data,
            command=shlex.join(["skyfix", *sys.argv[1:]]),
            seconds=time.monotonic() - started,
        )
        show(f"Report: {write_report(report, embedder, extraction, measured, provenance)}")


def _report(
    measured: list[Measurement], protocols: list[str], distractors: Distractors
) -> dict[str, Any]:
    """The figures of one plain measurement, or a list of all conditions."""
    if protocols == ["plain"] and len(measured) == 1:
        return {**_scores(measured[0], distractors), **measured[0].distances}
    return {"measurements": [found.to_json() for found in measured]}


def _scores(found: Measurement, distractors: Distractors) -> dict[str, Any]:
    if found.links is not None:
        return found.links.to_json()
    return found.places[distractors].to_json()


def _tables(measured: list[Measurement], system: str, distractors: Distractors) -> list[Table]:
    """One table a protocol and direction."""
    tables: dict[tuple[str, str], Table] = {}
    for found in measured:
        names = LINK_FIGURES if found.links is not None else FIGURES
        metres = [name for name in DISTANCES if name in found.distances]
        key = (found.condition.protocol, found.direction)
        if key not in tables:
            rule = "" if found.links is not None else f", distractors {distractors}"
            tables[key] = Table(title=f"{system}, {found.direction}, {key[0]}{rule}")
            for name in ("condition", *names, *metres):
                tables[key].add_column(name, justify="left" if name == "condition" else "right")
        scores = {**_scores(found, distractors), **found.distances}
        cells = (f"{scores[name]:.2f}" for name in (*names, *metres))
        tables[key].add_row(found.condition.name, *cells)
    return list(tables.values())
