"""The system behind a gallery: what a build needs of it, and its checkpoint in the gallery."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from skyfix.errors import SkyfixError
from skyfix.gallery.storage import Storage
from skyfix.views import View

SYSTEM_FOLDER = "system"
DESCRIPTION_FILE = "system.json"


class TileEmbedder(Protocol):
    """What a build needs of ``skyfix.inference.Embedder``."""

    @property
    def dimensions(self) -> int:
        """Length D of a descriptor."""

    @property
    def input_px(self) -> tuple[int, int]:
        """(height, width) of its input."""

    @property
    def identity(self) -> str:
        """Digest of weights, arguments and preprocessing."""

    def embed(self, images: Sequence[np.ndarray], view: View) -> np.ndarray:
        """Unit descriptors (N, D) float32 of images (H, W, 3) uint8."""

    def save(self, folder: Path | str) -> None:
        """Write a checkpoint folder."""


def keep_system(embedder: TileEmbedder, storage: Storage) -> None:
    """Save the checkpoint in a gallery, unless it is there.

    Raises:
        SkyfixError: it cannot be written.
    """
    try:
        if DESCRIPTION_FILE not in storage.sizes(SYSTEM_FOLDER):
            storage.put_folder(SYSTEM_FOLDER, embedder.save, DESCRIPTION_FILE)
    except SkyfixError:
        raise
    except Exception as error:
        # safetensors reports a full disk by an exception of its own.
        raise SkyfixError(
            f"Cannot write {storage.uri}/{SYSTEM_FOLDER}: {error}. Free space, then run the same "
            "command again."
        ) from error
