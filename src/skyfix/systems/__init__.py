"""Published systems, one file each: ``create``, ``names``, ``load``, ``save``."""

from skyfix.systems.authors import load_author_checkpoint
from skyfix.systems.checkpoint import identity, load, save, training_of
from skyfix.systems.registry import create, names

__all__ = [
    "create",
    "identity",
    "load",
    "load_author_checkpoint",
    "names",
    "save",
    "training_of",
]
