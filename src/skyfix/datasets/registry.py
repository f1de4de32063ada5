"""Data sets by name."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from skyfix.datasets.contract import LinkedSet, PlaceSet
    from skyfix.datasets.reader import Reader


@dataclass(frozen=True)
class _Entry:
    """Where a reader and its generator are defined, as ``module:name``."""

    reader: str
    generator: str


# Names instead of classes: only the data set that is asked for is loaded.
_ENTRIES = {
    "cvact": _Entry("cvact:CVACT", "synthetic_pairs:generate_cvact"),
    "cvusa": _Entry("cvusa:CVUSA", "synthetic_pairs:generate"),
    "denseuav": _Entry("denseuav:DenseUAV", "synthetic_drone:generate_denseuav"),
    "folder": _Entry("folder:Folder", "synthetic_drone:generate_folder"),
    "gta_uav": _Entry("gta_uav:GtaUav", "synthetic_maps:generate_gta_uav"),
    "pairs": _Entry("pairs:Pairs", "synthetic_drone:generate_pairs"),
    "sues200": _Entry("sues200:Sues200", "synthetic_drone:generate_sues200"),
    "university1652": _Entry("university1652:University1652", "synthetic:generate"),
    "university1652_wx": _Entry("university1652:University1652WX", "synthetic:generate"),
    "vigor": _Entry("vigor:Vigor", "synthetic_maps:generate_vigor"),
}


def names() -> tuple[str, ...]:
    """Names that ``open_dataset`` knows."""
    return tuple(sorted(_ENTRIES))


def reader_class(name: str) -> "type[Reader]":
    """The reader of a data set.

    Raises:
        SkyfixError: an unknown name.
    """
    return _load(_entry(name).reader)


def open_reader(spec: str) -> "Reader":
    """Open ``NAME:ROOT`` or ``NAME@CHOICE:ROOT``.

    Raises:
        SkyfixError: no name, an unknown name or choice, or a folder that is not that data set.
    """
    head, colon, root = spec.partition(":")
    if not colon or not root:
        raise SkyfixError(
            f"Give the data set as NAME:ROOT, not {spec!r}. Names: {', '.join(names())}."
        )
    name, _, choice = head.partition("@")
    reader = reader_class(name)
    _check_choice(name, choice, reader)
    return reader.open(root, choice)


def open_dataset(spec: str) -> "PlaceSet | LinkedSet":
    """Open ``NAME:ROOT`` or ``NAME@CHOICE:ROOT``, such as ``sues200@150:data/SUES-200``.

    Raises:
        SkyfixError: no name, an unknown name or choice, or a folder that is not that data set.
    """
    return open_reader(spec)  # type: ignore[return-value]


def generate(name: str, root: Path | str, places: int = 8, seed: int = 0) -> Path:
    """Write a small made-up data set with the true layout and file names of a published one.

    Args:
        name: one of ``names()``.
        root: folder to write to; made where missing.
        places: training places; for test a few more are made.
        seed: decides everything; the same seed gives the same files.

    Returns:
        ``root``.

    Raises:
        SkyfixError: an unknown name, fewer than 1 place, or a folder that cannot be written or
            holds something already.
    """
    if places < 1:
        raise SkyfixError(f"{places} places are too few. Use 1 or more.")
    generator = _load(_entry(name).generator)
    if Path(root).is_dir() and any(Path(root).iterdir()):
        raise SkyfixError(f"{root} is not empty. Choose a new or an empty folder.")
    return generator(root, places=places, seed=seed)


def _entry(name: str) -> _Entry:
    if name not in _ENTRIES:
        raise SkyfixError(f"Unknown data set {name!r}. Names: {', '.join(names())}.")
    return _ENTRIES[name]


def _load(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"skyfix.datasets.{module}"), attribute)


def _check_choice(name: str, choice: str, reader: "type[Reader]") -> None:
    choices = ", ".join(reader.CHOICES)
    if not choice and reader.CHOICE_OF:
        raise SkyfixError(
            f"{name} needs a choice of {reader.CHOICE_OF}. "
            f"Give it as {name}@{reader.CHOICES[0]}:ROOT; there are {choices}."
        )
    if choice and not reader.CHOICES:
        raise SkyfixError(f"{name} has no choices, so leave out @{choice}.")
    if choice and choice not in reader.CHOICES:
        raise SkyfixError(f"{name} has no choice {choice!r}. There are {choices}.")
