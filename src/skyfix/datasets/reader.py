"""What the readers share: the facts they state, and the errors of a wrong folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from skyfix.datasets.contract import Images
from skyfix.errors import SkyfixError
from skyfix.views import View

Role = Literal["train", "query", "gallery", "other"]


class MissingPartError(SkyfixError):
    """A part of a data set that is not there at all, such as its training half."""


@dataclass(frozen=True)
class Part:
    """A part of a data set beside what was published of it.

    Attributes:
        name: of its folder or table.
        role: what it is for; ``other`` where no protocol uses it.
        view: what its images were taken from.
        read: gives its images.
        images: published number of images; ``None`` where none was.
        places: published number of places; ``None`` where none was.
        names: published names of the places, where they are known one by one.
        certain: false where the numbers are recalled and not verified.
        optional: the data set is complete without it.
    """

    name: str
    role: Role
    view: View
    read: Callable[[], Images]
    images: int | None = None
    places: int | None = None
    names: frozenset[str] | None = None
    certain: bool = True
    optional: bool = False


class Reader(ABC):
    """Base of the readers.

    Args:
        root: the folder of the data set.

    Raises:
        SkyfixError: there is no such folder.
    """

    NAME: ClassVar[str]
    PAPER: ClassVar[str]
    VIEWS: ClassVar[tuple[View, ...]]
    """The satellite and what else there is."""
    CHOICES: ClassVar[tuple[str, ...]] = ()
    """What may stand behind the ``@`` of ``NAME@CHOICE:ROOT``."""
    CHOICE_OF: ClassVar[str] = ""
    """What the choice means, for the error that asks for it; empty if one is taken by default."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.views = self.VIEWS
        if not self.root.is_dir():
            raise SkyfixError(f"No such folder: {self.root}. See docs/datasets.md.")

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """What a complete download holds."""

    def part(
        self,
        role: Role,
        view: View,
        images: int | None = None,
        places: int | None = None,
        certain: bool = True,
    ) -> Part:
        """One of the parts that every reader gives."""
        read = partial(getattr(self, role), view)
        return Part(f"{role} {view}", role, view, read, images, places, certain=certain)

    def remarks(self) -> tuple[str, ...]:
        """Differences from a complete download that the counts of its parts do not show."""
        return ()

    @classmethod
    def open(cls, root: str, choice: str) -> "Reader":
        """The data set, as the command line names it."""
        return cls(root, choice) if choice else cls(root)  # type: ignore[call-arg]

    def missing(self, part: str, expected: str) -> MissingPartError:
        """The error for a part that is not there."""
        return MissingPartError(
            f"Not a {self.NAME} folder: {self.root} has no {part}. "
            f"Expected {expected}. See docs/datasets.md."
        )

    def no_view(self, view: str) -> SkyfixError:
        """The error for a view that the data set does not have."""
        return SkyfixError(f"{self.NAME} has no {view} images. Use {' or '.join(self.views)}.")


def require_files(paths: Collection[Path], table: Path) -> None:
    """Check that every image that a table names is there.

    Raises:
        SkyfixError: which one is missing, and how many more.
    """
    absent = [path for path in paths if not path.is_file()]
    if absent:
        more = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise SkyfixError(
            f"{table} names {absent[0]}, which is not there{more}. Add the image or remove the row."
        )


def inside(cell: str, where: str) -> PurePosixPath:
    """A path of a table, which must stay below its folder.

    Raises:
        SkyfixError: it leads out of the data set.
    """
    path = PurePosixPath(cell.strip())
    if path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise SkyfixError(f"{where} leads out of the data set: {str(path)!r}. Correct it.")
    return path
