"""A user's own folders: one per view, in it one per place."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

from skyfix.datasets.contract import Images
from skyfix.datasets.folders import place_folders, read_images
from skyfix.datasets.reader import MissingPartError, Part
from skyfix.datasets.split_folders import SIDES, Side, SplitFolders
from skyfix.views import VIEWS, View


class Folder(SplitFolders):
    """Reader of ``{train,test}/<view>/<place>/`` with images of any name.

    A place may have any name. Labels count the names of all places of the folder, sorted, so
    they agree between views and between training and test. Every photo of the test half is a query;
    a satellite image is one if there is a photo of its place, and a distractor if not. A folder
    without ``train`` and ``test`` is for testing only.

    Args:
        root: the folder that holds ``train`` and ``test``, or the views.

    Raises:
        SkyfixError: none of these is there.
    """

    NAME: ClassVar[str] = "folder of places"
    PAPER: ClassVar[str] = "your own images"
    VIEWS: ClassVar[tuple[View, ...]] = VIEWS
    VIEW_FOLDERS: ClassVar[dict[View, str]] = {view: view for view in VIEWS}
    OPTIONAL_VIEWS: ClassVar[tuple[View, ...]] = VIEWS

    def __init__(self, root: Path | str) -> None:
        halves = any((Path(root) / half).is_dir() for half in ("train", "test"))
        super().__init__(root, train="train", test="test" if halves else ".")
        if not self._folders():
            raise MissingPartError(
                f"Not a {self.NAME}: {self.root} has no folder of a view. Expected "
                "{train,test}/{drone,satellite,ground}/<place>/ with images. See docs/datasets.md."
            )

    def query(self, view: View) -> Images:
        """Test images that are asked for."""
        images = super().query(view)
        if view != "satellite":
            return images
        photos = (self._path("query", other) for other in self.VIEWS if other != view)
        known = {name for path in photos if path.is_dir() for name in place_folders(path)}
        return images.only(known.intersection(images.places))

    def parts(self) -> tuple[Part, ...]:
        """The folders that are there; nothing was published to compare them with."""
        there = set(self._folders())
        return tuple(
            self._part(side, view, None, None)
            for side in SIDES
            for view in self.VIEWS
            if self._path(side, view) in there
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        names = {place for folder in self._folders() for place in place_folders(folder)}
        return {place: number for number, place in enumerate(sorted(names))}

    def _folders(self) -> list[Path]:
        paths = (self._path(side, view) for side in SIDES[:2] for view in self.VIEWS)
        return [path for path in paths if path.is_dir()]

    def _train_places(self, view: View) -> tuple[str, ...]:
        return place_folders(self._folder("train", view))

    def _read(self, side: Side, folder: Path) -> Images:
        return read_images(folder, numbers=self._numbers)

    def _part_name(self, side: Side, view: View) -> str:
        # One folder is both what is asked and what is searched.
        name = super()._part_name(side, view)
        return name if side == "train" else f"{name} ({side})"

    def _name(self, side: Side, view: View) -> str:
        return self.VIEW_FOLDERS[view]

    def _missing(self, side: Side, view: View) -> MissingPartError:
        if side == "train" and not (self.root / "train").is_dir():
            return MissingPartError(
                f"{self.root} has no train folder, so its places are for testing only. Put those "
                "to train with into train/<view>/<place>/ and the others into test/<view>/<place>/."
            )
        path = self._path(side, view)
        return MissingPartError(
            f"Not a {self.NAME}: there is no {path}. Expected {path}/<place>/ with images. "
            "See docs/datasets.md."
        )
