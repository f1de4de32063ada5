"""From images to descriptors: ``Embedder``, which is loaded when it is asked for."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skyfix.inference.embedder import Embedder

__all__ = ["Embedder"]


def __getattr__(name: str) -> "type[Embedder]":
    # The command line offers choices of this package, and must not wait for torch to do so.
    if name != "Embedder":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from skyfix.inference.embedder import Embedder

    return Embedder
