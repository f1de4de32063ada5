"""The embedder: image in, descriptor out. What is evaluated is what flies."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
_Decoded = Tensor | ImageError
_Change = Callable[[Image.Image], Image.Image]

_AT_ONCE_ON_CPU = 8
"""Images a run of the network: more do not fit the caches of a processor, and take longer each."""

DECODE_MARGIN = 2
"""JPEGs are decoded at no less than this many times the input size, then resized with care."""


class Embedder:
    """Turns images into descriptors: decodes, resizes, batches and runs the system.

    Decoding and resizing run in threads; with a GPU while the network computes.

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
        self._networks: dict[View, System] = {}

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
        pending: list[Tensor] = []
        known_m = np.full(len(images), np.nan) if altitude_m is None else altitude_m
        with counting(progress, len(images), "img") as counter:
            for index, decoded in enumerate(self._decoded(images, view, change)):
                if isinstance(decoded, ImageError):
                    unreadable.append(decoded)
                else:
                    pending.append(decoded)
                    kept.append(index)
                if len(pending) == self.batch_size:
                    rows.append(self._forward(pending, view, known_m[kept[-len(pending) :]]))
                    pending = []
                counter.advance()
            if pending:
                rows.append(self._forward(pending, view, known_m[kept[-len(pending) :]]))
        stacked = np.concatenate(rows) if rows else np.zeros((0, self.dimensions), np.float32)
        return stacked, np.array(kept, dtype=np.int64), unreadable

    def _forward(self, tensors: list[Tensor], view: View, altitude_m: np.ndarray) -> np.ndarray:
        photos = torch.stack(tensors).to(self.device)
        known_m = torch.from_numpy(altitude_m.astype(np.float32)).to(self.device)
        try:
            with torch.inference_mode():
                if view not in self._networks:
                    self._networks[view] = self._network(photos[:1], view, known_m[:1])
                network = self._networks[view]
                at_once = _AT_ONCE_ON_CPU if self.device.type == "cpu" else len(photos)
                parts = zip(photos.split(at_once), known_m.split(at_once), strict=True)
                descriptors = torch.cat(
                    [network.embed_photos(some, view, some_m) for some, some_m in parts]
                )
        except torch.OutOfMemoryError as error:
            raise SkyfixError(
                f"The memory of {self.device} does not hold {len(tensors)} images of "
                f"{self.system.name}. Free it from other programs or use --device cpu."
            ) from error
        result = descriptors.float().cpu().numpy()
        if not np.isfinite(result).all():
            raise SkyfixError(
                f"{self.system.name} gave descriptors that are not numbers. "
                "Its weights are damaged or its training diverged."
            )
        return result

    def _network(self, photos: Tensor, view: View, known_m: Tensor) -> System:
        """The system as it runs fastest on images such as the given ones."""

        def describe(system: System) -> Tensor:
            return system.embed_photos(photos, view, known_m)

        known = next(iter(self._networks.values()), self.system)
        return folded(known, describe) if has_batch_norms(known) else known

    def _decoded(
        self, images: Sequence[ImageLike], view: View, change: _Change | None
    ) -> Iterator[_Decoded]:
        """Inputs as uint8 ``(3, h, w)`` in order; with a GPU decoded two batches ahead."""
        threads = min(8, os.cpu_count() or 1)
        preprocess = self.system.preprocess[view]
        queue: deque[Future[_Decoded]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            if self.device.type == "cpu":
                # Decoding beside the network would stall the network's threads: they take turns.
                for start in range(0, len(images), self.batch_size):
                    batch = images[start : start + self.batch_size]
                    yield from list(
                        pool.map(lambda image: _load_input(image, preprocess, change), batch)
                    )
                return
            for image in images:
                queue.append(pool.submit(_load_input, image, preprocess, change))
                if len(queue) > 2 * self.batch_size:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()


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

    Raises:
        SkyfixError: not a device of this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise SkyfixError(f"No device {device!r} here: {cause}. Use auto or cpu.") from error
    return chosen


def _load_input(image: ImageLike, preprocess: Preprocess, change: _Change | None) -> _Decoded:
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
