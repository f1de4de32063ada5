"""What happens in the service, for Prometheus."""

import os
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable: where workers keep their counts, so that each can tell those of all."""

_METHODS = ("GET", "HEAD", "POST", "DELETE")
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120)


class Metrics:
    """Counts of one process; ``text`` tells those of all workers."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        names = ("method", "path")
        self.requests = Counter(
            "skyfix_requests", "Requests answered.", (*names, "status"), registry=registry
        )
        self.seconds = Histogram(
            "skyfix_request_seconds", "Time to the end of the answer.", names,
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "skyfix_requests_in_flight", "Requests being answered.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self.fixes = Counter(
            "skyfix_fixes", "Photos and frames searched.", ("located",), registry=registry
        )

    def count_fix(self, located: bool) -> None:
        """Count a photo or frame."""
        self.fixes.labels("yes" if located else "no").inc()

    def text(self) -> bytes:
        """All counts in Prometheus' text format."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)


class Measured:
    """ASGI middleware that counts and times requests.

    Args:
        app: what answers.
        metrics: where to count.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.in_flight.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            # The route's pattern, as paths that clients make up are without number.
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(method, path, status).inc()
            self._metrics.seconds.labels(method, path).observe(time.perf_counter() - started)
