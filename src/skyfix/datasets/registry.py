"""Data sets by name."""

from collections.abc import Callable

from skyfix.datasets.contract import PlaceSet
from skyfix.datasets.cvusa import CVUSA
from skyfix.datasets.university1652 import University1652
from skyfix.errors import SkyfixError

READERS: dict[str, Callable[[str], PlaceSet]] = {"cvusa": CVUSA, "university1652": University1652}


def names() -> tuple[str, ...]:
    """Names that ``open_dataset`` knows."""
    return tuple(sorted(READERS))


def open_dataset(spec: str) -> PlaceSet:
    """Open ``NAME:ROOT``, such as ``university1652:data/University-1652``.

    Raises:
        SkyfixError: no name, an unknown name, or a folder that is not that data set.
    """
    name, colon, root = spec.partition(":")
    if not colon or not root:
        raise SkyfixError(
            f"Give the data set as NAME:ROOT, not {spec!r}. Names: {', '.join(names())}."
        )
    if name not in READERS:
        raise SkyfixError(f"Unknown data set {name!r}. Names: {', '.join(names())}.")
    return READERS[name](root)
