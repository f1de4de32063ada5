"""`skyfix reproduce`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich import print as show
from rich.table import Table

from skyfix.cli.numbers import AtLeastOne


def reproduce(
    recipe: str,
    *,
    data: str,
    out: Path,
    seeds: AtLeastOne = 1,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    protocol: tuple[str, ...] = (),
    weights: str = "imagenet",
    device: str = "auto",
) -> None:
    """Train, evaluate and report a published system, beside its published figures.

    Example: `skyfix reproduce lpn --data university1652:ROOT --out runs/lpn --seeds 3`

    As papers do, it trains on all places and takes the last state, unless
    `--set validation.select=held-out` (or `test`, which some papers did) says otherwise. A command
    that was interrupted goes on where it was.

    Parameters
    ----------
    recipe
        Name of one of the project's recipes, such as lpn, or a TOML file; of several for one
        system the data set's own is taken.
    data
        Data set as NAME:ROOT, for example university1652:data/University-1652.
    out
        Folder for the runs, their reports and the summary.
    seeds
        Runs with different seeds; the summary gives mean and standard deviation.
    settings
        Change one value of the recipe, as optim.lr=0.001; may be given several times.
    protocol
        Measured beside the plain one, as shift or rotation; see `skyfix evaluate --help`.
    weights
        Where the backbone starts from: imagenet, none, or a weight file (.pth, .safetensors).
    device
        auto, cpu or cuda.
    """
    from skyfix.evaluation.study import read_protocols
    from skyfix.reproduce import METRICS
    from skyfix.reproduce import reproduce as run
    from skyfix.training.config import read_config, recipe_file

    config = read_config(recipe_file(recipe, data), ["validation.select=last", *settings])
    result = run(config, data, out, seeds, read_protocols(protocol), weights, device)
    metrics = [name for name in METRICS if any(name in row.values for row in result.rows)]
    table = Table(title=f"{result.system} on {result.dataset}, percent")
    for name in ("direction", "rule", *metrics):
        table.add_column(name, justify="left" if name in ("direction", "rule") else "right")
    for row in result.rows:
        table.add_row(row.direction, row.rule, *map(row.cell, metrics))
    for published in result.published:
        cells = [f"{published.values[m]:.2f}" if m in published.values else "" for m in metrics]
        table.add_row(published.direction, f"published: {published.source}", *cells, style="dim")
    show(table)
    show(f"Summary: {result.page}")
