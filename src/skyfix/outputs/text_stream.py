"""A text file that grows while fixes come."""

from pathlib import Path
from typing import Self

from skyfix.errors import SkyfixError
from skyfix.localize.fix import Fix


class TextStream:
    """A text file that grows while fixes come; every fix is on disk when ``write`` returns.

    Use it as a context manager. The file is begun anew.

    Raises:
        SkyfixError: the file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # newline="": formats say themselves how a line ends.
            self._stream = self.path.open(
                "w", encoding="utf-8", errors="backslashreplace", newline=""
            )
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, fix: Fix) -> None:
        """Append one fix.

        Raises:
            SkyfixError: the file cannot be written.
        """
        try:
            self._stream.write(self.text(fix))
            self._stream.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def text(self, fix: Fix) -> str:
        """What is appended for a fix."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _unwritable(self, error: OSError) -> SkyfixError:
        reason = error.strerror or str(error)
        return SkyfixError(f"Cannot write {self.path}: {reason}. Choose another place.")
