"""A folder of photos as a sequence."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.images import list_images
from skyfix.localize.frames import Frame, Selection

_EXIF, _TAKEN, _TAKEN_FRACTION = 0x8769, 0x9003, 0x9291


class PhotoFrames:
    """The wanted photos of a folder; a ``FrameSource``.

    Times come from the first of these that there is: a table of times by file name, ``fps`` with
    the photos in order of name, EXIF, one a second with a note. Photos that the table does not
    name are left out. Photos are decoded later, with the rest of their preparation.

    Raises:
        SkyfixError: no photos in the folder, or none that the table names.
    """

    def __init__(
        self,
        folder: Path,
        selection: Selection,
        fps: float | None,
        time_of_file: Mapping[str, float],
    ) -> None:
        self.name, self.dropped = folder.name, 0
        self.notes: list[str] = []
        self._selection = selection
        photos = list_images(folder)
        if not photos:
            raise SkyfixError(f"No images in the folder {folder}.")
        times = self._times(folder, photos, fps, time_of_file)
        self._photos = sorted(
            (
                (time_s, photo)
                for photo, time_s in zip(photos, times, strict=True)
                if time_s is not None
            ),
            key=lambda item: item[0],
        )
        if not self._photos:
            raise SkyfixError(f"The table of times names none of the photos in {folder}.")

    def __iter__(self) -> Iterator[Frame]:
        first_s = self._photos[0][0]
        for index, (time_s, photo) in enumerate(self._photos):
            if self._selection.takes(index, time_s - first_s):
                yield Frame(photo, index, time_s)

    def _times(
        self,
        folder: Path,
        photos: list[Path],
        fps: float | None,
        time_of_file: Mapping[str, float],
    ) -> list[float | None]:
        if time_of_file:
            times = [time_of_file.get(photo.name) for photo in photos]
            if missing := times.count(None):
                self.notes.append(f"{folder}: {missing} photos have no time and are left out.")
            return times
        if fps is None:
            taken = [_taken(photo) for photo in photos]
            known = [moment for moment in taken if moment is not None]
            if len(known) == len(set(known)) == len(photos):
                return [(moment - min(known)).total_seconds() for moment in known]
            self.notes.append(
                f"{folder}: the photos do not tell their times; one a second is assumed. "
                "Give the rate, or times in a CSV."
            )
        return [index / (fps or 1.0) for index in range(len(photos))]


def _taken(photo: Path) -> datetime | None:
    """When a photo was taken, by its camera's clock; None if EXIF does not say."""
    try:
        with Image.open(photo) as image:
            exif = image.getexif().get_ifd(_EXIF)
        moment = datetime.strptime(str(exif[_TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        fraction = str(exif.get(_TAKEN_FRACTION, "")).strip("\0 ")
        return moment + timedelta(seconds=float(f"0.{fraction}") if fraction.isdigit() else 0.0)
    except Exception:
        # Pillow raises almost anything on damaged files; the photo itself is judged later.
        return None
