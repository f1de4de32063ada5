"""`skyfix evaluate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich import print as show
from rich.table import Table

from skyfix.evaluation.metrics import Distractors
from skyfix.evaluation.protocol import Direction

FIGURES = ("R@1", "R@5", "R@10", "R@1%", "AP")


def evaluate(
    run: str,
    *,
    data: str,
    direction: Direction = "drone2satellite",
    distractors: Distractors = "keep",
    json: Annotated[Path | None, Parameter(help="Write the figures to this file.")] = None,
    input_px: int | None = None,
    device: str = "auto",
) -> None:
    """Measure R@K, R@1 % and AP of a system on a data set's test split.

    Example: `skyfix evaluate runs/sdpl --data university1652:ROOT --json sdpl.json`

    Parameters
    ----------
    run
        Checkpoint folder, or a system with built-in weights (imagenet).
    data
        Data set as NAME:ROOT.
    direction
        Which view asks and which one is searched.
    distractors
        keep (official) leaves gallery places without a query in the ranking, drop takes them out.
    input_px
        Side of the square input in px, instead of the checkpoint's.
    device
        auto, cpu or cuda.
    """
    from skyfix.datasets.contract import labelled
    from skyfix.datasets.registry import open_dataset
    from skyfix.evaluation.protocol import evaluate as measure
    from skyfix.files import write_json
    from skyfix.inference import Embedder

    embedder = Embedder(run, device=device)
    dataset = labelled(open_dataset(data))
    if input_px is not None:
        embedder.system.with_input_px(input_px, input_px)
    outcome = measure(embedder, dataset, direction, distractors)
    figures = outcome.result.to_json()
    table = Table(title=f"{embedder.system.name}, {direction}, distractors {distractors}")
    for name in FIGURES:
        table.add_column(name, justify="right")
    table.add_row(*(f"{figures[name]:.2f}" for name in FIGURES))
    show(table)
    for problem in outcome.unreadable:
        show(f"[yellow]left out:[/] {problem}")
    if json is not None:
        write_json(json, figures)
