"""Run as a program: build a gallery the way a test asks for, to be killed or starved meanwhile.

Arguments: map, gallery, tile_m, stride_m, mode and, if any, dims. Modes: ``plain``; ``kill:N``
dies by SIGKILL in the N-th call of the embedder; ``kill-commit:N`` dies in the N-th commit, when
the data are written but not yet part of the gallery; ``kill-fit`` before a reduction is written,
``kill-rewrite`` when the reduced tiles are written but not yet part of the gallery,
``kill-manifest`` when they are but gallery.json does not say so; ``starve:BYTES`` cannot write
files larger than that; ``hold`` says "holding" once it embeds and then waits.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence

import lance
import numpy as np
from mean_colours import MeanColours

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery, build
from skyfix.gallery.reduction import Reduction

TILE_M, STRIDE_M = 20.0, 5.0


class Fatal(MeanColours):
    """Does something drastic in one of its calls."""

    def __init__(self, mode: str, number: int) -> None:
        super().__init__()
        self._mode, self._calls_left = mode, number

    def embed(self, images: Sequence[np.ndarray], view: str) -> np.ndarray:
        self._calls_left -= 1
        if self._mode == "kill" and self._calls_left == 0:
            die()
        if self._mode == "hold":
            print("holding", flush=True)
            time.sleep(600)
        return super().embed(images, view)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_commit(number: int, mode: str = "") -> None:
    """Leave the files of a fragment behind, without the commit that would make them count.

    It is the N-th commit, or the first one of a mode.
    """
    write, calls = lance.write_dataset, 0

    def fatal(table: object, uri: str, **options: object) -> object:
        nonlocal calls
        calls += 1
        if mode == options["mode"] or calls == number:
            lance.fragment.write_fragments(table, uri, mode=options["mode"])
            die()
        return write(table, uri, **options)

    lance.write_dataset = fatal


def main() -> None:
    map_path, out, tile_m, stride_m, mode, *dims = sys.argv[1:]
    mode, _, number = mode.partition(":")
    if mode == "kill-commit":
        die_in_commit(int(number))
    if mode == "kill-fit":
        Reduction.fit = die
    if mode == "kill-rewrite":
        die_in_commit(0, "overwrite")
    if mode == "kill-manifest":
        build.tidy = die
    if mode == "starve":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
    embedder = Fatal(mode, int(number or 0))
    try:
        gallery = Gallery.build(
            map_path,
            out,
            embedder,
            float(tile_m),
            float(stride_m),
            dims=int(dims[0]) if dims else None,
        )
    except SkyfixError as error:
        print(f"refused: {error}", flush=True)
        raise SystemExit(2) from None
    print(f"embedded {embedder.embedded} of {len(gallery)}", flush=True)


if __name__ == "__main__":
    main()
