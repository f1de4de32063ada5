"""/v1/exports: fixes in, a file for other programs out."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from skyfix.localize import Fix
from skyfix.outputs import write_fixes
from skyfix.serve import answers
from skyfix.serve.context import Service, Shared
from skyfix.serve.strict import JsonRoute
from skyfix.serve.uploads import private_folder

router = APIRouter(prefix="/v1", tags=["exports"], route_class=JsonRoute)
Form = Literal["geojson", "kml", "gpx", "csv"]
MEDIA_TYPES: dict[Form, str] = {
    "geojson": "application/geo+json",
    "kml": "application/vnd.google-earth.kml+xml",
    "gpx": "application/gpx+xml",
    "csv": "text/csv",
}
_MOST_FIXES, _LONGEST_TEXT = 20_000, 1000
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def _printable(text: str) -> str:
    """What XML can hold."""
    return "".join(one if one.isprintable() else " " for one in text)


def _in_range(time: datetime) -> datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(f"the year is not from {_FIRST_YEAR} to {_LAST_YEAR}")
    return time


Text = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_printable)]
Lon = Annotated[FiniteFloat, Field(ge=-180, le=180)]
Lat = Annotated[FiniteFloat, Field(ge=-90, le=90)]
Metres = Annotated[FiniteFloat, Field(ge=0, le=1e8)]
Time = Annotated[AwareDatetime, AfterValidator(_in_range)]


class ExportCandidate(BaseModel):
    """A tile that looks like the photo."""

    lon: Lon
    lat: Lat
    score: FiniteFloat
    tile: Text


class ExportFix(BaseModel):
    """A fix as /v1/fixes and /v1/tracks gave it; what else they say is left out."""

    model_config = ConfigDict(json_schema_extra={"example": answers.FIX})
    photo: Text
    located: bool
    lon: Lon | None = None
    lat: Lat | None = None
    accuracy_m: Metres | None = None
    accuracy_95_m: Metres | None = None
    confidence: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.0
    reason: Text = ""
    method: Literal["tiles", "registration", "filter", "smoother"] = "tiles"
    candidates: Annotated[list[ExportCandidate], Field(max_length=50)] = []
    camera_lon: Lon | None = None
    camera_lat: Lat | None = None
    footprint: Annotated[list[tuple[Lon, Lat]], Field(max_length=100)] = []
    heading_deg: FiniteFloat | None = None
    time: Time | None = None
    time_s: Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)] | None = None

    def fix(self) -> Fix:
        """As what it was before."""
        return Fix.from_json(self.model_dump(mode="json", exclude_none=True))


class Export(BaseModel):
    """What to write."""

    fixes: Annotated[list[ExportFix], Field(min_length=1, max_length=_MOST_FIXES)]


@router.post(
    "/exports",
    response_class=Response,
    responses={
        200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}},
        **answers.problems(400, 408, 413, 415, 422, 429),
    },
)
async def export(
    service: Shared,
    request: Request,
    content: Export,
    format: Annotated[Form, Query()] = "geojson",  # noqa: A002
) -> Response:
    """Fixes as a file."""
    file = await service.in_thread(_written, service, content, format)
    headers = {"Content-Disposition": f'attachment; filename="fixes.{format}"'}
    return Response(file, media_type=MEDIA_TYPES[format], headers=headers)


def _written(service: Service, content: Export, format: Form) -> bytes:  # noqa: A002
    with private_folder(service.settings.folder) as folder:
        path = folder / f"fixes.{format}"
        write_fixes([one.fix() for one in content.fixes], path)
        return path.read_bytes()
