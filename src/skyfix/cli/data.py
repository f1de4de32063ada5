"""`skyfix data`, `skyfix data check` and `skyfix data generate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich import print as show
from rich.markup import escape
from rich.table import Table

from skyfix.cli.numbers import Count
from skyfix.errors import SkyfixError

_SHOWN = 10

app = App(
    name="data", help="List, check or make up data sets.\n\nExample: `skyfix data` lists them."
)


@app.default
def list_datasets() -> None:
    """List the data sets that skyfix reads; docs/datasets.md tells where to ask for them.

    Example: `skyfix data`
    """
    from skyfix.datasets.registry import names, reader_class

    table = Table()
    for column in ("name", "data set", "views"):
        table.add_column(column)
    for name in names():
        reader = reader_class(name)
        choices = "".join(f"\n{name}@{choice}" for choice in reader.CHOICES)
        # A choice that is taken by default needs not be given.
        spelled = choices.strip() if reader.CHOICE_OF else name + choices
        table.add_row(spelled, f"{reader.NAME}\n{reader.PAPER}", ", ".join(reader.VIEWS))
    show(table)


@app.command
def check(
    data: str,
    /,
    *,
    json: Annotated[Path | None, Parameter(help="Write what was found to this file.")] = None,
) -> None:
    """Compare a download with what was published, and decode every image.

    Exits with 0 if it is complete and readable, with 1 if it differs but can be used, and with 2
    if its layout is wrong.

    Example: `skyfix data check sues200@150:data/SUES-200`

    Parameters
    ----------
    data
        Data set as NAME:ROOT or NAME@CHOICE:ROOT.
    """
    from skyfix.datasets.check import check as examine
    from skyfix.datasets.registry import open_reader
    from skyfix.files import write_json

    report = examine(open_reader(data), progress="Decode")
    if json is not None:
        write_json(json, {"data": data, **report.to_json()})
    table = Table(title=escape(data))
    table.add_column("part", no_wrap=True)
    for column in ("images", "published"):
        table.add_column(column, justify="right")
    table.add_column("")
    for found in report.parts:
        counts = (found.images, found.part.images)
        cells = ("" if count is None else f"{count:,}" for count in counts)
        style = None if found.complete else "yellow"
        table.add_row(found.part.name, *cells, found.verdict, style=style)
    show(table)
    unreadable = [str(error) for error in report.unreadable]
    lines = [*report.remarks, *unreadable[:_SHOWN]]
    if len(unreadable) > _SHOWN:
        lines.append(f"{len(unreadable) - _SHOWN} more images cannot be read; --json lists them")
    for line in lines:
        show(f"[yellow]differs:[/] {escape(line)}")
    if report.state == "wrong layout":
        raise SkyfixError(report.problems[0] if report.problems else report.parts[0].problem)
    if report.state == "differs":
        show(f"{report.decoded:,} images decoded. Usable, but not the published set as a whole.")
        raise SystemExit(1)
    compared = any(found.compared for found in report.parts)
    state = "Complete" if compared else "No count was published to compare with; all is there"
    show(f"{report.decoded:,} images decoded. {state} and readable.")


@app.command
def generate(name: str, out: Path, /, *, places: int = 8, seed: Count = 0) -> None:
    """Write a small made-up data set with the true layout and file names of a published one.

    Example: `skyfix data generate university1652 data/made-up --places 8`

    Parameters
    ----------
    name
        Name of the data set.
    out
        Folder to write to.
    places
        Training places; for test a few more are made.
    seed
        Decides everything; the same seed gives the same files.
    """
    from skyfix.datasets.registry import generate as make
    from skyfix.datasets.registry import reader_class

    reader = reader_class(name)
    folder = make(name, out, places=places, seed=seed)
    choice = f"@{reader.CHOICES[0]}" if reader.CHOICE_OF else ""
    show(
        f"Made up {places} places for training, and others for test. "
        f"Use them as {name}{choice}:{escape(str(folder))}"
    )
