"""Image folders with one sub-folder per place, as the retrieval data sets keep them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.images import list_images
from skyfix.views import View

# An int64 label holds no more digits for sure.
_MOST_DIGITS = 18


@dataclass(frozen=True, eq=False)
class Images:
    """Image files of one view, in order of place, then of file name."""

    paths: tuple[Path, ...]
    labels: np.ndarray
    """(N,) int64: the place of each image, its folder's name as a whole number."""
    places: tuple[str, ...]
    """Folder names, in the order of their numbers; also those of empty folders."""

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, places: Iterable[str]) -> "Images":
        """The images of some of the places.

        Raises:
            SkyfixError: a place that is not among ``self.places``.
        """
        chosen = set(places)
        for unknown in sorted(chosen.difference(self.places)):
            raise SkyfixError(f"No place {unknown} among {len(self.places)} places.")
        kept = np.isin(self.labels, [int(place) for place in chosen])
        return Images(
            tuple(path for path, keep in zip(self.paths, kept, strict=True) if keep),
            self.labels[kept],
            tuple(place for place in self.places if place in chosen),
        )


class PlaceSet(Protocol):
    """What every reader of a data set gives."""

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the training places, the same for every view."""
        ...

    def train(self, view: View) -> Images:
        """Training images of one view."""
        ...

    def query(self, view: View) -> Images:
        """Test images that are asked for."""
        ...

    def gallery(self, view: View) -> Images:
        """Test images that are searched."""
        ...


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
