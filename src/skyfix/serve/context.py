"""What all requests of one process share."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from skyfix.serve.galleries import Galleries
from skyfix.serve.metrics import Metrics
from skyfix.serve.model import ModelThread
from skyfix.serve.settings import Settings

_Result = TypeVar("_Result")


class Service:
    """Galleries, threads and counts; to be closed.

    Args:
        settings: of the service.
        metrics: where to count.

    Attributes:
        settings, metrics: as given.
        galleries: what is served.
        model: the thread that runs networks.
        threads: for all that takes longer than a moment: decoding, preparing, drawing.
        closing: set once the service is told to stop.

    Raises:
        SkyfixError: a gallery cannot be opened.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.galleries = Galleries(settings.galleries, settings.device, settings.ray)
        self.model = ModelThread()
        self.threads = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "photos")
        self.closing = threading.Event()

    async def in_thread(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """What a function returns that would hold up other requests."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, partial(function, *arguments))

    def close(self) -> None:
        """End all threads once what they do is done."""
        self.closing.set()
        self.threads.shutdown(cancel_futures=True)
        self.galleries.close()
        self.model.close()


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]
