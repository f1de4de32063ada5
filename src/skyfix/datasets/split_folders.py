"""Base of the readers with folders for training, queries and gallery, one sub-folder per place."""

from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal, get_args

from skyfix.datasets.contract import Images
from skyfix.datasets.folders import read_images, read_places
from skyfix.datasets.reader import MissingPartError, Part, Reader
from skyfix.errors import SkyfixError
from skyfix.views import View

Side = Literal["train", "query", "gallery"]
SIDES: tuple[Side, ...] = get_args(Side)


class SplitFolders(Reader):
    """Reader of ``<train>/<view>/<id>/`` and ``<test>/{query,gallery}_<view>/<id>/``.

    A label is a place folder's name as a whole number, so labels agree between views, between
    training and test, and with the authors' evaluators.

    Args:
        root: the folder of the data set.
        train: path of the training half below it.
        test: path of the test half below it.
    """

    VIEW_FOLDERS: ClassVar[dict[View, str]]
    OPTIONAL_VIEWS: ClassVar[tuple[View, ...]] = ()
    """Views that the data set may be without."""

    def __init__(self, root: Path | str, train: str = "train", test: str = "test") -> None:
        super().__init__(root)
        self._halves = {"train": train, "query": test, "gallery": test}

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Names of the training places, the same for every view.

        Raises:
            SkyfixError: a training folder is missing, or lacks a place that another one has.
        """
        first = self._train_places("satellite")
        for view in self.VIEWS:
            if view in self.OPTIONAL_VIEWS and not self._path("train", view).is_dir():
                continue
            other = self._train_places(view)
            for place in sorted(set(first) ^ set(other)):
                lacking = self._path("train", view if place in first else "satellite")
                raise SkyfixError(
                    f"Place folder {place} is missing in {lacking}. "
                    "All training views need the same places: add it, or remove it elsewhere."
                )
        return first

    def train(self, view: View) -> Images:
        """Training images of one view.

        Raises:
            SkyfixError: no such folder, an empty place, or views with different places.
        """
        folder = self._folder("train", view)
        _ = self.places
        return self._described(self._read("train", folder), view)

    def query(self, view: View) -> Images:
        """Test images that are asked for."""
        return self._described(self._read("query", self._folder("query", view)), view)

    def gallery(self, view: View) -> Images:
        """Test images that are searched: the queries' places and distractors."""
        return self._described(self._read("gallery", self._folder("gallery", view)), view)

    def _require_half(self) -> None:
        """Check that the training or the test half is there."""
        if not any((self.root / half).is_dir() for half in self._halves.values()):
            raise self._missing("train", "satellite")

    def _train_places(self, view: View) -> tuple[str, ...]:
        return read_places(self._folder("train", view))

    def _read(self, side: Side, folder: Path) -> Images:
        return read_images(folder)

    def _described(self, images: Images, view: View) -> Images:
        """The images with what the data set tells beyond their place."""
        return images

    def _part(
        self,
        side: Side,
        view: View,
        images: int | None,
        places: int | None,
        names: frozenset[str] | None = None,
    ) -> Part:
        name = self._part_name(side, view)
        read = partial(getattr(self, side), view)
        optional = view in self.OPTIONAL_VIEWS
        return Part(name, side, view, read, images, places, names, optional=optional)

    def _part_name(self, side: Side, view: View) -> str:
        return str(PurePosixPath(self._halves[side], self._name(side, view)))

    def _path(self, side: Side, view: View) -> Path:
        return self.root / self._halves[side] / self._name(side, view)

    def _folder(self, side: Side, view: View) -> Path:
        if view not in self.VIEW_FOLDERS:
            raise self.no_view(view)
        path = self._path(side, view)
        if not path.is_dir():
            raise self._missing(side, view)
        return path

    def _missing(self, side: Side, view: View) -> MissingPartError:
        half = self._halves[side]
        views = ",".join(dict.fromkeys(("drone", "satellite", self.VIEW_FOLDERS[view])))
        prefix = "" if side == "train" else "{query,gallery}_"
        return self.missing(self._part_name(side, view), f"{half}/{prefix}{{{views}}}/<id>/")

    def _name(self, side: Side, view: View) -> str:
        prefix = "" if side == "train" else f"{side}_"
        return f"{prefix}{self.VIEW_FOLDERS[view]}"
