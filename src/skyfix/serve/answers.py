"""Shapes of answers, for the description of the interface (OpenAPI)."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

LonLat = tuple[float, float]
Bounds = tuple[float, float, float, float]

GALLERY: JsonDict = {
    "id": "town",
    "name": "town",
    "system": "skyfix_s",
    "tiles": 225,
    "tile_m": [100.0],
    "bounds": [2.1106, 45.8899, 2.1210, 45.8972],
    "min_zoom": 11,
    "max_zoom": 18,
    "imagery": True,
}
POSE: JsonDict = {
    "heading_deg": 182.75,
    "pitch_deg": -52.87,
    "roll_deg": 0.0,
    "altitude_m": 86.25,
    "field_of_view_deg": 63.44,
}
FIX: JsonDict = {
    "photo": "photo_001.jpg",
    "located": True,
    "lon": 2.114208,
    "lat": 45.893714,
    "accuracy_m": 2.1,
    "accuracy_95_m": 4.4,
    "confidence": 0.98,
    "reason": "",
    "method": "registration",
    "candidates": [
        {
            "lon": 2.1142,
            "lat": 45.8937,
            "score": 4.2,
            "tile": "3f2a9c51d0e4-100-7-7",
            "corners": [[2.1136, 45.8942], [2.1149, 45.8942], [2.1149, 45.8933], [2.1136, 45.8933]],
        }
    ],
    "camera_lon": 2.114249,
    "camera_lat": 45.894301,
    "footprint": [[2.1149, 45.8929], [2.1135, 45.8929], [2.1138, 45.8942], [2.1147, 45.8942]],
    "heading_deg": 182.9,
    "time": "2024-06-01T10:00:00.000+00:00",
    "gallery": "town",
    "known": POSE,
    "photo_lon": 2.114249,
    "photo_lat": 45.894301,
}
SIMILAR: JsonDict = {
    "photo": "photo_001.jpg",
    "gallery": "town",
    "partial": False,
    "tiles": [
        {
            "tile": "3f2a9c51d0e4-100-7-7",
            "lon": 2.1142,
            "lat": 45.8937,
            "size_m": 100.0,
            "cosine": 0.62,
        }
    ],
}


class _Example(BaseModel):
    model_config = ConfigDict(extra="allow")


class Problem(BaseModel):
    """What is wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Gallery(BaseModel):
    """Facts of a gallery; bounds are west, south, east, north in degrees."""

    model_config = ConfigDict(json_schema_extra={"example": GALLERY})
    id: str
    name: str
    system: str
    tiles: int
    tile_m: list[float]
    bounds: Bounds
    min_zoom: int
    max_zoom: int
    imagery: bool


class GalleryList(BaseModel):
    """All galleries; the first is the default one."""

    galleries: list[Gallery]


class Pose(BaseModel):
    """What is known of a camera; null is unknown."""

    heading_deg: float | None
    pitch_deg: float | None
    roll_deg: float | None
    altitude_m: float | None
    field_of_view_deg: float | None


class PhotoPose(Pose):
    """What a photo says of its own camera; the position is never used to find it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {**POSE, "lon": 2.11425, "lat": 45.8943, "time": "2024-06-01T10:00:00+00:00"}
        }
    )
    lon: float | None
    lat: float | None
    time: datetime | None


class Candidate(BaseModel):
    """A tile that looks like the photo."""

    lon: float
    lat: float
    score: float
    tile: str
    corners: list[LonLat]


class SimilarTile(BaseModel):
    """A tile, its centre, its side and the cosine between its descriptor and the photo's."""

    tile: str
    lon: float
    lat: float
    size_m: float
    cosine: float


class Similar(BaseModel):
    """The tiles most like a photo; partial where a part of the gallery did not answer."""

    model_config = ConfigDict(json_schema_extra={"example": SIMILAR})
    photo: str
    gallery: str
    partial: bool
    tiles: list[SimilarTile]


class Similarity(BaseModel):
    """Best score in each cell of a grid, row by row from the north-west; null without a tile."""

    bounds: Bounds
    columns: int
    rows: int
    values: list[float | None]


class Fix(_Example):
    """Where a photo was taken; times, camera and footprint are there where they are known."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": FIX})
    photo: str
    located: bool
    lon: float | None
    lat: float | None
    accuracy_m: float | None
    accuracy_95_m: float | None
    confidence: float
    reason: str
    method: Literal["tiles", "registration", "filter", "smoother"]
    candidates: list[Candidate]
    camera_lon: float | None = None
    camera_lat: float | None = None
    footprint: list[LonLat] = []
    heading_deg: float | None = None
    time: datetime | None = None
    time_s: float | None = None
    gallery: str
    known: Pose
    photo_lon: float | None
    photo_lat: float | None
    similarity: Similarity | None = None


class TrackFix(_Example):
    """A frame's fix; the recorded position where the telemetry has one."""

    photo: str
    located: bool
    lon: float | None
    lat: float | None
    index: int
    time_s: float


class TrackStarted(BaseModel):
    """A track that runs now."""

    id: str
    status: Literal["running"]
    events: str


class Track(BaseModel):
    """How far a track has come; its fixes are smoothed at the end if that was asked for."""

    id: str
    status: Literal["running", "done", "stopped", "failed"]
    fixes: list[TrackFix]
    notes: list[str]


class Health(BaseModel):
    """Whether the service can work."""

    status: Literal["ok", "ready"]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Entries of OpenAPI for refusals."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {status: {"description": "Refused", "content": content} for status in statuses}
