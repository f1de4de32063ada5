"""Work on a Ray cluster: joining one, and tasks done in order whoever dies meanwhile."""

import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from skyfix.errors import SkyfixError

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

Task = TypeVar("Task")
Result = TypeVar("Result")

MAX_DEATHS = 4
"""Work that this many workers died of is given up."""

_AT_ONCE, _AHEAD = 2, 4
_CONNECT_S = 10.0


def join(address: str) -> None:
    """Connect this process to a running cluster, unless it is connected.

    Args:
        address: ``auto`` for the cluster of this machine, or host:port of its head.

    Raises:
        SkyfixError: there is no such cluster, or its versions of Ray or Python are others.
    """
    import ray

    if ray.is_initialized():
        return
    try:
        _require_open(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise SkyfixError(
            f"No Ray cluster at {address}: {first_line(error)}. Start one with `ray start --head` "
            "and join it from the other machines, with the same versions of Python, ray and skyfix."
        ) from error


def _require_open(address: str) -> None:
    """Refuse an address where nobody listens; Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        raise ValueError("an address is host:port or auto")
    with socket.create_connection((host, int(port)), _CONNECT_S):
        pass


def answer(ref: "ObjectRef") -> Any:
    """What a call gave.

    Raises:
        SkyfixError: the worker's own, as it was raised there.
        ray.exceptions.RayError: the worker died.
    """
    import ray

    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        # What Ray raises tells the worker's whole traceback; the cause is the exception itself.
        if isinstance(error.cause, SkyfixError):
            raise SkyfixError(str(error.cause)) from error
        raise


def first_line(error: Exception) -> str:
    """What an error of Ray says, in short."""
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return text.removesuffix(".")


class Crew(Generic[Task, Result]):
    """Workers that share tasks; one that dies is replaced and its tasks are done by others.

    Args:
        hire: starts a worker, an actor with the methods ``ready()`` and ``do(task)``.
        size: how many there are at most.
    """

    def __init__(self, hire: "Callable[[], ActorHandle]", size: int) -> None:
        self._hire, self._size, self._hired = hire, size, 0
        self._workers: dict[int, ActorHandle] = {}
        self._free: list[int] = []
        self._calls: dict[ObjectRef, tuple[int, int | None]] = {}
        self._open: dict[int, Task] = {}
        self._todo: list[int] = []
        self._done: dict[int, Result] = {}
        self._deaths: Counter[int | None] = Counter()

    def results(self, tasks: Iterator[Task]) -> Iterator[Result]:
        """The results of all tasks, in their order.

        Tasks that are begun, and results that wait for their turn, are no more than four times
        the workers.

        Raises:
            SkyfixError: a task's own, or workers die again and again.
        """
        numbered, turn = enumerate(tasks), 0
        try:
            while True:
                room = _AHEAD * self._size - len(self._open) - len(self._done)
                for number, task in islice(numbered, room):
                    self._open[number] = task
                    heappush(self._todo, number)
                if not self._open:
                    return
                while len(self._workers) < min(self._size, len(self._open)):
                    self._add_worker()
                self._hand_out()
                self._collect()
                while turn in self._done:
                    yield self._done.pop(turn)
                    turn += 1
        finally:
            self._dismiss()

    def _add_worker(self) -> None:
        worker, name = self._hire(), self._hired
        self._hired += 1
        self._workers[name] = worker
        self._calls[worker.ready.remote()] = name, None

    def _hand_out(self) -> None:
        """Give free workers what is to be done, the earliest first."""
        while self._free and self._todo:
            name, number = self._free.pop(0), heappop(self._todo)
            call: ObjectRef = self._workers[name].do.remote(self._open[number])
            self._calls[call] = name, number

    def _collect(self) -> None:
        """Wait for the next call that comes to an end."""
        import ray

        (call,), _ = ray.wait(list(self._calls), num_returns=1)
        name, number = self._calls.pop(call)
        try:
            result = answer(call)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            self._lose(name, number, error)
            return
        if number is None:
            self._deaths[None] = 0
            self._free += [name] * _AT_ONCE
        else:
            self._done[number] = result
            del self._open[number]
            self._free.append(name)

    def _lose(self, name: int, number: int | None, error: Exception) -> None:
        """A worker died in a call, which is to be made again."""
        self._deaths[number] += 1
        if number is None and self._deaths[None] >= MAX_DEATHS * self._size:
            # What went wrong stands at the end of what Ray says of a start.
            why = str(error).strip().splitlines()[-1].strip().removesuffix(".")
            raise SkyfixError(
                f"Workers of the cluster cannot start: {why}. Install the same version of skyfix "
                "on all machines."
            )
        if number is not None and self._deaths[number] >= MAX_DEATHS:
            raise SkyfixError(
                f"{MAX_DEATHS} workers of the cluster died of the same work: {first_line(error)}. "
                "See its logs; what was committed is kept by the same command run again."
            )
        if number is not None:
            heappush(self._todo, number)
        if name in self._workers:
            del self._workers[name]
            self._free = [one for one in self._free if one != name]
            self._add_worker()

    def _dismiss(self) -> None:
        import ray

        for worker in self._workers.values():
            ray.kill(worker)
