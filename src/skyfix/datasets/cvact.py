"""CVACT (Liu and Li, CVPR 2019): panoramas and satellite images of Canberra."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from skyfix.datasets.contract import Images, Positions
from skyfix.datasets.reader import Part, Reader, Role
from skyfix.errors import SkyfixError
from skyfix.views import View

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class _Index:
    """What the index tells.

    Attributes:
        names: name of each pair.
        utm: ``(P, 2)`` easting and northing in metres.
        rows: pairs of each split.
    """

    names: tuple[str, ...]
    utm: np.ndarray
    rows: dict[Split, np.ndarray]


class CVACT(Reader):
    """Reader of the published folder: the index and the images it names.

    A place is a pair of one panorama and one satellite image; its label is the pair's number in
    the index, from 1. Pairs of which an image is missing are left out, as the authors of
    Sample4Geo do, since the published set lacks a few; ``skyfix data check`` counts them.

    Args:
        root: the folder that holds ``ACT_data.mat``.
        split: where queries and gallery come from: ``val`` (in ``ANU_data_small``, as most papers
            report) or ``test`` (in ``ANU_data_test``).

    Raises:
        SkyfixError: no index, or an unknown split.
    """

    NAME: ClassVar[str] = "CVACT"
    PAPER: ClassVar[str] = "Liu and Li, CVPR 2019"
    VIEWS: ClassVar[tuple[View, ...]] = ("satellite", "ground")
    CHOICES: ClassVar[tuple[str, ...]] = ("val", "test")
    INDEX: ClassVar[str] = "ACT_data.mat"
    STRUCTS: ClassVar[dict[Split, str]] = {
        "train": "trainSet",
        "val": "valSet",
        "test": "valSetAll",
    }
    FOLDERS: ClassVar[dict[Split, str]] = {
        "train": "ANU_data_small",
        "val": "ANU_data_small",
        "test": "ANU_data_test",
    }
    FILES: ClassVar[dict[View, str]] = {
        "satellite": "satview_polish/{}_satView_polish.jpg",
        "ground": "streetview/{}_grdView.jpg",
    }
    # Recalled, not verified.
    PAIRS: ClassVar[dict[Split, int]] = {"train": 35_532, "val": 8_884, "test": 92_802}
    SATELLITE_PX: ClassVar[int] = 1200
    PANORAMA_PX: ClassVar[tuple[int, int]] = (832, 1664)
    """(height, width)."""

    def __init__(self, root: Path | str, split: str = "val") -> None:
        super().__init__(root)
        if split not in self.CHOICES:
            raise SkyfixError(
                f"{self.NAME} has no split {split!r}. Use {' or '.join(self.CHOICES)}."
            )
        self._test: Split = "test" if split == "test" else "val"
        self._found: dict[Split, np.ndarray] = {}
        if not (self.root / self.INDEX).is_file():
            raise self.missing(self.INDEX, f"{self.INDEX}, ANU_data_small/ and ANU_data_test/")

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the training pairs, in the order of their numbers."""
        return self.train("satellite").places

    def train(self, view: View) -> Images:
        """Training images of one view.

        Raises:
            SkyfixError: an unknown view, a malformed index, or no pair of the split at all.
        """
        return self._images("train", view)

    def query(self, view: View) -> Images:
        """Images that are asked for."""
        return self._images(self._test, view)

    def gallery(self, view: View) -> Images:
        """Images that are searched: the same as ``query`` of that view."""
        return self._images(self._test, view)

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds for this choice."""
        sides: tuple[tuple[Role, Split], ...] = (
            ("train", "train"),
            ("query", self._test),
            ("gallery", self._test),
        )
        return tuple(
            self.part(role, view, self.PAIRS[split], self.PAIRS[split], certain=False)
            for role, split in sides
            for view in self.VIEWS
        )

    def remarks(self) -> tuple[str, ...]:
        """How many pairs of each split are left out because an image is missing."""
        splits = [split for split in ("train", self._test) if split in self._index.rows]
        lost = {
            split: np.setdiff1d(self._index.rows[split], self._complete(split)) for split in splits
        }
        return tuple(
            f"{len(rows)} of {len(self._index.rows[split])} {split} pairs lack an image, "
            f"such as {self._index.names[rows[0]]}"
            for split, rows in lost.items()
            if len(rows)
        )

    @cached_property
    def _index(self) -> _Index:
        return _read_index(self.root / self.INDEX)

    def _complete(self, split: Split) -> np.ndarray:
        """Pairs of a split whose two images are there."""
        if split not in self._found:
            rows = self._index.rows[split].tolist()
            self._found[split] = np.array(
                [
                    row
                    for row in rows
                    if all(self._path(split, view, row).is_file() for view in self.VIEWS)
                ],
                dtype=np.int64,
            )
        return self._found[split]

    def _path(self, split: Split, view: View, row: int) -> Path:
        return self.root / self.FOLDERS[split] / self.FILES[view].format(self._index.names[row])

    def _images(self, split: Split, view: View) -> Images:
        if view not in self.VIEWS:
            raise self.no_view(view)
        folder = self.FOLDERS[split]
        if split not in self._index.rows:
            raise self.missing(f"{self.STRUCTS[split]} in {self.INDEX}", "the split's rows there")
        rows = self._complete(split)
        if not len(rows):
            files = " and ".join(
                f"{folder}/{self.FILES[view].format('<id>')}" for view in self.VIEWS
            )
            raise self.missing(f"complete pair of the {split} split", files)
        return Images(
            tuple(self._path(split, view, row) for row in rows.tolist()),
            rows + 1,
            tuple(self._index.names[row] for row in rows.tolist()),
            positions=Positions(self._index.utm[rows], "m"),
            numbers=rows + 1,
        )


def _read_index(path: Path) -> _Index:
    # Only this reader needs SciPy, and its import takes a while.
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["panoIds", "utm", *CVACT.STRUCTS.values()])
    except Exception as error:
        # SciPy raises almost any exception on a file that is not MATLAB's.
        raise SkyfixError(f"Cannot read {path}: {error}. Download it again.") from error
    try:
        names = tuple(_text(value) for value in np.ravel(content["panoIds"]))
        utm = np.asarray(content["utm"], dtype=np.float64).reshape(len(names), 2)
        rows = {
            split: _rows(content[struct], len(names))
            for split, struct in CVACT.STRUCTS.items()
            if struct in content
        }
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SkyfixError(
            f"{path} is not CVACT's index: {error}. Expected panoIds (P names), utm (P x 2) and "
            "the structs trainSet, valSet and valSetAll with row numbers in their second field."
        ) from error
    return _Index(names, utm, rows)


def _text(value: Any) -> str:
    """A name from a character or cell array; it becomes part of a path."""
    while isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]+", value.strip(), re.ASCII):
        raise ValueError(f"{value!r:.40} is not the name of a pair")
    return value.strip()


def _rows(struct: Any, pairs: int) -> np.ndarray:
    """Row numbers of a split, ascending from 0; MATLAB counts from 1."""
    numbers = np.ravel(struct[0, 0][1])
    if numbers.dtype.kind not in "uif" or not np.array_equal(numbers, np.round(numbers)):
        raise ValueError("a split's second field does not hold whole numbers")
    if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= pairs:
        raise ValueError(f"a split has row numbers outside 1 to {pairs}")
    return np.unique(numbers.astype(np.int64)) - 1
