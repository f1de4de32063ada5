"""/v1/tracks: a video or frames in, fixes out while they are found."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import FiniteFloat

from skyfix.errors import SkyfixError
from skyfix.geo.camera import Pose
from skyfix.localize import Telemetry, read_telemetry
from skyfix.serve import answers
from skyfix.serve.context import Service, Shared
from skyfix.serve.photo_form import GalleryId, GivenPose
from skyfix.serve.problems import ProblemError
from skyfix.serve.strict import FormRoute
from skyfix.serve.track_folder import Event, TrackFolder, forget_old, status_of
from skyfix.serve.track_work import TrackOrder, Tracks, open_order
from skyfix.serve.uploads import (
    check_frame_size,
    is_video,
    keep,
    keep_photo,
    shown_name,
    telemetry_name,
    told,
)

router = APIRouter(prefix="/v1/tracks", tags=["tracks"], route_class=FormRoute)
TrackId = Annotated[str, PathParameter(max_length=80)]
_LOOK_S, _ALIVE_S = 0.1, 15.0
_REFUSALS = answers.problems(400, 404, 408, 413, 415, 422, 429)


@router.post(
    "", status_code=202, response_model=answers.TrackStarted, responses=_REFUSALS
)  # fmt: skip
async def start(
    service: Shared,
    request: Request,
    pose: GivenPose,
    video: Annotated[UploadFile | None, File(description="MP4, MOV, Matroska or AVI")] = None,
    frames: Annotated[list[UploadFile] | None, File(description="Photos, in order")] = None,
    telemetry: Annotated[UploadFile | None, File(description="SRT or CSV")] = None,
    gallery: GalleryId = None,
    every_s: Annotated[
        FiniteFloat, Form(gt=0, le=3600, description="Seconds from frame to frame, of a video")
    ] = 1.0,
    smooth: Annotated[bool, Form(description="Smooth all fixes at the end")] = False,
) -> Response:
    """Track a video, or a sequence of frames."""
    if (video is None) == (not frames):
        raise ProblemError(422, "Send a video, or frames, one of the two.")
    served = service.galleries.get(gallery)
    tracks: Tracks = request.app.state.tracks
    forget_old(service.settings.folder, service.settings.limits.kept_s)
    tracks.reserve()
    folder = TrackFolder.new(service.settings.folder)
    try:
        sent = _Sent(service, folder, telemetry)
        if video is not None:
            order = await service.in_thread(sent.video, video, pose, every_s, smooth)
        else:
            order = await service.in_thread(sent.frames, frames or [], pose, smooth)
    except BaseException:
        tracks.release()
        folder.remove()
        raise
    await service.in_thread(tracks.start, folder, served, order)
    here = f"/v1/tracks/{folder.id}"
    content = {"id": folder.id, "status": "running", "events": f"{here}/events"}
    return JSONResponse(content, 202, {"Location": here})


@router.get("/{id}", response_model=answers.Track, responses=answers.problems(404, 422))
async def track(service: Shared, id: TrackId) -> Response:  # noqa: A002
    """How far a track has come, and its fixes."""
    folder = TrackFolder.find(service.settings.folder, id)
    folder.ask()
    events, _ = folder.events()
    last = events[-1][1] if events else {}
    fixes = last.get("fixes") or [data for name, data in events if name == "fix"]
    notes = [*last.get("notes", []), *([last["detail"]] if "detail" in last else [])]
    content = {"id": folder.id, "status": status_of(events), "fixes": fixes, "notes": notes}
    return JSONResponse(content)


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **answers.problems(404, 422)},
)
async def events(service: Shared, id: TrackId) -> Response:  # noqa: A002
    """Server-sent events: fix for each frame, then done or problem, which ends the stream."""
    folder = TrackFolder.find(service.settings.folder, id)
    folder.ask()
    return StreamingResponse(_stream(service, folder), media_type="text/event-stream")


@router.delete(
    "/{id}", status_code=204, response_class=Response, responses=answers.problems(404, 422)
)
async def stop(service: Shared, id: TrackId) -> Response:  # noqa: A002
    """Stop a track that runs; forget one that is over."""
    folder = TrackFolder.find(service.settings.folder, id)
    if status_of(folder.events()[0]) == "running":
        folder.stop()
    else:
        folder.remove()
    return Response(status_code=204)


async def _stream(service: Service, folder: TrackFolder) -> AsyncIterator[str]:
    position, quiet_s = 0, 0.0
    yield "retry: 1000\n\n"
    while not service.closing.is_set():
        found, position = folder.events(position)
        for event in found:
            yield _sent_event(event)
            if event[0] != "fix":
                return
        folder.ask()
        quiet_s = 0.0 if found else quiet_s + _LOOK_S
        if quiet_s >= _ALIVE_S:
            quiet_s = 0.0
            yield ": alive\n\n"
        await asyncio.sleep(_LOOK_S)


def _sent_event(event: Event) -> str:
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


class _Sent:
    """What a client sent, on its way into a track's folder."""

    def __init__(self, service: Service, folder: TrackFolder, telemetry: UploadFile | None) -> None:
        self._limits = service.settings.limits
        self._source, self._telemetry = folder.path / "source", telemetry
        self._source.mkdir()

    def video(self, video: UploadFile, pose: Pose, every_s: float, smooth: bool) -> TrackOrder:
        """A video as an order."""
        if not is_video(video.file):
            raise ProblemError(
                415, "Not a video by its content. Send MP4, MOV, Matroska, WebM or AVI."
            )
        path = keep(video.file, self._source / "video")
        name = shown_name(video.filename, "video")
        order = TrackOrder(path, {path.name: name}, self._recorded(), pose, every_s, smooth)
        try:
            open_order(order)
            check_frame_size(path, self._limits.photo_pixels)
        except SkyfixError as error:
            raise told(error, path, name) from error
        return order

    def frames(self, frames: list[UploadFile], pose: Pose, smooth: bool) -> TrackOrder:
        """Frames as an order."""
        if len(frames) > self._limits.frames:
            raise ProblemError(413, f"Too many frames, the limit is {self._limits.frames}.")
        folder = self._source / "frames"
        folder.mkdir()
        names = {}
        for number, frame in enumerate(frames, 1):
            ours = f"{number:06d}.jpg"
            keep_photo(frame.file, folder / ours, self._limits.photo_pixels)
            names[ours] = shown_name(frame.filename, f"frame {number}")
        order = TrackOrder(folder, names, self._recorded(), pose, None, smooth)
        open_order(order)
        return order

    def _recorded(self) -> Telemetry | None:
        if self._telemetry is None:
            return None
        path = self._source / telemetry_name(self._telemetry.file)
        keep(self._telemetry.file, path)
        try:
            return read_telemetry(path)
        except SkyfixError as error:
            raise told(error, path, shown_name(self._telemetry.filename, "telemetry")) from error
