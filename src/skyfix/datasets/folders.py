"""Image folders with one sub-folder per place, as the retrieval data sets keep them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.errors import SkyfixError
from skyfix.images import list_images

# An int64 label holds no more digits for sure.
_MOST_DIGITS = 18


def is_number(name: str) -> bool:
    """Whether a place's name can be its label: decimal digits that fit into an int64."""
    return name.isascii() and name.isdecimal() and len(name) <= _MOST_DIGITS


def place_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in ``folder``, sorted. Files and hidden folders are passed over.

    Raises:
        SkyfixError: ``folder`` cannot be read or holds no folder.
    """
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except OSError as error:
        raise SkyfixError(f"Cannot read {folder}: {error.strerror}. Check the path.") from error
    places = tuple(sorted(name for name in names if not name.startswith(".")))
    if not places:
        raise SkyfixError(f"No place folders in {folder}. Expected {folder}/<id>/ with images.")
    return places


def read_places(folder: Path) -> tuple[str, ...]:
    """Names of the place folders in ``folder``, in the order of their numbers.

    Raises:
        SkyfixError: as ``place_folders``; a name that is not a number, or two names of one number.
    """
    numbers: dict[int, str] = {}
    for name in place_folders(folder):
        if not is_number(name):
            raise SkyfixError(f"Place folder {folder / name} is not a number. Rename or remove it.")
        if int(name) in numbers:
            other = numbers[int(name)]
            raise SkyfixError(f"{folder} holds place {int(name)} twice: {other} and {name}.")
        numbers[int(name)] = name
    return tuple(numbers[number] for number in sorted(numbers))


def read_images(
    folder: Path,
    empty_allowed: bool = False,
    within: str = "",
    numbers: Mapping[str, int] | None = None,
) -> Images:
    """All images of ``folder/<id>/``.

    Args:
        folder: holds the place folders.
        empty_allowed: whether a place may be without an image.
        within: sub-folder of each place folder that holds the images.
        numbers: labels of the places, in their order; left out, the names are the labels.

    Raises:
        SkyfixError: as ``read_places``; an empty place folder, unless these are allowed.
    """
    if numbers is None:
        places = read_places(folder)
        labels = np.array([int(place) for place in places], dtype=np.int64)
    else:
        places = place_folders(folder)
        labels = np.array([numbers[place] for place in places], dtype=np.int64)
    paths: list[Path] = []
    counts: list[int] = []
    for place in places:
        inner = folder / place / within
        found = list_images(inner) if inner.is_dir() else []
        if not found and not empty_allowed:
            raise SkyfixError(f"No image in place folder {inner}. Fill or remove it.")
        paths += found
        counts.append(len(found))
    own = None if numbers is None else labels
    return Images(tuple(paths), np.repeat(labels, counts), places, numbers=own)
