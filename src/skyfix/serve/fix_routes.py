"""/v1/fixes and /v1/poses: one photo in, its fix or its pose out."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.localize import Fix, Known, PhotoMetadata, known_of, read_metadata
from skyfix.localize.prepare import Prepared, prepare
from skyfix.outputs.geojson import as_geojson
from skyfix.serve import answers
from skyfix.serve.context import Service, Shared
from skyfix.serve.galleries import Served
from skyfix.serve.model import Found
from skyfix.serve.photo_form import GivenOptions, GivenPose, Options, Photo
from skyfix.serve.similarity import similarity_grid
from skyfix.serve.strict import FormRoute
from skyfix.serve.uploads import keep_photo, private_folder, shown_name, told
from skyfix.serve.waiting import answer_for

GEOJSON = "application/geo+json"
router = APIRouter(prefix="/v1", tags=["photos"], route_class=FormRoute)
_REFUSALS = answers.problems(400, 404, 408, 413, 415, 422, 429, 503)


@router.post("/poses", response_model=answers.PhotoPose, responses=_REFUSALS)
async def pose(service: Shared, request: Request, photo: Photo) -> Response:
    """What a photo's EXIF and XMP tags say of its camera; nothing is located."""
    work = service.in_thread(_metadata, service, photo.file)
    metadata = await answer_for(request, work, service.settings.limits.request_s)
    content = {**pose_json(metadata.pose), "lon": metadata.lon, "lat": metadata.lat}
    return JSONResponse({**content, "time": metadata.time and metadata.time.isoformat()})


@router.post(
    "/fixes",
    response_model=answers.Fix,
    responses={200: {"content": {GEOJSON: {"schema": {"type": "object"}}}}, **_REFUSALS},
)
async def fix(
    service: Shared,
    request: Request,
    photo: Photo,
    pose: GivenPose,
    options: GivenOptions,
    format: Annotated[Literal["json", "geojson"] | None, Query()] = None,  # noqa: A002
) -> Response:
    """Where a photo was taken.

    A photo that cannot be placed is an answer too: ``located`` is false and ``reason`` says why.
    """
    served = service.galleries.get(options.gallery)
    name = shown_name(photo.filename, "photo")
    work = _located(service, served, photo.file, name, pose, options)
    known, found = await answer_for(request, work, service.settings.limits.request_s)
    fix = replace(
        found.fix,
        photo=name,
        time=known.metadata.time,
        candidates=found.fix.candidates[: options.k],
    )
    service.metrics.count_fix(fix.located)
    if (format or _wanted(request)) == "geojson":
        return JSONResponse(as_geojson([fix]), media_type=GEOJSON)
    content = fix_json(fix, served) | {
        "known": pose_json(known.pose),
        "photo_lon": known.metadata.lon,
        "photo_lat": known.metadata.lat,
    }
    if options.similarity and len(found.rows):
        stride_m = min(scale.stride_m for scale in served.gallery.scales)
        tiles = served.gallery.tiles
        content["similarity"] = similarity_grid(tiles, found.rows, found.scores, stride_m)
    return JSONResponse(content)


def pose_json(pose: Pose) -> dict[str, float | None]:
    """A pose by the interface's names."""
    return {
        "heading_deg": pose.heading_deg,
        "pitch_deg": pose.pitch_deg,
        "roll_deg": pose.roll_deg,
        "altitude_m": pose.altitude_m,
        "field_of_view_deg": pose.hfov_deg,
    }


def fix_json(fix: Fix, served: Served) -> dict[str, Any]:
    """A fix with its gallery and the corners of its candidates."""
    content = fix.to_json() | {"gallery": served.id}
    for candidate in content["candidates"]:
        row = served.row_of(candidate["tile"])
        candidate["corners"] = [] if row is None else served.corners(row)
    return content


async def _located(
    service: Service, served: Served, content: BinaryIO, name: str, pose: Pose, options: Options
) -> tuple[Known, Found]:
    known, prepared = await service.in_thread(
        _prepared, service, served, content, name, pose, options
    )
    found = service.model.find(served, prepared, options.near)
    return known, await asyncio.wrap_future(found)


def _prepared(
    service: Service, served: Served, content: BinaryIO, name: str, pose: Pose, options: Options
) -> tuple[Known, Prepared]:
    scales = [
        replace(scale, register=scale.register and options.register)
        for scale in served.locator.scales
    ]
    with private_folder(service.settings.folder) as folder:
        path = _kept(service, content, folder)
        try:
            known = known_of(path, pose, None, options.metadata)
            return known, prepare(path, known.pose, scales)
        except SkyfixError as error:
            raise told(error, path, name) from error


def _metadata(service: Service, content: BinaryIO) -> PhotoMetadata:
    with private_folder(service.settings.folder) as folder:
        return read_metadata(_kept(service, content, folder))


def _kept(service: Service, content: BinaryIO, folder: Path) -> Path:
    return keep_photo(content, folder / "photo", service.settings.limits.photo_pixels)


def _wanted(request: Request) -> str:
    return "geojson" if GEOJSON in request.headers.get("accept", "") else "json"
