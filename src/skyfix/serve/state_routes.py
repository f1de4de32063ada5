"""Whether the service works, what it counts, and a description of it for people."""

import html
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from skyfix.serve import answers
from skyfix.serve.context import Shared
from skyfix.serve.problems import ProblemError

router = APIRouter(tags=["state"])


@router.get("/healthz", response_model=answers.Health, responses=answers.problems(503))
async def health(service: Shared) -> Response:
    """Whether the process works; if not, it has to be started anew."""
    if not service.model.alive:
        raise ProblemError(503, "The thread that runs networks has died.")
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=answers.Health, responses=answers.problems(503))
async def ready(service: Shared) -> Response:
    """Whether new requests are welcome; not while the service is being stopped."""
    if service.closing.is_set() or not service.model.alive:
        raise ProblemError(503, "The service is being stopped.")
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)  # fmt: skip
async def metrics(service: Shared) -> Response:
    """Counts and times in Prometheus' text format."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The interface as one plain page, without a script."""
    description: dict[str, Any] = request.app.openapi()
    parts = [
        f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation.get('description', ''))}</p>"
        f"<p>{_statuses(operation)}</p>"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>skyfix service</title>'
        f"</head><body><h1>skyfix {html.escape(description['info']['version'])}</h1>"
        '<p>The full description is <a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(parts)}</body></html>"
    )


def _statuses(operation: dict[str, Any]) -> str:
    return "Answers: " + ", ".join(sorted(operation["responses"]))
