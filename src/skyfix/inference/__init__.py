"""From images to descriptors: ``Embedder``."""

from skyfix.inference.embedder import Embedder

__all__ = ["Embedder"]
