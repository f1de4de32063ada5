"""The web application: routes, guards and what they share."""

import signal
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from types import FrameType

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware

from skyfix import __version__
from skyfix.serve import (
    export_routes,
    fix_routes,
    gallery_routes,
    problems,
    search_routes,
    state_routes,
    track_routes,
)
from skyfix.serve.access import Access
from skyfix.serve.bodies import Bodies
from skyfix.serve.context import Service
from skyfix.serve.headers import SecurityHeaders
from skyfix.serve.metrics import Measured, Metrics
from skyfix.serve.settings import Settings
from skyfix.serve.track_work import Tracks

PAGE = "page"
"""Folder of the map page in this package."""

_ROUTERS = (
    gallery_routes,
    fix_routes,
    search_routes,
    track_routes,
    export_routes,
    state_routes,
)


def create_app(settings: Settings) -> FastAPI:
    """The application; galleries are opened when it starts.

    Args:
        settings: of the service; ``folder`` has to be there.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        # Uploads spill from memory into unnamed files of this folder.
        before, tempfile.tempdir = tempfile.tempdir, str(settings.folder)
        service = Service(settings, metrics)
        app.state.service, app.state.tracks = service, Tracks(service)
        _hear_of_the_end(service.closing)
        yield
        service.close()
        tempfile.tempdir = before

    app = FastAPI(
        title="skyfix",
        version=__version__,
        summary="From a drone photo to the matching satellite tile and a position fix.",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(Measured, metrics=metrics),
            Middleware(SecurityHeaders),
            Middleware(Access, settings=settings),
            Middleware(Bodies, limits=settings.limits),
        ],
    )
    problems.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    with as_file(files("skyfix.serve")) as here:
        page = Path(here) / PAGE
    if page.is_dir():
        app.mount("/static", StaticFiles(directory=page), name="static")

        @app.get("/", include_in_schema=False)
        async def map_page() -> FileResponse:
            """The map page."""
            return FileResponse(page / "index.html", media_type="text/html")


def _hear_of_the_end(closing: threading.Event) -> None:
    """Set an event on SIGTERM and SIGINT too, so that streams end and the server can stop."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handler(signum: int, frame: FrameType | None, before: object = before) -> None:
            closing.set()
            if callable(before):
                before(signum, frame)

        signal.signal(number, handler)
