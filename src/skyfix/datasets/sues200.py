"""SUES-200 (Zhu et al., TCSVT 2023): drone photos from four altitudes and satellite images."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.datasets.folders import read_images
from skyfix.datasets.reader import MissingPartError, Part
from skyfix.datasets.split_folders import SIDES, Side, SplitFolders
from skyfix.errors import SkyfixError
from skyfix.views import View


def _ids(ranges: str) -> frozenset[str]:
    """Four-digit place names from ranges such as ``1-7 9``."""
    ends = [(part.split("-")[0], part.split("-")[-1]) for part in ranges.split()]
    return frozenset(
        f"{number:04d}" for first, last in ends for number in range(int(first), int(last) + 1)
    )


class Sues200(SplitFolders):
    """Reader of one altitude; the authors train and test every altitude on its own.

    Three layouts are read: the data as its authors give them (raw), the output of their split
    script, and the layout of MCCG's code. In the raw layout a place that is not one of
    ``TRAIN_PLACES`` is a test place.

    Args:
        root: the folder that holds ``satellite-view``, ``Training`` and ``Testing``, or ``train``
            and ``test``.
        altitude_m: 150, 200, 250 or 300.

    Raises:
        SkyfixError: another altitude, or a folder of another layout.
    """

    NAME: ClassVar[str] = "SUES-200"
    PAPER: ClassVar[str] = "Zhu et al., TCSVT 2023"
    VIEWS: ClassVar[tuple[View, ...]] = ("drone", "satellite")
    VIEW_FOLDERS: ClassVar[dict[View, str]] = {"drone": "drone", "satellite": "satellite"}
    CHOICES: ClassVar[tuple[str, ...]] = ("150", "200", "250", "300")
    CHOICE_OF: ClassVar[str] = "altitude in metres: each is trained and tested on its own"
    SATELLITE_FOLDER: ClassVar[str] = "satellite-view"
    IMAGES: ClassVar[dict[View, int]] = {"drone": 50, "satellite": 1}
    """Per place and altitude."""
    PLACES: ClassVar[frozenset[str]] = _ids("1-200")
    TRAIN_PLACES: ClassVar[frozenset[str]] = _ids(
        "1-7 9-11 13 15-16 20-21 24-34 36-37 39 43-45 51 55-58 60 64 66-67 69-70 73-74 76-77 80-82 "
        "84-91 94 96-97 100-106 113 116 118-120 123 125-127 129 132 134 137 139 141-142 145-149 "
        "151-152 155-160 163 166-169 171 174 179-180 182-187 191-193 196-200"
    )
    """The 120 places of the authors' ``indexs.yaml``."""
    TEST_PLACES: ClassVar[frozenset[str]] = PLACES - TRAIN_PLACES

    def __init__(self, root: Path | str, altitude_m: int | str) -> None:
        altitude = str(altitude_m)
        if altitude not in self.CHOICES:
            raise SkyfixError(
                f"{self.NAME} has no altitude {altitude} m. Use {', '.join(self.CHOICES)}."
            )
        self.altitude_m = int(altitude)
        layouts = [("Training", "Testing"), ("train", "test")]
        found = [pair for pair in layouts if any((Path(root) / half).is_dir() for half in pair)]
        halves = found[0] if found else ("", "")
        super().__init__(root, *(f"{half}/{altitude}" for half in halves))
        self._raw = not found
        if found:
            self._require_half()
        elif not any(self._path("gallery", view).is_dir() for view in self.VIEWS):
            raise self.missing(
                self.SATELLITE_FOLDER,
                f"{self.SATELLITE_FOLDER}/<id>/ and *drone*/<id>/{altitude}/ (as published), or "
                f"Training/{altitude}/ and Testing/{altitude}/ (split), or train/{altitude}/ and "
                f"test/{altitude}/ (MCCG)",
            )

    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds of this altitude."""
        names = {"train": self.TRAIN_PLACES, "query": self.TEST_PLACES, "gallery": self.PLACES}
        return tuple(
            self._part(
                side, view, self.IMAGES[view] * len(names[side]), len(names[side]), names[side]
            )
            for side in SIDES
            for view in self.VIEWS
        )

    def _train_places(self, view: View) -> tuple[str, ...]:
        places = super()._train_places(view)
        return self._of_split("train", places) if self._raw else places

    def _read(self, side: Side, folder: Path) -> Images:
        if not self._raw:
            return super()._read(side, folder)
        satellite = folder.name == self.SATELLITE_FOLDER
        images = read_images(folder, within="" if satellite else str(self.altitude_m))
        places = self._of_split(side, images.places)
        if not places:
            raise MissingPartError(
                f"None of the {self.NAME} {side} places is in {folder}. See docs/datasets.md."
            )
        return images.only(places)

    def _of_split(self, side: Side, places: tuple[str, ...]) -> tuple[str, ...]:
        if side == "gallery":
            return places
        training = side == "train"
        return tuple(place for place in places if (place in self.TRAIN_PLACES) == training)

    def _part_name(self, side: Side, view: View) -> str:
        # In the raw layout one folder serves all three.
        return f"{side}_{view}" if self._raw else super()._part_name(side, view)

    def _path(self, side: Side, view: View) -> Path:
        if not self._raw:
            return super()._path(side, view)
        if view == "satellite":
            return self.root / self.SATELLITE_FOLDER
        drone = sorted(path for path in self.root.glob("*drone*") if path.is_dir())
        if len(drone) > 1:
            names = " and ".join(path.name for path in drone)
            raise SkyfixError(
                f"{self.root} has several drone folders: {names}. Leave only one there."
            )
        return drone[0] if drone else self.root / "*drone*"

    def _missing(self, side: Side, view: View) -> MissingPartError:
        if not self._raw:
            return super()._missing(side, view)
        name = self._path(side, view).name
        within = f"{self.altitude_m}/" if view == "drone" else ""
        return self.missing(name, f"{name}/<id>/{within}")

    def _described(self, images: Images, view: View) -> Images:
        if view != "drone":
            return images
        return replace(images, altitude_m=np.full(len(images), float(self.altitude_m)))
