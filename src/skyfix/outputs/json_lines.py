"""Fixes as JSON: one array, or one line a fix while they come."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from skyfix.errors import SkyfixError
from skyfix.files import write_json
from skyfix.localize.fix import Fix


def write_json_array(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write all fixes as one JSON array, see ``Fix.to_json``."""
    write_json(path, [fix.to_json() for fix in fixes])


def write_json_lines(fixes: Sequence[Fix], path: Path | str) -> None:
    """Write one JSON object a line, see ``Fix.to_json``."""
    with JsonLines(path) as stream:
        for fix in fixes:
            stream.write(fix)


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

    def __enter__(self) -> "TextStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _unwritable(self, error: OSError) -> SkyfixError:
        reason = error.strerror or str(error)
        return SkyfixError(f"Cannot write {self.path}: {reason}. Choose another place.")


class JsonLines(TextStream):
    """Fixes as JSON, one object a line (jsonlines.org), see ``Fix.to_json``."""

    def text(self, fix: Fix) -> str:
        """One line."""
        return json.dumps(fix.to_json(), ensure_ascii=False, allow_nan=False) + "\n"
