"""/v1/search: one photo in, the tiles most like it out."""

import asyncio
from typing import Annotated, BinaryIO

import numpy as np
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from skyfix.errors import SkyfixError
from skyfix.gallery.nearby import Near
from skyfix.images import read_image
from skyfix.inference.embedder import DECODE_MARGIN
from skyfix.localize.similar import Similar, similar_tiles
from skyfix.serve import answers
from skyfix.serve.context import Service, Shared
from skyfix.serve.galleries import Served
from skyfix.serve.photo_form import GalleryId, NearText, Photo, near_of
from skyfix.serve.strict import FormRoute
from skyfix.serve.uploads import keep_photo, private_folder, shown_name, told
from skyfix.serve.waiting import answer_for

MOST_TILES = 1000
router = APIRouter(prefix="/v1", tags=["photos"], route_class=FormRoute)


@router.post(
    "/search",
    response_model=answers.Similar,
    responses=answers.problems(400, 404, 408, 413, 415, 422, 429, 503),
)
async def search(
    service: Shared,
    request: Request,
    photo: Photo,
    gallery: GalleryId = None,
    near: NearText = None,
    k: Annotated[int, Form(ge=1, le=MOST_TILES)] = 10,
) -> Response:
    """The tiles most like a photo as it is: no pose is used, no position found."""
    served = service.galleries.get(gallery)
    name = shown_name(photo.filename, "photo")
    work = _found(service, served, photo.file, name, k, near_of(near))
    similar = await answer_for(request, work, service.settings.limits.request_s)
    return JSONResponse(similar.to_json() | {"gallery": served.id})


async def _found(
    service: Service, served: Served, content: BinaryIO, name: str, k: int, near: Near | None
) -> Similar:
    embedder = served.locator.embedder
    least_px = DECODE_MARGIN * max(embedder.input_px)
    pixels = await service.in_thread(_pixels, service, content, name, least_px)
    embedded = service.model.call(lambda: embedder.embed([pixels], "drone"))
    descriptors = await asyncio.wrap_future(embedded)
    found = await service.in_thread(
        similar_tiles, [name], descriptors, served.gallery, served.search, k, near
    )
    return found[0]


def _pixels(service: Service, content: BinaryIO, name: str, shortest_px: int) -> np.ndarray:
    with private_folder(service.settings.folder) as folder:
        path = keep_photo(content, folder / "photo", service.settings.limits.photo_pixels)
        try:
            return np.asarray(read_image(path, shortest_px))
        except SkyfixError as error:
            raise told(error, path, name) from error
