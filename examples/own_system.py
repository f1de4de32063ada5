"""A system of your own, trained beside the published ones: python examples/own_system.py [FOLDER]

This one compares the mean of the map alone, with the loss of Sample4Geo. More: docs/extend.md.
"""

import sys
from pathlib import Path

from torch import Tensor, nn

from skyfix.datasets.registry import generate, open_dataset
from skyfix.inference import Embedder
from skyfix.systems.pair_system import PairSystem, paired
from skyfix.systems.registry import register
from skyfix.systems.system import Batch, Citation
from skyfix.training.config import make_config
from skyfix.training.loop import train
from skyfix.views import View


@register
class MapMean(PairSystem):
    """A shared encoder; the mean of its map is the descriptor."""

    name = "map_mean"
    citation = Citation(title="Mean of the map", authors="you", venue="-", year=2026)

    def embed(self, images: Tensor, view: View) -> Tensor:
        """Unit descriptors ``(N, C)`` of images ``(N, 3, H, W)``."""
        return nn.functional.normalize(self.feature_map(images, view).mean(dim=(2, 3)))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """InfoNCE between satellite images and photos of the same places."""
        satellite, photos = paired(batch)
        loss = self.info_nce(self.embed(satellite, "satellite"), self.embed(photos, "drone"))
        return {"info_nce": loss, "total": loss}


def main(folder: Path) -> None:
    """Train it for some steps on a made-up data set."""
    data = open_dataset(f"university1652:{generate('university1652', folder / 'data')}")
    system = {"name": "map_mean", "backbone": "tf_efficientnet_lite0", "input_px": 64}
    sections = {"system": system, "sampler": {"batch_size": 4}, "schedule": {"steps": 10}}
    result = train(make_config(sections, "own_system.py"), data, folder / "run", resume=True)
    # Its checkpoint is one like any other.
    embedder = Embedder(result.folder)
    print(f"{embedder.system.name}: loss {result.loss:.3f}, {embedder.dimensions} numbers an image")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example"))
