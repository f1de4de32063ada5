"""Errors as application/problem+json (RFC 9457), one clear line each."""

import errno
import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Send

from skyfix.errors import SkyfixError

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499
"""Not an official status: nobody is there to read it, but the metrics count it."""

_log = logging.getLogger("skyfix.serve")


class ProblemError(Exception):
    """A refusal with its HTTP status.

    Args:
        status: 4xx or 5xx.
        detail: one line: what is wrong, what to do.
        headers: more of the response.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    @property
    def body(self) -> bytes:
        """The JSON document."""
        content = {
            "type": "about:blank",
            "title": "Client Gone"
            if self.status == CLIENT_GONE
            else HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return json.dumps(content, ensure_ascii=False).encode(errors="backslashreplace")

    def response(self) -> Response:
        """As a response."""
        return Response(self.body, self.status, self.headers, MEDIA_TYPE)

    async def send_start(self, send: Send) -> None:
        """The response as ASGI messages, all but its end."""
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(self.body)),
            **self.headers,
        }
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})


def _title(status: int) -> str:
    return "Client Gone" if status == CLIENT_GONE else HTTPStatus(status).phrase


def install(app: FastAPI) -> None:
    """Let every error of an app become a problem document."""
    app.add_exception_handler(ProblemError, _answer)
    app.add_exception_handler(SkyfixError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(OSError, _answer)
    app.add_exception_handler(Exception, _answer)


def as_problem(error: Exception) -> ProblemError:
    """What a client is told of an error; details of our own faults stay in the log."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, SkyfixError):
        return ProblemError(422, str(error))
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, _one_line(error.detail), error.headers)
    if isinstance(error, RequestValidationError):
        return ProblemError(422, _invalid(error.errors()))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ProblemError(507, "The service has no room for uploads left. Try again later.")
    return ProblemError(500, "The service failed. Its log says more.")


async def _answer(request: Request, error: Exception) -> Response:
    problem = as_problem(error)
    if problem.status == 500:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem.response()


def _invalid(errors: Sequence[Any]) -> str:
    first = errors[0]
    name = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return _one_line(f"{name or 'The request'}: {first['msg']}{more}. See /docs.")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
