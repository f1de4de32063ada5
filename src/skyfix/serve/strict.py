"""Routes that take one content type alone."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from skyfix.serve.problems import ProblemError

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Strict(APIRoute):
    media_type = ""

    def get_route_handler(self) -> _Handler:
        """The usual handler, behind a look at the content type."""
        handler = super().get_route_handler()

        async def checked(request: Request) -> Response:
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if request.method == "POST" and given != self.media_type:
                raise ProblemError(415, f"Send {self.media_type}, not {given or 'nothing'}.")
            return await handler(request)

        return checked


class FormRoute(_Strict):
    """Takes multipart/form-data."""

    media_type = "multipart/form-data"


class JsonRoute(_Strict):
    """Takes JSON."""

    media_type = "application/json"
