"""University-1652 (Zheng, Wei and Yang, ACM MM 2020): drone, satellite and street views."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.datasets.folders import read_images
from skyfix.datasets.reader import Part
from skyfix.datasets.split_folders import Side, SplitFolders
from skyfix.datasets.synthetic import generate
from skyfix.images import list_images
from skyfix.views import View

__all__ = ["University1652", "altitude_m", "generate"]


class University1652(SplitFolders):
    """Reader of the folder layout that its authors publish.

    A label is a place folder's name as a whole number, so labels agree between views, between
    training and test, and with the authors' evaluator. The folder ``4K_drone`` is passed over.

    Args:
        root: the folder that holds ``train`` and ``test`` (one of them is enough), or its
            ``test`` folder.

    Raises:
        SkyfixError: neither is there.
    """

    NAME: ClassVar[str] = "University-1652"
    PAPER: ClassVar[str] = "Zheng, Wei and Yang, ACM MM 2020"
    VIEWS: ClassVar[tuple[View, ...]] = ("drone", "satellite", "ground")
    VIEW_FOLDERS: ClassVar[dict[View, str]] = {
        "drone": "drone",
        "satellite": "satellite",
        "ground": "street",
    }
    OPTIONAL_VIEWS: ClassVar[tuple[View, ...]] = ("ground",)
    GOOGLE_FOLDER: ClassVar[str] = "google"
    FOLDER_160K: ClassVar[str] = "gallery_satellite_160k"
    TRAIN_PLACES: ClassVar[int] = 701
    TRAIN_IMAGES: ClassVar[int] = 50_218
    """All four training folders together."""
    IMAGES_160K: ClassVar[int] = 167_486
    DRONE_IMAGES: ClassVar[int] = 54
    """Per place; only test place 0000 has one more."""
    HIGHEST_M: ClassVar[float] = 256.0
    LOWEST_M: ClassVar[float] = 121.5
    """Altitude of a place's first and last drone photo above ground."""
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
        if any((Path(root) / name).is_dir() for name in self.TEST_IMAGES):
            super().__init__(root, train="../train", test=".")
        else:
            super().__init__(root)
        self._require_half()

    def google(self) -> Images:
        """Extra ground images of the training places from web search; some places have none."""
        folder = self._path("train", "ground").with_name(self.GOOGLE_FOLDER)
        if not folder.is_dir():
            name = f"{self._halves['train']}/{self.GOOGLE_FOLDER}"
            raise self.missing(name, f"{name}/<id>/")
        return read_images(folder, empty_allowed=True)

    def gallery_160k(self) -> Images:
        """The flat gallery of University-160k, of which no ground truth is public.

        Places are file names; labels count them.

        Raises:
            SkyfixError: the folder is missing.
        """
        name = f"{self._halves['gallery']}/{self.FOLDER_160K}"
        if not (self.root / name).is_dir():
            raise self.missing(name, f"{name}/ with images")
        paths = tuple(list_images(self.root / name))
        numbers = np.arange(len(paths), dtype=np.int64)
        return Images(paths, numbers, tuple(path.name for path in paths), numbers=numbers)

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds; the 160k gallery is a download of its own."""
        train, test = self._halves["train"], self._halves["gallery"]
        other = partial(Part, role="other", optional=True)
        images = {"drone": self.DRONE_IMAGES * self.TRAIN_PLACES, "satellite": self.TRAIN_PLACES}
        return (
            *(
                self._part("train", view, images.get(view), self.TRAIN_PLACES)
                for view in self.VIEWS
            ),
            other(f"{train}/{self.GOOGLE_FOLDER}", view="ground", read=self.google),
            other(
                f"{train} (all views)",
                view="ground",
                read=self._whole_training,
                images=self.TRAIN_IMAGES,
            ),
            *(self._test_part("query", view) for view in self.VIEWS),
            *(self._test_part("gallery", view) for view in self.VIEWS),
            other(
                f"{test}/{self.FOLDER_160K}",
                view="satellite",
                read=self.gallery_160k,
                images=self.IMAGES_160K,
            ),
        )

    def _test_part(self, side: Side, view: View) -> Part:
        name = self._name(side, view)
        return self._part(side, view, self.TEST_IMAGES[name], self.TEST_PLACES[name])

    def _whole_training(self) -> Images:
        """The four training folders together, which is what the paper counts."""
        all_views = [*(self.train(view) for view in self.VIEWS), self.google()]
        paths = tuple(path for images in all_views for path in images.paths)
        labels = np.concatenate([images.labels for images in all_views])
        return Images(paths, labels, self.places)

    def _described(self, images: Images, view: View) -> Images:
        if view != "drone":
            return images
        found = (re.fullmatch(r"image-(\d{1,4})", path.stem) for path in images.paths)
        photos = np.array([int(match[1]) if match else 0 for match in found], dtype=np.float64)
        known = (photos >= 1) & (photos <= self.DRONE_IMAGES)
        return replace(images, altitude_m=np.where(known, altitude_m(photos), np.nan))


class University1652WX(University1652):
    """University-1652 whose drone photos are seen through weather.

    The files are those of University-1652. The conditions are MuseNet's; an evaluation applies
    them to the drone photos and gives the mean over all ten.
    """

    NAME: ClassVar[str] = "University-1652-WX"
    CONDITIONS: ClassVar[tuple[str, ...]] = (
        "normal",
        "fog",
        "rain",
        "snow",
        "fog+rain",
        "fog+snow",
        "rain+snow",
        "dark",
        "over-exposure",
        "wind",
    )


def altitude_m(photo: np.ndarray) -> np.ndarray:
    """Altitude at which a place's drone photo number 1 to 54 is taken to be made (m).

    The flights spiral down; MBF's authors (Zhu et al. 2023) let the altitude fall evenly.
    """
    fall = University1652.LOWEST_M - University1652.HIGHEST_M
    return University1652.HIGHEST_M + fall * (photo - 1) / (University1652.DRONE_IMAGES - 1)
