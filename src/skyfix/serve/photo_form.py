"""Form fields about a photo and its camera."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, File, Form, UploadFile
from pydantic import FiniteFloat

from skyfix.errors import SkyfixError
from skyfix.gallery.nearby import Near
from skyfix.geo.camera import Pose
from skyfix.serve.galleries import MOST_CANDIDATES
from skyfix.serve.problems import ProblemError

Number = Annotated[FiniteFloat | None, Form()]
Photo = Annotated[UploadFile, File(description="JPEG, PNG, WebP or TIFF")]
NearText = Annotated[
    str | None, Form(max_length=100, description="lon,lat,radius_m", examples=["2.1,45.9,500"])
]
GalleryId = Annotated[str | None, Form(max_length=80, description="The first one by default")]


def given_pose(
    heading_deg: Annotated[
        FiniteFloat | None,
        Form(description="Direction of the photo's top, clockwise from true north"),
    ] = None,
    pitch_deg: Annotated[
        FiniteFloat | None, Form(ge=-90, le=90, description="0 horizon, -90 straight down")
    ] = None,
    roll_deg: Number = None,
    altitude_m: Annotated[
        FiniteFloat | None, Form(gt=0, le=100_000, description="Above the ground")
    ] = None,
    field_of_view_deg: Annotated[
        FiniteFloat | None, Form(gt=0, lt=180, description="Across the upright photo")
    ] = None,
) -> Pose:
    """What the client says of the camera."""
    return Pose(heading_deg, pitch_deg, altitude_m, field_of_view_deg, roll_deg)


GivenPose = Annotated[Pose, Depends(given_pose)]


@dataclass(frozen=True)
class Options:
    """How to look for a photo.

    Attributes:
        gallery: id; None for the first.
        metadata: use the pose that is written in the photo.
        near: where to look; None for everywhere.
        k: candidates to name.
        register: compare the photo with the map itself.
        similarity: tell how alike photo and places are.
    """

    gallery: str | None
    metadata: bool
    near: Near | None
    k: int
    register: bool
    similarity: bool


def options(
    gallery: GalleryId = None,
    metadata: Annotated[bool, Form(description="Use the pose in EXIF and XMP")] = True,
    near: NearText = None,
    k: Annotated[int, Form(ge=1, le=MOST_CANDIDATES)] = 5,
    registered: Annotated[
        bool, Form(alias="register", description="Far more exact, takes about a second")
    ] = True,
    similarity: Annotated[bool, Form(description="Add a grid of scores")] = False,
) -> Options:
    """The client's wishes."""
    return Options(gallery, metadata, near_of(near), k, registered, similarity)


GivenOptions = Annotated[Options, Depends(options)]


def near_of(text: str | None) -> Near | None:
    """What a client says of where to look.

    Raises:
        ProblemError: 422, not three numbers.
        SkyfixError: not on Earth.
    """
    if not text:
        return None
    try:
        lon, lat, radius_m = (float(part) for part in text.split(","))
    except ValueError:
        raise ProblemError(422, "near: give lon,lat,radius_m, such as 2.1,45.9,500.") from None
    if not (abs(lon) <= 180 and abs(lat) <= 90 and 0 < radius_m < 1e8):
        raise SkyfixError("near: lon is -180 to 180, lat -90 to 90, the radius above 0 m.")
    return lon, lat, radius_m
