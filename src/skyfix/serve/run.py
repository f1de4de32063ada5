"""Starting the service: a private folder, then one process or several."""

import fcntl
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.memory import keep_freed_memory
from skyfix.serve.app import create_app
from skyfix.serve.metrics import FOLDER
from skyfix.serve.settings import Settings

_PREFIX = "skyfix-serve-"
_LOCK = "lock"


@dataclass(frozen=True)
class _Factory:
    """Makes the application in each worker."""

    settings: Settings

    def __call__(self) -> Any:
        # Before there are threads: what one has taken for its own it keeps.
        keep_freed_memory()
        return create_app(self.settings)


def run(settings: Settings, port: int) -> None:
    """Serve until told to stop.

    Args:
        settings: of the service; its folder is made below ``settings.folder``.
        port: to listen on.

    Raises:
        SkyfixError: a gallery cannot be opened, or the address is taken.
    """
    for path in settings.galleries:
        Gallery.open(path)
    _check_address(settings.host, port)
    with private_place(settings.folder) as folder:
        settings = replace(settings, folder=folder)
        config = uvicorn.Config(
            _Factory(settings),
            factory=True,
            host=settings.host,
            port=port,
            workers=settings.workers,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=round(settings.limits.drain_s),
            timeout_worker_healthcheck=60,
            log_level="info",
            access_log=False,
        )
        # Once all is done uvicorn sends itself the signal again, which must not end us before the
        # folder is removed.
        signal.signal(signal.SIGTERM, _leave)
        with config.bind_socket() as listening:
            if settings.workers > 1:
                counts = folder / "metrics"
                counts.mkdir()
                os.environ[FOLDER] = str(counts)
                Multiprocess(config, [listening]).run()
            else:
                uvicorn.Server(config).run([listening])


@contextmanager
def private_place(parent: Path) -> Iterator[Path]:
    """A folder of this service alone; those that killed services left behind are removed."""
    _remove_left_over(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check_address(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SkyfixError(
            f"Cannot listen on {host}:{port}: {reason}. Choose another --port or --host."
        ) from error


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _remove_left_over(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        # Links and folders of other users are none of ours.
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
