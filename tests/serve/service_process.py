"""A real service as a process of its own, with limits that tests can reach."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

SMALL = {
    "photo_bytes": 4 * 2**20,
    "track_bytes": 8 * 2**20,
    "json_bytes": 2**20,
    "photo_pixels": 10_000_000,
    "frames": 40,
    "in_flight": 16,
    "tracks": 2,
    "body_grace_s": 1.0,
    "unwatched_s": 3.0,
}
_PROGRAM = """
import json, os, signal, sys, threading
from pathlib import Path
def outlive_nobody():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=outlive_nobody, daemon=True).start()
from skyfix.serve.run import run
from skyfix.serve.settings import Limits, Settings
folder, port, workers, limits, *galleries = sys.argv[1:]
limits = Limits(**json.loads(limits))
run(Settings(tuple(galleries), Path(folder), workers=int(workers), limits=limits), int(port))
"""


@dataclass
class Running:
    """A service that runs.

    Attributes:
        process: its parent process.
        url: where it listens.
        folder: its private folder is in this one.
    """

    process: subprocess.Popen
    url: str
    folder: Path

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self.url.rpartition(":")[2])

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False)

    def rss_mib(self) -> float:
        """Resident memory of the process and its children."""
        process = psutil.Process(self.process.pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 2**20

    def left_over(self) -> list[Path]:
        """Uploads that are still on disk."""
        return list(self.folder.glob("skyfix-serve-*/upload-*"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def serving(
    galleries: Sequence[Path],
    folder: Path,
    workers: int = 1,
    limits: Mapping[str, float] | None = None,
) -> Iterator[Running]:
    """A service that is ready."""
    port = free_port()
    settings = [
        str(folder),
        str(port),
        str(workers),
        json.dumps(dict(SMALL if limits is None else limits)),
    ]
    command = [sys.executable, "-c", _PROGRAM, *settings, *map(str, galleries)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    log = folder / "service.log"
    with log.open("a") as stream:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=stream, stderr=stream
        )
    running = Running(process, f"http://127.0.0.1:{port}", folder)
    with process:
        try:
            wait_ready(running, log)
            yield running
        finally:
            if process.poll() is None:
                running.stop()


def wait_ready(running: Running, log: Path) -> None:
    """Until the service answers."""
    deadline = time.monotonic() + 240
    with running.client() as client:
        while time.monotonic() < deadline:
            assert running.process.poll() is None, log.read_text()
            try:
                if client.get("/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
    raise AssertionError(f"not ready: {log.read_text()}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
