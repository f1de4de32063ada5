"""What people and machines are given: files of fixes, streams, pages and pictures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyfix.outputs.write import WRITERS, check_output, write_fixes

__all__ = ["WRITERS", "check_output", "write_fixes"]


def __getattr__(name: str) -> Any:
    # Late: reports of evaluations come from this folder too and need no library of maps.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skyfix.outputs import write

    return getattr(write, name)
