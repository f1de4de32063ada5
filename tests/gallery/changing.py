"""Run as a program: change a gallery, to be killed meanwhile.

Arguments: gallery, ``add``, ``remove`` or ``compact``, map, mode. Modes: ``plain``; ``kill:N`` dies
by SIGKILL in the N-th call of the embedder; ``before-manifest`` when all tiles are stored or
deleted but gallery.json is the old one; ``after-manifest`` right after it was written; ``hold``
says "holding" once it embeds and then waits.
"""

import os
import signal
import sys

from building import Fatal

import skyfix.gallery.change as change
from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.manifest import Manifest


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    out, does, source, mode = sys.argv[1:]
    mode, _, number = mode.partition(":")
    if mode == "before-manifest":
        Manifest.write = die
    if mode == "after-manifest":
        change.tidy = die
    embedder = Fatal(mode, int(number or 0))
    gallery = Gallery.open(out)
    try:
        changed = {
            "add": lambda: gallery.add(source, embedder),
            "remove": lambda: gallery.remove([source]),
            "compact": gallery.compact,
        }[does]()
    except SkyfixError as error:
        print(f"refused: {error}", flush=True)
        raise SystemExit(2) from None
    print(f"embedded {embedder.embedded}, now {len(changed)}", flush=True)


if __name__ == "__main__":
    main()
