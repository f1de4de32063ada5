"""Whether a download is complete and readable."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skyfix.datasets.contract import Images
from skyfix.datasets.links import LinkReader
from skyfix.datasets.reader import MissingPartError, Part, Reader
from skyfix.errors import SkyfixError
from skyfix.images import ImageError, read_image
from skyfix.progress import counting
from skyfix.views import View

State = Literal["complete", "differs", "wrong layout"]


@dataclass(frozen=True)
class PartReport:
    """What was found of one part.

    Attributes:
        part: what was published of it.
        images: number of images found; ``None`` where it cannot be read.
        places: number of places found; ``None`` where it cannot be read or has no places.
        problem: why it cannot be read.
        absent: it is not there at all.
    """

    part: Part
    images: int | None
    places: int | None
    problem: str = ""
    absent: bool = False

    @property
    def complete(self) -> bool:
        """Whether it is what was published, as far as that is known."""
        if self.absent:
            return self.part.optional
        return not self.problem and not self.difference

    @property
    def compared(self) -> bool:
        """Whether there is a published count."""
        return self.part.images is not None or self.part.places is not None

    @property
    def difference(self) -> str:
        """How the counts differ from the published ones; empty if they do not."""
        for found, published, things in (
            (self.places, self.part.places, "places"),
            (self.images, self.part.images, "images"),
        ):
            if found is not None and published is not None and found != published:
                doubt = "" if self.part.certain else " (recalled, not verified)"
                kind = "incomplete" if found < published else "more than published"
                return f"{kind}: {found:,} of {published:,} {things}{doubt}"
        return ""

    @property
    def verdict(self) -> str:
        """One short sentence."""
        if self.absent:
            return "absent, optional" if self.part.optional else "absent"
        if self.problem:
            return "wrong layout"
        if self.difference:
            return self.difference
        places = "" if self.places is None else f", {self.places:,} places"
        return f"{'complete' if self.compared else 'readable'}{places}"

    def to_json(self) -> dict[str, Any]:
        """Counts beside the published ones."""
        return {
            "part": self.part.name,
            "images": self.images,
            "published_images": self.part.images,
            "places": self.places,
            "published_places": self.part.places,
            "published_verified": self.part.certain,
            "verdict": self.verdict,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class Report:
    """Outcome of a check.

    Attributes:
        parts: what was found of each part.
        unreadable: images that cannot be decoded.
        remarks: what else differs from a complete download.
        decoded: number of images that were decoded.
    """

    parts: tuple[PartReport, ...]
    unreadable: tuple[ImageError, ...]
    remarks: tuple[str, ...]
    decoded: int

    @property
    def problems(self) -> tuple[str, ...]:
        """Why parts that are there cannot be used, each reason once."""
        found = (part.problem for part in self.parts if part.problem and not part.absent)
        return tuple(dict.fromkeys(found))

    @property
    def state(self) -> State:
        """``differs`` is usable, but not what was published."""
        if self.problems or all(part.absent for part in self.parts):
            return "wrong layout"
        whole = all(part.complete for part in self.parts)
        return "complete" if whole and not self.unreadable and not self.remarks else "differs"

    def to_json(self) -> dict[str, Any]:
        """Everything that was found."""
        return {
            "state": self.state,
            "parts": [part.to_json() for part in self.parts],
            "decoded": self.decoded,
            "unreadable": [str(error) for error in self.unreadable],
            "remarks": list(self.remarks),
        }


def check(reader: Reader, progress: str | None = None) -> Report:
    """Read every part, compare it with what was published, and decode every image.

    Args:
        reader: the opened data set.
        progress: description of the progress bar; ``None`` shows none.
    """
    read = [(part, *_read(part)) for part in reader.parts()]
    reports = tuple(_report(reader, *found) for found in read)
    images = [(part, images) for part, images, _ in read if images is not None]
    remarks = [*_foreign_places(images), *_unmatched(reader, images)]
    if images:
        remarks += reader.remarks()
    paths = tuple(dict.fromkeys(path for _, found in images for path in found.paths))
    return Report(reports, _unreadable(paths, progress), tuple(remarks), len(paths))


def _read(part: Part) -> tuple[Images | None, SkyfixError | None]:
    try:
        return part.read(), None
    except SkyfixError as error:
        return None, error


def _report(
    reader: Reader, part: Part, images: Images | None, error: SkyfixError | None
) -> PartReport:
    if images is None:
        return PartReport(part, None, None, str(error), isinstance(error, MissingPartError))
    # Links have no places, and neither have parts that no protocol uses.
    has_places = not isinstance(reader, LinkReader) and part.role != "other"
    return PartReport(part, len(images), len(images.places) if has_places else None)


def _foreign_places(read: Sequence[tuple[Part, Images]]) -> list[str]:
    """Places that were published for another part."""
    remarks = []
    for part, images in read:
        foreign = sorted(set(images.places).difference(part.names or images.places))
        if foreign:
            remarks.append(
                f"{len(foreign)} places of {part.name} are not those of the published split, "
                f"such as {foreign[0]}"
            )
    return remarks


def _unmatched(reader: Reader, read: Sequence[tuple[Part, Images]]) -> list[str]:
    """Queries whose place is not in the gallery; links tell only queries that have a match."""
    if isinstance(reader, LinkReader):
        return []
    sides: dict[tuple[str, View], tuple[str, Images]] = {
        (part.role, part.view): (part.name, images) for part, images in read
    }
    directions: list[tuple[View, View]] = [("drone", "satellite"), ("ground", "satellite")]
    remarks = []
    for asking, searched in (*directions, ("satellite", "drone")):
        query, gallery = sides.get(("query", asking)), sides.get(("gallery", searched))
        if query is None or gallery is None:
            continue
        lacking = int((~np.isin(query[1].labels, gallery[1].labels)).sum())
        if lacking:
            remarks.append(
                f"{lacking} of {len(query[1])} images of {query[0]} have no match in {gallery[0]}"
            )
    return remarks


def _unreadable(paths: Sequence[Path], progress: str | None) -> tuple[ImageError, ...]:
    errors = []
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count()) as pool,
        counting(progress, len(paths), "images") as counter,
    ):
        for error in pool.map(_decode, paths):
            if error is not None:
                errors.append(error)
            counter.advance()
    return tuple(errors)


def _decode(path: Path) -> ImageError | None:
    try:
        read_image(path)
    except ImageError as error:
        return error
    return None
