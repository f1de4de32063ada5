"""`skyfix demo`."""

from collections.abc import Iterable
from pathlib import Path

from rich import print as show
from rich.markup import escape
from rich.table import Column, Table

from skyfix.cli.numbers import AtLeastOne
from skyfix.errors import SkyfixError


def demo(*, out: Path = Path("demo"), train: bool = False, steps: AtLeastOne | None = None) -> None:
    """Locate the photos and the flight of the shipped sample; nothing is trained or downloaded.

    With `--train` instead: train SDPL on a made-up town and locate photos over another one, beside
    ImageNet features and chance.

    Examples: `skyfix demo --out demo`, `skyfix demo --train --out demo_train`

    Parameters
    ----------
    out
        Folder for galleries, fixes and the report.
    train
        Show what training is worth.
    steps
        Training steps, 120 by default.
    """
    if train:
        _train(out, steps or 120)
        return
    if steps is not None:
        raise SkyfixError("--steps is for training. Give --train too.")
    from skyfix.demo import HEADER, run_demo

    result = run_demo(out)
    _show("Photos and a flight over the sample's town", HEADER, result.rows)
    show(f"Report: {escape(str(result.report))}")


def _train(out: Path, steps: int) -> None:
    from skyfix.demo_train import HEADER, run_training_demo

    result = run_training_demo(out, steps)
    rows = (row.cells() for row in result.rows)
    _show("Photos of a town that training never saw", HEADER, rows)
    show(f"Report: {escape(str(result.report))}")


def _show(title: str, header: tuple[str, ...], rows: Iterable[list[str]]) -> None:
    table = Table(Column(header[0], no_wrap=True), title=title)
    for name in header[1:]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    show(table)
