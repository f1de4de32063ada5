"""Writes docs/systems.md: what each system is, how large it is and what was published.

    python benchmarks/systems_table.py [--write]

Parameters and multiply-accumulates are counted for one image of the first view at the system's own
input size, with the mirror image of its test-time descriptor where it adds one. ``--write``
replaces docs/systems.md and the sizes in the package; parity comes from parity_table.py.
"""

import argparse
import csv
import io
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from skyfix import systems
from skyfix.files import write_text
from skyfix.systems.ground_system import GroundSystem
from skyfix.systems.measured import SIZE_COLUMNS, measured
from skyfix.systems.published import university_1652
from skyfix.systems.registry import system_class
from skyfix.systems.system import Batch, System
from skyfix.views import VIEWS

ROOT = Path(__file__).parents[1]
HEADER = (
    "name",
    "paper",
    "published",
    "backbone",
    "input px",
    "parameters M",
    "GMAC",
    "descriptor",
    "losses",
    "parity",
    "licence of the authors' code",
    "R@1 / AP",
)
PREFACE = """# Systems

Made by `python benchmarks/systems_table.py --write`. Parameters count everything
that takes part in training on 701 places (without unused classifiers of the backbone); GMAC is
one test-time descriptor, mirror image included where the system adds it. *R@1 / AP* is the best
published figure on University-1652, drone to satellite, from `published.csv` in the package,
which names every source and doubt; it may be of another backbone or size than this row's, and
evaluators differ between papers. *Parity* is
the largest absolute difference between an entry of our descriptors and of those that the authors'
code computes from the same parameters ([all differences](parity.md)).

Authors' weights come in with `skyfix systems import NAME FILE --out FOLDER`.
"""


def sizes(name: str) -> list[str]:
    """The measured columns of one system."""
    system = systems.create(name).eval()
    view = system.views[0]
    size = system.preprocess[view].input_px
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        system.embed(torch.zeros(1, 3, *size), view)
    return [
        _backbone(system),
        " x ".join(map(str, size)),
        f"{sum(p.numel() for p in system.parameters()) / 1e6:.2f}",
        f"{counter.get_total_flops() / 2e9:.2f}",
        str(system.descriptor_dim),
        ", ".join(losses(system)),
    ]


def losses(system: System) -> list[str]:
    """Names of the objective's terms, those of several views under one name."""
    if not system.trainable:
        return []
    places = torch.tensor([0, 1])
    images = {v: torch.randn(2, 3, *system.preprocess[v].input_px) for v in system.views}
    with torch.no_grad():
        terms = system.train().objective(Batch(images, dict.fromkeys(system.views, places)))
    names = {}
    for term in terms:
        for view in (*VIEWS, "other"):
            term = term.removesuffix(f"_{view}")
        names[term.replace("_", " ")] = None
    return [name for name in names if name != "total"]


def _backbone(system: System) -> str:
    return "vgg16" if isinstance(system, GroundSystem) else str(system.options["backbone"])


def row(name: str) -> list[str]:
    """One line of the table."""
    paper, found = system_class(name).citation, measured()[name]
    return [
        f"`{name}`",
        paper.title,
        f"{paper.venue} {paper.year}",
        *(getattr(found, column) for column in SIZE_COLUMNS),
        found.parity,
        paper.code_licence or "no code",
        university_1652(name),
    ]


def write_sizes() -> None:
    """Measure every system and replace the package's table."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("system", *SIZE_COLUMNS))
    writer.writerows([name, *sizes(name)] for name in systems.names())
    write_text(ROOT / "src/skyfix/systems/sizes.csv", stream.getvalue())


def main() -> None:
    """Print the table; measure and write it on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        write_sizes()
    lines = [HEADER, ["---"] * 5 + ["---:"] * 3 + ["---", "---:", "---", "---:"]]
    lines += [row(name) for name in systems.names()]
    text = PREFACE + "\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
    print(text)
    if arguments.write:
        write_text(ROOT / "docs/systems.md", text)


if __name__ == "__main__":
    main()
