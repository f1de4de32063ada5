"""University-1652 (Zheng, Wei and Yang, ACM MM 2020): drone, satellite and street views."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

from skyfix.datasets.contract import Images
from skyfix.datasets.folders import read_images, read_places
from skyfix.datasets.synthetic import generate
from skyfix.errors import SkyfixError
from skyfix.views import View

__all__ = ["University1652", "generate"]


class University1652:
    """Reader of the folder layout that its authors publish.

    A label is a place folder's name as a whole number, so labels agree between views, between
    training and test, and with the authors' evaluator.

    Args:
        root: the folder that holds ``train`` and ``test`` (one of them is enough), or its
            ``test`` folder.

    Raises:
        SkyfixError: neither is there.
    """

    VIEW_FOLDERS: ClassVar[dict[View, str]] = {
        "drone": "drone",
        "satellite": "satellite",
        "ground": "street",
    }
    GOOGLE_FOLDER: ClassVar[str] = "google"
    TRAIN_PLACES: ClassVar[int] = 701
    TRAIN_IMAGES: ClassVar[int] = 50_218
    """All four training folders together."""
    TEST_PLACES: ClassVar[dict[str, int]] = {
        "query_drone": 701,
        "query_satellite": 701,
        "query_street": 701,
        "gallery_drone": 951,
        "gallery_satellite": 951,
        "gallery_street": 793,
    }
    TEST_IMAGES: ClassVar[dict[str, int]] = {
        "query_drone": 37_855,
        "query_satellite": 701,
        "query_street": 2_579,
        "gallery_drone": 51_355,
        "gallery_satellite": 951,
        "gallery_street": 2_921,
    }

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise SkyfixError(f"No such folder: {self.root}. See docs/datasets.md.")
        if any((self.root / name).is_dir() for name in self.TEST_IMAGES):
            self._train, self._test = self.root.resolve().parent / "train", self.root
        else:
            self._train, self._test = self.root / "train", self.root / "test"
        if not (self._train.is_dir() or self._test.is_dir()):
            raise self._missing("train", "satellite", "train/{drone,satellite}")

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Names of the training places, the same for every view.

        Raises:
            SkyfixError: a training folder is missing, or lacks a place that another one has.
        """
        first = read_places(self._train_folder("satellite"))
        for view, name in self.VIEW_FOLDERS.items():
            if view == "ground" and not (self._train / name).is_dir():
                continue
            other = read_places(self._train_folder(view))
            for place in sorted(set(first) ^ set(other)):
                lacking = self._train / (name if place in first else "satellite")
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
        folder = self._train_folder(view)
        _ = self.places
        return read_images(folder)

    def google(self) -> Images:
        """Extra ground images of the training places from web search; some places have none."""
        folder = self._train / self.GOOGLE_FOLDER
        if not folder.is_dir():
            raise self._missing("train", self.GOOGLE_FOLDER, f"train/{self.GOOGLE_FOLDER}")
        return read_images(folder, empty_allowed=True)

    def query(self, view: View) -> Images:
        """Test images that are asked for."""
        return read_images(self._test_folder("query", view))

    def gallery(self, view: View) -> Images:
        """Test images that are searched: the queries' places and distractors."""
        return read_images(self._test_folder("gallery", view))

    def _train_folder(self, view: View) -> Path:
        name = self._view_folder(view)
        if not (self._train / name).is_dir():
            raise self._missing("train", name, f"train/{_among('drone', 'satellite', name)}")
        return self._train / name

    def _test_folder(self, side: str, view: View) -> Path:
        name = f"{side}_{self._view_folder(view)}"
        if not (self._test / name).is_dir():
            views = _among("drone", "satellite", self._view_folder(view))
            raise self._missing("test", name, f"test/{{query,gallery}}_{views}")
        return self._test / name

    def _view_folder(self, view: View) -> str:
        if view not in self.VIEW_FOLDERS:
            raise SkyfixError(f"Unknown view {view!r}. Use one of {', '.join(self.VIEW_FOLDERS)}.")
        return self.VIEW_FOLDERS[view]

    def _missing(self, split: str, name: str, expected: str) -> SkyfixError:
        return SkyfixError(
            f"Not a University-1652 folder: {self.root} has no {split}/{name}. "
            f"Expected {expected}/<id>/. See docs/datasets.md."
        )


def _among(*names: str) -> str:
    return "{" + ",".join(dict.fromkeys(names)) + "}"
