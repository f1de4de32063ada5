"""/v1/galleries: facts, pictures of tiles, map tiles."""

import hashlib
import io
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from skyfix.serve import answers
from skyfix.serve.context import Shared
from skyfix.serve.galleries import Served
from skyfix.serve.problems import ProblemError

router = APIRouter(prefix="/v1/galleries", tags=["galleries"])
Id = Annotated[str, Path(max_length=80, examples=["town"])]
TileId = Annotated[str, Path(max_length=120, examples=["3f2a9c51d0e4-100-7-7"])]
_CACHE = "private, max-age=60"


@router.get("", response_model=answers.GalleryList)
async def list_galleries(service: Shared) -> Response:
    """All galleries that are served."""
    return JSONResponse({"galleries": [one.facts for one in service.galleries.all()]})


@router.get("/{id}", response_model=answers.Gallery, responses=answers.problems(404, 422))
async def gallery(service: Shared, id: Id) -> Response:  # noqa: A002
    """Facts of one gallery."""
    return JSONResponse(service.galleries.get(id).facts)


@router.get(
    "/{id}/tiles/{tile}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **answers.problems(404, 422)},
)
async def thumbnail(
    service: Shared, request: Request, id: Id, tile: TileId  # noqa: A002
) -> Response:  # fmt: skip
    """A small picture of a gallery tile."""
    served = service.galleries.get(id)
    picture = await service.in_thread(_thumbnail, served, tile)
    return _cached(request, picture, "image/jpeg")


@router.get(
    "/{id}/map/{z}/{x}/{y}.png",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}},
        204: {"description": "No imagery there"},
        **answers.problems(404, 422),
    },
)
async def map_tile(
    service: Shared,
    request: Request,
    id: Id,  # noqa: A002
    z: Annotated[int, Path(ge=0, le=24, examples=[17])],
    x: Annotated[int, Path(ge=0, lt=2**24, examples=[66305])],
    y: Annotated[int, Path(ge=0, lt=2**24, examples=[46686])],
) -> Response:
    """A tile of the gallery's imagery, 256 x 256 px, XYZ in web Mercator."""
    served = service.galleries.get(id)
    picture = await service.in_thread(served.map.png, z, x, y)
    if picture is None:
        return Response(status_code=204, headers={"Cache-Control": _CACHE})
    return _cached(request, picture, "image/png")


def _thumbnail(served: Served, tile: str) -> bytes:
    row = served.row_of(tile)
    if row is None:
        raise ProblemError(404, "No such tile in this gallery. Fixes name tiles as candidates.")
    if not served.gallery.has_thumbnails:
        raise ProblemError(404, "This gallery was built without thumbnails.")
    stream = io.BytesIO()
    served.gallery.thumbnail(row).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _cached(request: Request, content: bytes, media_type: str) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"Cache-Control": _CACHE, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
