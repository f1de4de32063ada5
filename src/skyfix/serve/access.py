"""Who may ask: a key, and on a machine's own address only its own programs."""

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from skyfix.serve.problems import ProblemError
from skyfix.serve.settings import LOOPBACK, Settings

OPEN_PATHS = ("/", "/healthz", "/readyz", "/docs", "/openapi.json")
OPEN_FOLDER = "/static/"
"""What needs no key: it tells nothing of galleries, photos or tracks."""


class Access:
    """ASGI middleware that refuses with 401 or 403.

    Without a key on the machine's own address, a page of another site must not get at the service
    through the user's browser: neither by a name that resolves here (the Host header has to be
    local) nor by a form (the Origin has to be the service's own).

    Args:
        app: what is guarded.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._digest = _digest(settings.key.encode()) if settings.key else None
        self._only_local = settings.is_local and settings.key is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            problem = self._foreign(headers) or self._without_key(scope["path"], headers)
            if problem is not None:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _foreign(self, headers: Headers) -> ProblemError | None:
        host = headers.get("host", "")
        if self._only_local and _name(host) not in LOOPBACK:
            return ProblemError(
                403, "This service answers under the name localhost or 127.0.0.1 alone."
            )
        origin = headers.get("origin")
        if origin is not None and self._digest is None and urlsplit(origin).netloc != host:
            return ProblemError(403, "Pages of other sites may not use this service.")
        return None

    def _without_key(self, path: str, headers: Headers) -> ProblemError | None:
        if self._digest is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Digests have one length: the comparison tells nothing of the key's.
        fits = hmac.compare_digest(_digest(given.strip().encode("latin-1")), self._digest)
        if scheme.lower() == "bearer" and fits:
            return None
        return ProblemError(
            401,
            "The key is missing or wrong. Send it as Authorization: Bearer KEY.",
            {"WWW-Authenticate": "Bearer"},
        )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "") if host.isprintable() and " " not in host else ""
