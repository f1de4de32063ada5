"""An embedder for all processes that torchrun started: the first one asks, each embeds a share."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import torch.distributed as dist
from PIL import Image

from skyfix.errors import SkyfixError
from skyfix.images import ImageError
from skyfix.inference.embedder import Embedder, ImageLike
from skyfix.views import View

_PATIENCE = timedelta(days=7)
"""How long helpers wait for the next question, while the first process ranks."""


_Share = tuple[np.ndarray, np.ndarray, list[ImageError]]


@dataclass(frozen=True)
class _Question:
    """Arguments of ``Embedder.embed_files``."""

    images: Sequence[ImageLike]
    view: View
    altitude_m: np.ndarray | None
    change: Callable[[Image.Image], Image.Image] | None

    def answered(self, embedder: Embedder, rank: int, ranks: int, progress: str | None) -> _Share:
        """What a process finds in its share, neighbouring images."""
        start, end = (len(self.images) * number // ranks for number in (rank, rank + 1))
        altitude_m = None if self.altitude_m is None else self.altitude_m[start:end]
        descriptors, kept, unreadable = embedder.embed_files(
            self.images[start:end], self.view, progress, altitude_m, self.change
        )
        return descriptors, kept + start, unreadable


class SharedEmbedder:
    """The first process's side of ``together``."""

    def __init__(self, embedder: Embedder, group: dist.ProcessGroup) -> None:
        self._embedder, self._group = embedder, group

    def embed_files(
        self,
        images: Sequence[ImageLike],
        view: View,
        progress: str | None = None,
        altitude_m: np.ndarray | None = None,
        change: Callable[[Image.Image], Image.Image] | None = None,
    ) -> _Share:
        """As ``Embedder.embed_files``; the progress bar counts the first process's share."""
        question = _Question(images, view, altitude_m, change)
        self.tell(question)
        shares = _answered_by_all(question, self._embedder, self._group, progress)
        for share in shares:
            if isinstance(share, SkyfixError):
                raise share
        descriptors, kept, unreadable = zip(*shares, strict=True)
        return np.concatenate(descriptors), np.concatenate(kept), [*chain(*unreadable)]

    def tell(self, helpers: _Question | SkyfixError | None) -> None:
        """A question; None when they may go on; an error that ends them."""
        dist.broadcast_object_list([helpers], src=0, group=self._group)


@contextmanager
def together(embedder: Embedder) -> Iterator[Embedder | SharedEmbedder | None]:
    """Share the work of an embedder among the processes that torchrun started.

    The first process gets an embedder whose images are embedded by all, in the same order and with
    the same result up to rounding. The others answer it until its block ends, and then get None.
    Without torchrun it is the embedder itself.

    Args:
        embedder: of the same system in every process.

    Raises:
        SystemExit: in the others, if an error ended the block.
    """
    if not _has_others():
        yield embedder
    elif dist.get_rank() > 0:
        _help(embedder, _everyone())
        yield None
    else:
        shared = SharedEmbedder(embedder, _everyone())
        try:
            yield shared
        except SkyfixError as error:
            shared.tell(error)
            raise
        # Any other failure may leave the helpers in the middle of a question: torchrun ends them.
        shared.tell(None)


def _help(embedder: Embedder, group: dist.ProcessGroup) -> None:
    while True:
        told: list[_Question | SkyfixError | None] = [None]
        dist.broadcast_object_list(told, src=0, group=group)
        if told[0] is None:
            return
        if isinstance(told[0], SkyfixError):
            # The first process says what it is.
            sys.exit(2)
        _answered_by_all(told[0], embedder, group, None)


def _answered_by_all(
    question: _Question, embedder: Embedder, group: dist.ProcessGroup, progress: str | None
) -> list[Any]:
    """The shares of all processes, or why they failed, in the first process."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    own: _Share | SkyfixError
    try:
        own = question.answered(embedder, rank, ranks, progress)
    except SkyfixError as error:
        own = error
    shares: list[Any] = [None] * ranks
    dist.gather_object(own, shares if rank == 0 else None, dst=0, group=group)
    return shares


def _has_others() -> bool:
    if not dist.is_initialized() and dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
    return dist.is_initialized() and dist.get_world_size() > 1


@cache
def _everyone() -> dist.ProcessGroup:
    """All processes. What they tell each other lies on the CPU."""
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    assert isinstance(group, dist.ProcessGroup)
    return group
