"""Descriptors of JPEG files per second, against the bare network and a plain loop.

    python benchmarks/extraction.py [--images 256] [--runs 5] [--device cpu] [--write docs/speed.md]

- network: the system on uint8 tensors in memory, no files at all: the limit;
- skyfix: ``Embedder.embed_files``, which ``skyfix evaluate`` uses;
- plain loop: torchvision transforms in a ``DataLoader`` over PIL, with as many workers as threads.

The files are 512-px JPEGs of the made-up town, University-1652's size and quality.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import alternate, machine, publish, table
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from skyfix import systems
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.systems.preprocess import normalized, prepared
from skyfix.systems.system import System
from skyfix.world.town import build_town

PREFACE = """Made by
`python benchmarks/extraction.py --images {images} --runs {runs} --device {device}`
({machine}).
{images} JPEG files of 512 px to descriptors with EfficientNet-Lite0 at 256 px, images a second,
median of alternating runs. *network* has its input in memory already; *plain loop* is a
`DataLoader` with PIL and torchvision transforms. {why}

`imagenet` is the lightest network there is; the others keep the last stride and add the mirror
image.
"""
WHY = {
    "cpu": """skyfix folds batch norms into convolutions and
runs eight images at a time, which the bare network, at 32, does not: that pays for most of the
files, or all.""",
    "cuda": """The bare network computes in float32,
skyfix in mixed precision; decoding takes most of its time.""",
}
FILE_PX, BATCH = 512, 32
LITE0 = "tf_efficientnet_lite0"
CANDIDATES = (
    ("imagenet", {}),
    ("skyfix_s", {}),
    ("instance", {"backbone": LITE0, "input_px": 256, "places": 701}),
    ("sdpl", {"backbone": LITE0, "input_px": 256, "places": 701}),
)


class Photos(Dataset):
    """What a user without skyfix would write."""

    def __init__(self, paths: list[Path], system: System) -> None:
        preprocess = system.preprocess["drone"]
        self._paths = paths
        self._transform = transforms.Compose(
            [
                transforms.Resize(preprocess.input_px, transforms.InterpolationMode.BICUBIC),
                transforms.ToTensor(),
                transforms.Normalize(preprocess.mean, preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._transform(Image.open(self._paths[index]).convert("RGB"))


def compared(name: str, options: dict, paths: list[Path], runs: int, device: str) -> list[str]:
    """One line of the table, after checking that all three give the same descriptors."""
    torch.manual_seed(0)
    system = systems.create(name, **options).eval()
    # Untrained networks let signals fade to numbers that processors are slow with.
    system.load_backbone("imagenet")
    embedder = Embedder(system, device=device, batch_size=BATCH)
    preprocess = system.preprocess["drone"]
    inputs = torch.stack([prepared(read_image(path), preprocess) for path in paths]).to(device)

    def network() -> np.ndarray:
        with torch.inference_mode():
            batches = [
                system.embed(normalized(batch, preprocess), "drone")
                for batch in inputs.split(BATCH)
            ]
        return torch.cat(batches).cpu().numpy()

    def plain() -> np.ndarray:
        loader = DataLoader(Photos(paths, system), BATCH, num_workers=torch.get_num_threads())
        with torch.inference_mode():
            batches = [system.embed(batch.to(device), "drone") for batch in loader]
        return torch.cat(batches).cpu().numpy()

    def ours() -> np.ndarray:
        return embedder.embed_files(paths, "drone")[0]

    expected = network()
    for found in (ours(), plain()):
        assert (found * expected).sum(axis=1).min() > 0.99
    seconds = alternate({"network": network, "skyfix": ours, "plain": plain}, runs)
    rates = {which: len(paths) / value for which, value in seconds.items()}
    return [
        name,
        *(f"{rates[which]:.1f}" for which in ("network", "skyfix", "plain")),
        f"{100 * rates['skyfix'] / rates['network']:.0f}",
        f"{rates['skyfix'] / rates['plain']:.2f}",
    ]


def write_files(folder: Path, count: int) -> list[Path]:
    """Squares cut out of the made-up town, which compress as real photos do."""
    ground = build_town(seed=0, size_m=600.0).rgb
    room = ground.shape[0] - FILE_PX
    corners = np.random.default_rng(0).integers(0, room + 1, (count, 2))
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    for path, (row, column) in zip(paths, corners, strict=True):
        square = ground[row : row + FILE_PX, column : column + FILE_PX]
        Image.fromarray(square).save(path, quality=90)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=WHY)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(Path(folder), arguments.images)
        asked = (paths, arguments.runs, arguments.device)
        rows = [compared(*candidate, *asked) for candidate in CANDIDATES]
    preface = PREFACE.format(
        images=arguments.images,
        runs=arguments.runs,
        device=arguments.device,
        machine=machine(),
        why=WHY[arguments.device],
    )
    header = ["system", "network", "skyfix", "plain loop", "% of network", "times plain loop"]
    publish(
        f"Descriptors of files, {arguments.device}",
        preface + "\n" + table(header, rows),
        arguments.write,
    )


if __name__ == "__main__":
    main()
