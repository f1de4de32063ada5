"""Image folders with one sub-folder per place, as the retrieval data sets keep them."""

from pathlib import Path

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.errors import SkyfixError
from skyfix.images import list_images

# An int64 label holds no more digits for sure.
_MOST_DIGITS = 18


def read_places(folder: Path) -> tuple[str, ...]:
    """Names of the place folders in ``folder``, in the order of their numbers.

    Files and hidden folders are passed over.

    Raises:
        SkyfixError: ``folder`` cannot be read or holds no folder, a name that is not a number,
            or two names of one number.
    """
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except OSError as error:
        raise SkyfixError(f"Cannot read {folder}: {error.strerror}. Check the path.") from error
    numbers: dict[int, str] = {}
    for name in sorted(name for name in names if not name.startswith(".")):
        if not (name.isascii() and name.isdecimal() and len(name) <= _MOST_DIGITS):
            raise SkyfixError(f"Place folder {folder / name} is not a number. Rename or remove it.")
        if int(name) in numbers:
            other = numbers[int(name)]
            raise SkyfixError(f"{folder} holds place {int(name)} twice: {other} and {name}.")
        numbers[int(name)] = name
    if not numbers:
        raise SkyfixError(f"No place folders in {folder}. Expected {folder}/<id>/ with images.")
    return tuple(numbers[number] for number in sorted(numbers))


def read_images(folder: Path, empty_allowed: bool = False) -> Images:
    """All images of ``folder/<id>/``.

    Raises:
        SkyfixError: as ``read_places``; an empty place folder, unless these are allowed.
    """
    places = read_places(folder)
    paths: list[Path] = []
    counts: list[int] = []
    for place in places:
        found = list_images(folder / place)
        if not found and not empty_allowed:
            raise SkyfixError(f"No image in place folder {folder / place}. Fill or remove it.")
        paths += found
        counts.append(len(found))
    labels = np.repeat(np.array([int(place) for place in places], dtype=np.int64), counts)
    return Images(tuple(paths), labels, places)
