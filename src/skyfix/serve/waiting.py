"""Waiting for an answer as long as its client does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from skyfix.serve.problems import CLIENT_GONE, ProblemError

_Answer = TypeVar("_Answer")


async def answer_for(request: Request, work: Awaitable[_Answer], limit_s: float) -> _Answer:
    """What work gives; it is cancelled when the client goes away or the time is up.

    Raises:
        ProblemError: 503, not ready in time; 499, the client has gone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if gone.done():
            raise ProblemError(CLIENT_GONE, "The client has gone.")
        raise ProblemError(
            503,
            f"No answer within {limit_s:g} s. Try again later, or without registration.",
            {"Retry-After": "10"},
        )
    finally:
        working.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
