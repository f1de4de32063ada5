"""The one thread of a process that runs networks: it takes waiting photos together."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from skyfix.gallery.nearby import Near
from skyfix.localize import Fix
from skyfix.localize.prepare import Prepared
from skyfix.serve.galleries import Served


@dataclass(frozen=True)
class Found:
    """What the thread found out about a photo.

    Attributes:
        fix: where it was taken.
        rows, scores: (T,) gallery rows that were searched and the best score of each.
    """

    fix: Fix
    rows: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class _Photo:
    served: Served
    prepared: Prepared
    near: Near | None
    answer: "Future[Found]" = field(default_factory=Future)


@dataclass(frozen=True)
class _Call:
    function: Callable[[], Any]
    answer: "Future[Any]" = field(default_factory=Future)


class ModelThread:
    """Runs the networks. What waits and is cancelled is never begun.

    Photos of one gallery that wait at the same time are embedded in one batch, so that many
    clients are served as fast as one that brings all photos at once. Each is answered as soon as
    its own fix is there.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Photo | _Call | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def find(self, served: Served, prepared: Prepared, near: Near | None) -> "Future[Found]":
        """Where a prepared photo was taken; within ``near`` if that is known."""
        photo = _Photo(served, prepared, near)
        self._waiting.put(photo)
        return photo.answer

    def call(self, function: Callable[[], Any]) -> "Future[Any]":
        """What a function returns that needs the network, such as the next step of a track."""
        call = _Call(function)
        self._waiting.put(call)
        return call.answer

    def close(self) -> None:
        """End the thread, once what waits is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        after: _Photo | _Call | None = None
        while True:
            item = after or self._waiting.get()
            after = None
            if item is None:
                return
            if isinstance(item, _Call):
                _answer(item.answer, item.function)
                continue
            group, after, closing = self._with_others(item)
            _find(group)
            if closing:
                return

    def _with_others(self, first: _Photo) -> tuple[list[_Photo], "_Photo | _Call | None", bool]:
        """A batch of waiting photos, what comes after them, and whether that is the end."""
        group, patches = [first], _patches(first)
        while patches < first.served.locator.embedder.batch_size:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, None, True
            if isinstance(item, _Call) or item.served is not first.served:
                return group, item, False
            group.append(item)
            patches += _patches(item)
        return group, None, False


def _patches(photo: _Photo) -> int:
    return sum(map(len, photo.prepared.views))


def _find(group: list[_Photo]) -> None:
    group = [photo for photo in group if not photo.answer.cancelled()]
    if not group:
        return
    locator = group[0].served.locator
    try:
        embedded = locator.embed([photo.prepared for photo in group])
    except Exception as error:
        for photo in group:
            if photo.answer.set_running_or_notify_cancel():
                photo.answer.set_exception(error)
        return
    for photo, descriptors in zip(group, embedded, strict=True):
        _answer(photo.answer, partial(_found, photo, descriptors))


def _found(photo: _Photo, descriptors: list[np.ndarray]) -> Found:
    locator = photo.served.locator
    if photo.near is not None:
        locator = locator.around(photo.near)
    scores = locator.scores(photo.prepared, descriptors)
    fix = locator.fix(photo.prepared, scores)
    return Found(fix, locator.rows_of(photo.prepared), scores.max(axis=0))


def _answer(answer: "Future[Any]", function: Callable[[], Any]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except Exception as error:
        answer.set_exception(error)
    else:
        answer.set_result(result)
