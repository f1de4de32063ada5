"""A Ray cluster of two nodes on one machine, the processes of its workers, and a simple one."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyfix.errors import SkyfixError

TOKEN = "SKYFIX_TEST_CLUSTER"
STORE_BYTES = 80 * 2**20


class Clerk:
    """Squares numbers; dies of some of them, the first time or always."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ready(self) -> None:
        pass

    def do(self, number: int) -> int:
        (self._folder / f"{number}-{time.monotonic_ns()}").touch()
        first = len(list(self._folder.glob(f"{number}-*"))) == 1
        if (number % 7 == 3 and first) or number == 1000:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 2000:
            raise SkyfixError("2000 is too much.")
        return number * number


@contextmanager
def cluster(nodes: int = 2) -> Iterator[str]:
    """The address of a cluster of nodes with one CPU each; all its processes end with it."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ[TOKEN] = uuid.uuid4().hex
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    path = os.environ.get("PYTHONPATH", "")
    # Actors of tests are defined beside this file.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), path]))
    settings = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args={**settings, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**settings)
        made.wait_for_nodes()
        yield made.address
    finally:
        ray.shutdown()
        made.shutdown()
        del os.environ[TOKEN]
        os.environ["PYTHONPATH"] = path


def processes(kind: str) -> list[int]:
    """The processes of this test's cluster that are actors of a class."""
    mark = f"{TOKEN}={os.environ[TOKEN]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            if title.startswith(f"ray::{kind}".encode()) and mark in (
                folder / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)


def wait_for_processes(kind: str, number: int, seconds: float = 60) -> list[int]:
    """The same, once there are so many."""
    end = time.monotonic() + seconds
    while len(found := processes(kind)) < number:
        assert time.monotonic() < end, f"{len(found)} of {number} {kind} after {seconds} s"
        time.sleep(0.05)
    return found
