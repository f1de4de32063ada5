"""`skyfix systems` and `skyfix systems import`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich import get_console
from rich import print as show
from rich.box import SIMPLE
from rich.table import Table

_WIDE = 110

app = App(
    name="systems",
    help="List the published systems, or import authors' weights.\n\n"
    "Example: `skyfix systems` lists them.",
)


@app.default
def list_systems() -> None:
    """List the published systems that skyfix contains.

    Example: `skyfix systems`
    """
    from skyfix.systems import names
    from skyfix.systems.measured import Measured, measured
    from skyfix.systems.published import university_1652
    from skyfix.systems.registry import system_class

    table = Table(box=SIMPLE)
    table.add_column("system, paper, authors' licence, backbone, losses", ratio=1)
    for column in ("M", "GMAC", "length", "parity", "R@1 / AP"):
        table.add_column(column, justify="right", no_wrap=True)
    # Titles would take half a dozen lines each.
    has_room = get_console().width >= _WIDE
    for name in names():
        paper, sizes = system_class(name).citation, measured().get(name, Measured())
        licence = {"": "", "none": ", no licence"}.get(
            paper.code_licence, f", {paper.code_licence}"
        )
        lines = (
            f"[bold]{name}[/]: {paper.title}" if has_room else f"[bold]{name}[/]",
            f"{paper.venue} {paper.year}{licence}",
            sizes.backbone,
            sizes.losses,
        )
        table.add_row(
            "\n".join(line for line in lines if line),
            sizes.parameters_m,
            sizes.gmac,
            sizes.descriptor,
            sizes.parity,
            university_1652(name),
        )
    show(table)
    show(
        "M: parameters in millions. GMAC: one descriptor at the paper's size. length: of the "
        "descriptor. parity: largest difference to the authors' descriptors. R@1 / AP: best "
        "published on University-1652, drone to satellite. Titles and sources: docs/systems.md."
    )


@app.command(name="import")
def import_weights(
    name: str,
    file: Path,
    /,
    *,
    out: Path,
    options: Annotated[tuple[str, ...], Parameter(name="--option")] = (),
) -> None:
    """Turn a checkpoint that a system's authors saved into a checkpoint folder.

    Example: `skyfix systems import lpn net_119.pth --out runs/lpn --option places=701`

    Parameters
    ----------
    name
        Registered name of the system.
    file
        The authors' .pth file (.npz for TensorFlow systems); no code in it is run.
    out
        Checkpoint folder to write.
    options
        A constructor argument of the system, as variant=released; may be given several times.
    """
    from skyfix.systems import load_author_checkpoint, save
    from skyfix.training.config import parsed_settings

    system = load_author_checkpoint(name, file, **parsed_settings(options))
    save(system, out, {"imported_from": file.name})
    show(f"Imported {name} into {out}")
