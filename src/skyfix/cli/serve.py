"""`skyfix serve`."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from skyfix.cli.numbers import AtLeastOne
from skyfix.errors import SkyfixError

_KEY = "SKYFIX_API_KEY"
_SHORTEST_KEY = 16


def serve(
    *,
    gallery: Annotated[tuple[str, ...], Parameter(required=True)],
    host: str = "127.0.0.1",
    port: int = 8652,
    api_key_file: Path | None = None,
    key: bool = True,
    workers: AtLeastOne = 1,
    device: str = "auto",
    ray: str | None = None,
    temp: Path | None = None,
) -> None:
    """Serve galleries over HTTP, with a map page.

    Example: `skyfix serve --gallery gallery`, then open http://127.0.0.1:8652

    Parameters
    ----------
    gallery
        Folder of a gallery, or s3://bucket/folder; may be given several times. The first is the
        default one. A gallery that is changed or replaced meanwhile is picked up.
    host
        Address to listen on; by default only programs of this machine reach the service. Any
        other one needs a key.
    port
        Port to listen on.
    api_key_file
        File with the key that clients have to show; else the environment variable
        SKYFIX_API_KEY counts.
    key
        --no-key lets everybody in who can reach the address.
    workers
        Processes that serve; each holds the galleries and the networks.
    device
        auto, cpu or cuda.
    ray
        Ray cluster that holds the galleries' descriptors for /v1/search: auto, or host:port of
        its head. Fixes are found in the service's own processes.
    temp
        Where the private folder for uploads is made; the system's place by default.
    """
    from skyfix.serve.run import run
    from skyfix.serve.settings import Settings

    folder = temp or Path(tempfile.gettempdir())
    if not folder.is_dir():
        raise SkyfixError(f"No folder {folder} for uploads. Make it or choose another --temp.")
    secret = _secret(api_key_file)
    settings = Settings(gallery, folder, host, secret, device, workers, ray)
    if ray is not None and workers > 1:
        raise SkyfixError("Each worker would hold shards of its own. Use --ray or --workers.")
    if not key and secret is not None:
        raise SkyfixError("There is a key, but --no-key asks for none. Leave one of them out.")
    if key and secret is None and not settings.is_local:
        raise SkyfixError(
            f"On {host} others can reach the service: give a key with --api-key-file or "
            f"{_KEY}, or let everybody in with --no-key."
        )
    run(settings, port)


def _secret(file: Path | None) -> str | None:
    if file is None:
        secret = os.environ.get(_KEY, "").strip()
        if not secret:
            return None
    else:
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SkyfixError(f"Cannot read the key in {file}: {error}.") from error
    if len(secret) < _SHORTEST_KEY or not secret.isascii():
        raise SkyfixError(
            f"The key is shorter than {_SHORTEST_KEY} characters or not plain ASCII. Make one: "
            "openssl rand -hex 32"
        )
    return secret
