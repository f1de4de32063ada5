"""`skyfix demo`."""

from pathlib import Path

from rich import print as show
from rich.table import Table


def demo(*, out: Path = Path("demo"), steps: int = 120) -> None:
    """Train SDPL on a made-up town, build a gallery of another one and locate photos over it.

    Example: `skyfix demo --out demo`

    Parameters
    ----------
    out
        Folder for the sample, the run, the galleries and the report.
    steps
        Training steps.
    """
    from skyfix.demo import HEADER, run_demo

    result = run_demo(out, steps)
    table = Table(HEADER[0], title="Photos of a town that training never saw")
    for name in HEADER[1:]:
        table.add_column(name, justify="right")
    for row in result.rows:
        table.add_row(*row.cells())
    show(table)
    show(f"Report: {result.report}")
