"""Writes docs/systems.md: what each system is, how large it is and what was published.

    python benchmarks/systems_table.py [--write docs/systems.md]

Parameters and multiply-accumulates are counted for one image of the first view at the system's own
input size, with the mirror image of its test-time descriptor where it adds one.
"""

import argparse
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from skyfix import systems
from skyfix.files import write_text
from skyfix.systems.published import university_1652
from skyfix.systems.registry import system_class

HEADER = (
    "name",
    "paper",
    "published",
    "input px",
    "parameters M",
    "GMAC",
    "descriptor",
    "licence of the authors' code",
    "R@1 / AP",
)
PREFACE = """# Systems

Made by `python benchmarks/systems_table.py --write docs/systems.md`. Parameters count everything
that takes part in training on 701 places (without unused classifiers of the backbone); GMAC is
one test-time descriptor, mirror image included where the system adds it. *R@1 / AP* is the best
published figure on University-1652, drone to satellite, from `published.csv` in the package,
which names every source and doubt; evaluators and input sizes differ between papers.

Authors' weights come in with `skyfix systems import NAME FILE --out FOLDER`. Training transforms
other than those of the LPN family (resize, pad, rotation of satellite images, crop, flip) are not
applied yet, nor are the samplers of Sample4Geo and Game4Loc that mine hard negatives.
"""


def row(name: str) -> list[str]:
    """One line of the table."""
    system = systems.create(name).eval()
    view = system.views[0]
    size = system.preprocess[view].input_px
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        system.embed(torch.zeros(1, 3, *size), view)
    paper = system_class(name).citation
    return [
        f"`{name}`",
        paper.title,
        f"{paper.venue} {paper.year}",
        " x ".join(map(str, size)),
        f"{sum(p.numel() for p in system.parameters()) / 1e6:.2f}",
        f"{counter.get_total_flops() / 2e9:.2f}",
        str(system.descriptor_dim),
        paper.code_licence or "no code",
        university_1652(name),
    ]


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = [HEADER, ["---"] * 3 + ["---:"] * 4 + ["---", "---:"]]
    lines += [row(name) for name in systems.names()]
    text = PREFACE + "\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
    print(text)
    if arguments.write:
        write_text(arguments.write, text)


if __name__ == "__main__":
    main()
