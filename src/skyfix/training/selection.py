"""Which state of a run becomes its checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from skyfix.datasets.contract import RetrievalSet
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.protocol import Extraction, FileEmbedder, measure
from skyfix.files import atomic_path
from skyfix.inference import Embedder
from skyfix.inference.together import together
from skyfix.systems.system import System
from skyfix.views import View

_BEST_FILE = "best.safetensors"


@contextmanager
def embedder_now(system: System, device: torch.device) -> Iterator[FileEmbedder | None]:
    """An embedder of a system that is being trained; None in processes that help the first one."""
    training = system.training
    # On CPU each process has the running statistics of its own share of the batches.
    if dist.is_initialized():
        for buffer in system.buffers():
            dist.broadcast(buffer, 0)
    with together(Embedder(system, device=str(device))) as embedder:
        yield embedder
    system.train(training)


class Selection:
    """Looks at a system from time to time and keeps the state that finds most.

    Args:
        folder: where the best weights are kept.
        judged_by: queries and gallery.
        photo: view of the queries.
        best: R@1 (percent) of the weights that are kept already.
    """

    def __init__(self, folder: Path, judged_by: RetrievalSet, photo: View, best: float) -> None:
        self._direction: Direction = "ground2satellite" if photo == "ground" else "drone2satellite"
        self._path, self._judged_by, self.best = folder / _BEST_FILE, judged_by, best

    def look(self, embedder: FileEmbedder, system: System) -> float:
        """R@1 (percent) of the embedder's system; its weights are kept if they are the best."""
        found = measure(Extraction(embedder, self._judged_by), self._direction)
        recall = (found.links or found.places["keep"]).recall[1]
        if recall > self.best:
            self.best = recall
            tensors = {name: x.contiguous() for name, x in system.state_dict().items()}
            with atomic_path(self._path) as temporary:
                save_file(tensors, temporary)
        return recall

    def restore(self, system: System) -> None:
        """Give the system the best weights."""
        system.load_state_dict(load_file(self._path))
