"""Building a gallery with many machines: windows are cut and embedded by workers of a Ray cluster.

The process that builds plans the windows, takes their tiles in the plan's order and is the only
one that writes, so the gallery is the one that it would build alone. Workers read the maps
themselves: these have to lie at the same path on every machine.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from skyfix.bucket_path import any_path
from skyfix.errors import SkyfixError
from skyfix.gallery.cluster import Crew, join
from skyfix.gallery.sources import fingerprint
from skyfix.gallery.windows import Cutting, Embedded, Window, WindowCutter
from skyfix.views import View

if TYPE_CHECKING:
    from skyfix.inference import Embedder


class ClusterEmbedder:
    """Give it to ``Gallery.build`` or ``Gallery.add`` in place of its embedder.

    Args:
        embedder: what the workers run; its checkpoint is sent to them.
        address: of the cluster, ``auto`` or host:port.
        device: of the workers, as for ``Embedder``.
        workers: how many; by default one for each GPU of the cluster or, where there are none or
            ``device`` is cpu, for each CPU.

    Raises:
        SkyfixError: there is no such cluster, or it has none of what the workers need.
    """

    def __init__(
        self,
        embedder: "Embedder",
        address: str = "auto",
        device: str = "auto",
        workers: int | None = None,
    ) -> None:
        import ray

        join(address)
        self._embedder, self._device = embedder, device
        there = ray.cluster_resources()
        self._kind = "GPU" if device != "cpu" and there.get("GPU") else "CPU"
        self._workers = int(there.get(self._kind, 0)) if workers is None else workers
        if self._workers < 1:
            raise SkyfixError(
                f"{self._workers} workers for the cluster at {address}. It needs a CPU for each."
            )

    @property
    def dimensions(self) -> int:
        """Length D of a descriptor."""
        return self._embedder.dimensions

    @property
    def input_px(self) -> tuple[int, int]:
        """(height, width) of its input."""
        return self._embedder.input_px

    @property
    def identity(self) -> str:
        """Digest of weights, arguments and preprocessing."""
        return self._embedder.identity

    def embed(self, images: Sequence[np.ndarray], view: View) -> np.ndarray:
        """Unit descriptors (N, D) float32 of images (H, W, 3) uint8, made in this process."""
        return self._embedder.embed(images, view)

    def save(self, folder: Path | str) -> None:
        """Write a checkpoint folder."""
        self._embedder.save(folder)

    def embed_windows(self, cutting: Cutting, windows: Iterator[Window]) -> Iterator[Embedded]:
        """All windows, cut and embedded by the workers, in their order.

        Raises:
            SkyfixError: a worker cannot read a map or load the system, or workers die again and
                again.
        """
        import ray

        system = ray.put(_Sent(_files(self._embedder), self.identity, self._embedder.batch_size))
        work = ray.put(cutting)
        # Two calls at once: one window is cut while another one is embedded.
        options: dict[str, Any] = {"max_concurrency": 2, "scheduling_strategy": "SPREAD"}
        options |= {"num_cpus": 1} | ({"num_gpus": 1} if self._kind == "GPU" else {})
        worker = ray.remote(**options)(TileWorker)

        def hire() -> Any:
            return worker.remote(system, work, self._device)

        yield from Crew[Window, Embedded](hire, self._workers).results(windows)


class _Sent:
    """A checkpoint on its way: content of its files by name, digest, images a batch."""

    def __init__(self, files: dict[str, bytes], identity: str, batch_size: int) -> None:
        self.files, self.identity, self.batch_size = files, identity, batch_size


def _files(embedder: "Embedder") -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "system"
        embedder.save(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


class TileWorker:
    """Cuts and embeds windows, in a process of its own on some machine.

    Args:
        system: the checkpoint.
        cutting: what the windows are of.
        device: as for ``Embedder``.
    """

    def __init__(self, system: _Sent, cutting: Cutting, device: str) -> None:
        self._system, self._cutting, self._device = system, cutting, device
        self._cutter = WindowCutter(cutting)
        # Maps that are databases want to be read by the thread that opened them.
        self._reading = ThreadPoolExecutor(1)
        self._seen: set[int] = set()
        self._computing = Lock()

    def ready(self) -> None:
        """Load the system.

        Raises:
            SkyfixError: it cannot be loaded here.
        """
        from skyfix.inference import Embedder

        with tempfile.TemporaryDirectory() as folder:
            for name, content in self._system.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self._embedder = Embedder(folder, self._device, self._system.batch_size)
        if self._embedder.identity != self._system.identity:
            raise SkyfixError(
                "A worker of the cluster loads another system than the one it was sent. Install "
                "the same version of skyfix on all machines."
            )

    def do(self, window: Window) -> Embedded:
        """Cut and embed a window.

        Raises:
            SkyfixError: the map cannot be read here, or is another one.
        """
        piece = self._reading.submit(self._cut, window).result()
        with self._computing:
            return Embedded.of(window, piece, self._embedder)

    def _cut(self, window: Window) -> Any:
        self._check(self._cutting.jobs[window.job].raster)
        return self._cutter.cut(window)

    def _check(self, raster: int) -> None:
        """Refuse a map that is missing on this machine, or another one."""
        if raster in self._seen:
            return
        source = self._cutting.sources[raster]
        path = any_path(source.path)
        if not path.exists() or fingerprint(path) != source.fingerprint:
            raise SkyfixError(
                f"{path} is missing on a machine of the cluster, or another file there. Put the "
                "maps at the same path on all machines, such as on a shared disk."
            )
        self._seen.add(raster)
