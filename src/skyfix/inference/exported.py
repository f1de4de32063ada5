"""An exported system, run where a system is."""

import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from skyfix.errors import SkyfixError
from skyfix.inference.artefact import Artefact
from skyfix.inference.runtimes import open_graph
from skyfix.systems.system import Batch, System
from skyfix.views import View


class ExportedSystem(System):
    """Descriptors from the graphs of an exported system; it cannot be trained.

    Args:
        folder: what ``skyfix export`` wrote.

    Attributes:
        artefact: its description.

    Raises:
        SkyfixError: damaged, incomplete, or exported for other programs.
    """

    trainable = False
    shows_maps = False

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        artefact = Artefact.read(self._folder)
        super().__init__(artefact.preprocess, artefact.descriptor_dim)
        self.artefact, self.name, self.options = artefact, artefact.system, artefact.options
        opened = {
            file: open_graph(self._folder / file, artefact.format)
            for file in dict.fromkeys(artefact.graphs.values())
        }
        self._graphs = {view: opened[file] for view, file in artefact.graphs.items()}

    def embed_photos(self, photos: Tensor, view: View, altitude_m: Tensor) -> Tensor:
        """Descriptors ``(N, D)`` of uint8 RGB images ``(N, 3, H, W)``; altitudes are not used.

        Raises:
            SkyfixError: a view that the system does not know.
        """
        if view not in self._graphs:
            raise SkyfixError(
                f"{self.name} describes {' and '.join(self._graphs)} images, not {view} ones."
            )
        return torch.from_numpy(self._graphs[view](np.ascontiguousarray(photos.numpy())))

    def copy_to(self, folder: Path | str) -> None:
        """Copy the files, the description last.

        Raises:
            SkyfixError: the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in self.artefact.files:
                shutil.copyfile(self._folder / name, folder / name)
        except OSError as error:
            raise SkyfixError(
                f"Cannot copy the exported system to {folder}: {error.strerror}. Free space or "
                "choose another folder."
            ) from error
        self.artefact.write(folder)

    def with_input_px(self, height: int, width: int) -> None:
        """Raises SkyfixError: the size is part of the graphs."""
        raise SkyfixError(
            f"{self._folder} is an exported system, whose input size is fixed. Change the size of "
            "the checkpoint and export that."
        )

    def embed(self, images: Tensor, view: View) -> NoReturn:
        """Raises SkyfixError: see ``embed_photos``."""
        self._refuse()

    def feature_map(self, images: Tensor, view: View) -> NoReturn:
        """Raises SkyfixError: the graphs give descriptors alone."""
        self._refuse()

    def objective(self, batch: Batch) -> NoReturn:
        """Raises SkyfixError: it cannot be trained."""
        self._refuse()

    def load_backbone(self, weights: str) -> NoReturn:
        """Raises SkyfixError: it cannot be trained."""
        self._refuse()

    def head_parameters(self) -> list[nn.Parameter]:
        """None: it cannot be trained."""
        return []

    def _refuse(self) -> NoReturn:
        raise SkyfixError(
            f"{self._folder} is an exported system, which turns photos into descriptors and "
            "nothing else. Use the checkpoint that it was exported from."
        )
