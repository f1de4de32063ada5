"""Limits on what is sent to the service: how much, how slowly, how many at a time."""

import asyncio
import contextlib
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skyfix.serve.problems import ProblemError
from skyfix.serve.settings import Limits

_DRAIN_BYTES, _DRAIN_S = 8 * 2**20, 2.0
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


class _RefusedError(Exception):
    """Ends the reading of a body; the client is told the reason instead of this."""


class Bodies:
    """ASGI middleware that refuses bodies with 408, 413 or 429.

    Bytes are counted while they come, whatever Content-Length says. A body may stall for a while
    in all, and has to come at a least pace after that.

    Args:
        app: what reads the bodies.
        limits: of the service.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        most = _most_bytes(scope["path"], self._limits)
        if self._in_flight >= self._limits.in_flight:
            await _refuse(_busy(), scope, receive, send)
        elif _declared_bytes(scope) > most:
            await _refuse(_too_large(most), scope, receive, send)
        else:
            self._in_flight += 1
            try:
                await _Body(scope, receive, send, most, self._limits).go_through(self._app)
            finally:
                self._in_flight -= 1


class _Body:
    """One request's body on its way to the app."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, most: int, limits: Limits
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._most, self._limits = most, limits
        self._got, self._complete, self._started = 0, False, time.monotonic()
        self._refused: ProblemError | None = None

    async def go_through(self, app: ASGIApp) -> None:
        """Let the app answer, unless the body is refused meanwhile."""
        with contextlib.suppress(_RefusedError):
            await app(self._scope, self._next, self._answer)
        if self._refused is not None:
            await _refuse(self._refused, self._scope, self._receive, self._send)

    async def _answer(self, message: Message) -> None:
        # What the app makes of a body that broke off is nobody's answer.
        if self._refused is None:
            await self._send(message)

    async def _next(self) -> Message:
        if self._complete:
            return await self._receive()
        pace = self._limits.body_bytes_a_second
        due = self._started + self._limits.body_grace_s + self._got / pace
        try:
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self._refused = ProblemError(408, "The request came too slowly. Send it again.")
            raise _RefusedError from None
        self._got += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._got > self._most:
            self._refused = _too_large(self._most)
            raise _RefusedError
        return message


def _most_bytes(path: str, limits: Limits) -> int:
    if path in ("/v1/fixes", "/v1/poses", "/v1/search"):
        return limits.photo_bytes
    return limits.track_bytes if path == "/v1/tracks" else limits.json_bytes


def _declared_bytes(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, but take in some of what still comes.

    A connection closed while the client is sending is reset, and the answer lost with it.
    """
    await problem.send_start(send)
    if Headers(scope=scope).get("expect") is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await _drain(receive)
    await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive) -> None:
    got = 0
    while got < _DRAIN_BYTES:
        message = await receive()
        got += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _busy() -> ProblemError:
    return ProblemError(
        429, "Too many requests at a time. Try again in a moment.", {"Retry-After": "1"}
    )


def _too_large(most: int) -> ProblemError:
    return ProblemError(413, f"The request is too large, the limit is {most / 2**20:g} MiB.")
