"""What a service is started with."""

from dataclasses import dataclass, field
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one client may ask for; each limit holds in every worker process.

    Attributes:
        photo_bytes: body of a request with a photo.
        track_bytes: body of a request with a video or frames.
        json_bytes: body of any other request.
        photo_pixels: of a photo, or of a frame of a video.
        frames: frames of one track.
        in_flight: requests with a body that are dealt with at a time; more are told to wait.
        tracks: tracks that run at a time.
        request_s: seconds until a fix has to be found.
        body_grace_s: a body may stall so long in all.
        body_bytes_a_second: slower bodies are given up once the grace is over.
        drain_s: seconds that requests get to finish when the service is told to stop.
        unwatched_s: a track that nobody asked after for so long is stopped.
        kept_s: what a finished track found is kept so long.
    """

    photo_bytes: int = 64 * MIB
    track_bytes: int = 1024 * MIB
    json_bytes: int = 16 * MIB
    photo_pixels: int = 100_000_000
    frames: int = 3000
    in_flight: int = 64
    tracks: int = 4
    request_s: float = 120.0
    body_grace_s: float = 15.0
    body_bytes_a_second: float = 16_384.0
    drain_s: float = 30.0
    unwatched_s: float = 120.0
    kept_s: float = 3600.0


@dataclass(frozen=True)
class Settings:
    """How the service runs.

    Attributes:
        galleries: folders, or s3://bucket/folder; the first is the default one.
        folder: private folder for uploads and tracks, shared by all workers.
        host: address that it listens on.
        key: what clients have to show; None lets everybody in.
        device: of the network, auto, cpu or cuda.
        workers: processes.
        ray: address of a Ray cluster that ``/v1/search`` spreads the galleries over; None to
            search in this process.
        limits: on requests.
    """

    galleries: tuple[str, ...]
    folder: Path
    host: str = "127.0.0.1"
    key: str | None = field(default=None, repr=False)
    device: str = "auto"
    workers: int = 1
    ray: str | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can reach the service."""
        return self.host in LOOPBACK


LOOPBACK = ("127.0.0.1", "::1", "localhost")
