"""The embedder: image in, descriptor out. What is evaluated is what flies."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.images import ImageError, read_image
from skyfix.inference.artefact import is_exported
from skyfix.inference.exported import ExportedSystem
from skyfix.inference.folding import folded, has_batch_norms
from skyfix.memory import keep_freed_memory
from skyfix.progress import counting
from skyfix.systems import identity, load, save
from skyfix.systems.preprocess import Preprocess, prepared
from skyfix.systems.system import System
from skyfix.views import View

ImageLike = Path | str | Image.Image | np.ndarray
_Change = Callable[[Image.Image], Image.Image]

_AT_ONCE_ON_CPU = 8
"""Images a run of the network: more do not fit the caches of a processor, and take longer each."""

_LOOKED_AT = 4
"""Images that tell whether mixed precision gives the same descriptors."""

LEAST_COSINE = 0.999
"""Where descriptors in mixed precision are farther than this from exact ones, it is not used."""

DECODE_MARGIN = 2
"""JPEGs are decoded at no less than this many times the input size, then resized with care."""


class Embedder:
    """Turns images into descriptors: decodes, resizes, batches and runs the system.

    Decoding and resizing run in threads. On CUDA the network computes in mixed precision if that
    leaves the first descriptors what they are, see ``LEAST_COSINE``.

    Args:
        system: a System, a checkpoint folder, a folder that ``skyfix export`` wrote, or a
            registered name with built-in weights.
        device: ``auto`` (CUDA if there is one), or a torch device; exported systems run on the
            CPU.
        batch_size: images a forward pass.

    Raises:
        SkyfixError: no such system, no such device.
    """

    def __init__(
        self, system: System | Path | str, device: str = "auto", batch_size: int = 32
    ) -> None:
        self.system = system if isinstance(system, System) else open_system(system)
        self.device = choose_device(self._own_device(device))
        if self.device.type == "cpu":
            keep_freed_memory()
        self.system.to(self.device).eval()
        self.batch_size = batch_size
        self._identity: str | None = None
        self._ways: dict[View, _Way] = {}

    @property
    def dimensions(self) -> int:
        """Length D of a descriptor."""
        return self.system.descriptor_dim

    @property
    def input_px(self) -> tuple[int, int]:
        """(height, width) that satellite tiles are brought to."""
        return self.system.preprocess["satellite"].resized_px

    @property
    def identity(self) -> str:
        """Digest of weights, arguments and preprocessing.

        An exported system whose descriptors compare with those of its checkpoint has the same.
        """
        if self._identity is None:
            self._identity = (
                self.system.artefact.identity
                if isinstance(self.system, ExportedSystem)
                else identity(self.system)
            )
        return self._identity

    @property
    def precision(self) -> str:
        """What it has computed in so far: ``fp32``, ``mixed``, or an exported system's own."""
        if isinstance(self.system, ExportedSystem):
            return self.system.artefact.precision
        return "mixed" if any(way.mixed for way in self._ways.values()) else "fp32"

    def save(self, folder: Path | str) -> None:
        """Write the system as a checkpoint folder, an exported one as what it is."""
        if isinstance(self.system, ExportedSystem):
            self.system.copy_to(folder)
        else:
            save(self.system, folder)

    def _own_device(self, device: str) -> str:
        if not isinstance(self.system, ExportedSystem):
            return device
        if device not in ("auto", "cpu"):
            raise SkyfixError(
                f"Exported systems run on the CPU, not on {device}. Use --device cpu, or the "
                "checkpoint."
            )
        return "cpu"

    def embed(
        self,
        images: Sequence[ImageLike],
        view: View,
        progress: str | None = None,
        altitude_m: np.ndarray | None = None,
    ) -> np.ndarray:
        """Descriptors of images.

        Args:
            images: paths, PIL images or uint8 arrays ``(H, W, 3)``, of any sizes.
            view: what the images were taken from.
            progress: description of a progress bar; none is shown without it.
            altitude_m: ``(N,)`` metres above ground, NaN where unknown, which MBF makes use of;
                None if all are.

        Returns:
            ``(N, D)`` float32, unit rows.

        Raises:
            ImageError: an image that cannot be read.
        """
        descriptors, _, unreadable = self.embed_files(images, view, progress, altitude_m)
        if unreadable:
            raise unreadable[0]
        return descriptors

    def embed_files(
        self,
        images: Sequence[ImageLike],
        view: View,
        progress: str | None = None,
        altitude_m: np.ndarray | None = None,
        change: _Change | None = None,
    ) -> tuple[np.ndarray, np.ndarray, list[ImageError]]:
        """As ``embed``, but images that cannot be read are left out.

        Args:
            images, view, progress, altitude_m: see ``embed``.
            change: done to each image, which is then decoded at its full size.

        Returns:
            Descriptors ``(M, D)`` of the readable images, their indices ``(M,)`` in ``images``,
            and the errors of the others.
        """
        rows: list[np.ndarray] = []
        kept: list[int] = []
        unreadable: list[ImageError] = []
        running: Tensor | None = None
        known_m = np.full(len(images), np.nan) if altitude_m is None else altitude_m
        load = partial(_load_input, preprocess=self.system.preprocess[view], change=change)
        threads = min(8, os.cpu_count() or 1)
        with counting(progress, len(images), "img") as counter, ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(images), self.batch_size):
                batch = images[start : start + self.batch_size]
                # Threads that decode beside a network stall its threads on a CPU and the starts of
                # its kernels on a GPU: they take turns, and a GPU computes while they decode.
                decoded = dict(enumerate(pool.map(load, batch), start))
                if running is not None:
                    rows.append(self._finished(running))
                inputs = {at: one for at, one in decoded.items() if isinstance(one, Tensor)}
                unreadable += [one for one in decoded.values() if isinstance(one, ImageError)]
                kept += inputs
                running = self._started(list(inputs.values()), view, known_m[list(inputs)])
                counter.advance(len(batch))
            if running is not None:
                rows.append(self._finished(running))
        stacked = np.concatenate(rows) if rows else np.zeros((0, self.dimensions), np.float32)
        return stacked, np.array(kept, dtype=np.int64), unreadable

    def _started(self, inputs: list[Tensor], view: View, altitude_m: np.ndarray) -> Tensor | None:
        """Descriptors that a GPU is still computing; None without inputs."""
        if not inputs:
            return None
        # Stacked as they lie in memory, channels last.
        photos = torch.stack([one.permute(1, 2, 0) for one in inputs]).to(self.device)
        photos = photos.permute(0, 3, 1, 2)
        known_m = torch.from_numpy(altitude_m.astype(np.float32)).to(self.device)
        try:
            with torch.inference_mode():
                if view not in self._ways:
                    self._ways[view] = self._fastest(
                        photos[:_LOOKED_AT], view, known_m[:_LOOKED_AT]
                    )
                way = self._ways[view]
                at_once = _AT_ONCE_ON_CPU if self.device.type == "cpu" else len(photos)
                parts = zip(photos.split(at_once), known_m.split(at_once), strict=True)
                return torch.cat([way.describe(some, view, some_m) for some, some_m in parts])
        except torch.OutOfMemoryError as error:
            raise SkyfixError(
                f"The memory of {self.device} does not hold {len(inputs)} images of "
                f"{self.system.name}. Free it from other programs or use --device cpu."
            ) from error

    def _finished(self, running: Tensor) -> np.ndarray:
        result = running.float().cpu().numpy()
        if not np.isfinite(result).all():
            raise SkyfixError(
                f"{self.system.name} gave descriptors that are not numbers. "
                "Its weights are damaged or its training diverged."
            )
        return result

    def _fastest(self, photos: Tensor, view: View, known_m: Tensor) -> "_Way":
        """How the system runs fastest on images such as the given ones."""

        def first(system: System) -> Tensor:
            return system.embed_photos(photos[:1], view, known_m[:1])

        known = next((way.network for way in self._ways.values()), self.system)
        network = folded(known, first) if has_batch_norms(known) else known
        exact, mixed = _Way(network, mixed=False), _Way(network, mixed=True)
        if self.device.type != "cuda":
            return exact
        described = [way.describe(photos, view, known_m) for way in (exact, mixed)]
        return mixed if (described[0] * described[1]).sum(dim=1).min() > LEAST_COSINE else exact


@dataclass(frozen=True)
class _Way:
    """A network and whether it computes in mixed precision."""

    network: System
    mixed: bool

    def describe(self, photos: Tensor, view: View, known_m: Tensor) -> Tensor:
        """Descriptors ``(N, D)`` of uint8 images."""
        with torch.autocast(photos.device.type, torch.float16, enabled=self.mixed):
            return self.network.embed_photos(photos, view, known_m)


def open_system(folder_or_name: Path | str) -> System:
    """An exported system or what ``systems.load`` reads.

    Raises:
        SkyfixError: neither; damaged, incomplete or foreign content.
    """
    if is_exported(folder_or_name):
        return ExportedSystem(folder_or_name)
    return load(folder_or_name)


def choose_device(device: str) -> torch.device:
    """The torch device behind a name; ``auto`` prefers CUDA.

    Of several GPUs, each process that torchrun started on a machine takes its own.

    Raises:
        SkyfixError: not a device of this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and "LOCAL_RANK" in os.environ and torch.cuda.is_available():
        device = f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise SkyfixError(f"No device {device!r} here: {cause}. Use auto or cpu.") from error
    return chosen


def _load_input(
    image: ImageLike, preprocess: Preprocess, change: _Change | None
) -> Tensor | ImageError:
    try:
        if isinstance(image, np.ndarray):
            image = _from_array(image)
        elif not isinstance(image, Image.Image):
            reduced_px = None if change else DECODE_MARGIN * max(preprocess.resized_px)
            image = read_image(image, shortest_px=reduced_px)
    except ImageError as error:
        return error
    return prepared(change(image) if change else image, preprocess)


def _from_array(image: np.ndarray) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"Image arrays must be uint8 (H, W, 3), not {image.dtype} {image.shape}.")
    return Image.fromarray(image)
