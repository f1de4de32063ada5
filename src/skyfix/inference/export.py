"""Exporting a system for other runtimes, and measuring that it gives the same descriptors."""

import hashlib
import importlib.metadata
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from skyfix import __version__
from skyfix.errors import SkyfixError
from skyfix.files import require_writable
from skyfix.images import SUFFIXES, read_image
from skyfix.inference.artefact import SAME_COSINE, Artefact, Parity, sha256
from skyfix.inference.choices import Format, Precision
from skyfix.inference.graphs import Described, write_graph
from skyfix.inference.runtimes import open_graph, trusted_program
from skyfix.progress import tracked
from skyfix.systems.checkpoint import identity
from skyfix.systems.preprocess import Preprocess, prepared
from skyfix.systems.system import System
from skyfix.views import View
from skyfix.world.town import build_town

MOST_PHOTOS = 256
"""Of a folder with more, so many are taken, spread over it."""

COMPARED = 32
"""Most images that descriptors are compared on; ``int8`` sets a quarter apart for it."""

FEWEST_PHOTOS = 8

_BATCH = 8
_TOWN_M, _CROP_PX, _CROPS = 240.0, 200, 16
_PACKAGES = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch-export": (),
}


def export(
    system: System,
    out: Path | str,
    kind: Format = "onnx",
    precision: Precision = "fp32",
    photos: Path | str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Artefact:
    """Write a folder that runs without torch, and measure its descriptors against the system's.

    Views whose descriptors are equal share a graph.

    Args:
        system: with its weights.
        out: a folder, new or empty.
        kind: format of the graphs.
        precision: ``fp32``; ``fp16``, weights in half precision, arithmetic in single; ``int8``,
            convolutions in 8 bits.
        photos: a folder of images, at any depth, to compare descriptors on and to calibrate
            ``int8`` with, which needs it; parts of a made-up town without it.
        provenance: of the weights, kept as it is.

    Returns:
        The description, as it was written.

    Raises:
        SkyfixError: ``out`` holds files or cannot be written, no photos where they are needed, a
            precision that the format does not have, or descriptors that differ too much.
        ModuleNotFoundError: a library of the format is not installed.
    """
    out = Path(out)
    _check_choice(kind, precision, photos)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SkyfixError(f"{out} is there already. Choose a new folder for the export.")
    require_writable(out.parent)
    system = system.cpu().eval()
    images = _town() if photos is None else _read(Path(photos))
    partial = out.parent / f".{out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        artefact = _written(system, partial, kind, precision, images, dict(provenance or {}))
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return artefact


def _check_choice(kind: Format, precision: Precision, photos: Path | str | None) -> None:
    if kind == "torch-export" and precision != "fp32":
        raise SkyfixError(f"torch-export has no {precision}. Take fp32, or onnx or openvino.")
    if precision == "int8" and photos is None:
        raise SkyfixError("int8 is fitted to photos. Give a folder of them with --calibration.")


def _written(
    system: System,
    folder: Path,
    kind: Format,
    precision: Precision,
    images: Sequence[Image.Image],
    provenance: dict[str, Any],
) -> Artefact:
    """Fill the folder."""
    # What was calibrated with says little about other photos.
    most = len(images) // 4 if precision == "int8" else len(images)
    chosen = set(_spread(len(images), min(COMPARED, most)).tolist())
    compared = [images[index] for index in sorted(chosen)]
    rest = [image for index, image in enumerate(images) if index not in chosen]
    inputs, expected = _by_view(system, compared)
    graphs: dict[View, str] = {}
    for view in tracked(list(inputs), "Exporting", len(inputs), "views"):
        same = [one for one in graphs if torch.equal(expected[one], expected[view])]
        if same:
            graphs[view] = graphs[same[0]]
            continue
        stem = folder / (f"model-{view}" if graphs else "model")
        calibration = _inputs(rest, system.preprocess[view]) if precision == "int8" else None
        graphs[view] = write_graph(system, view, stem, kind, calibration, precision == "fp16")
    parity = _parity(folder, kind, graphs, inputs, expected)
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    packages = ("torch", *_PACKAGES[kind])
    artefact = Artefact(
        system=system.name,
        options=system.options,
        preprocess=system.preprocess,
        descriptor_dim=system.descriptor_dim,
        identity=_identity(system, precision, parity, files),
        exported_from=identity(system),
        format=kind,
        precision=precision,
        graphs=graphs,
        files=files,
        parity=parity,
        versions={
            "skyfix": __version__,
            **{one: importlib.metadata.version(one) for one in packages},
        },
        provenance=provenance,
    )
    artefact.write(folder)
    return artefact


def _by_view(
    system: System, images: Sequence[Image.Image]
) -> tuple[dict[View, Tensor], dict[View, Tensor]]:
    """Inputs (N, 3, h, w) uint8 and the system's descriptors (N, D) of each view it knows."""
    inputs: dict[View, Tensor] = {}
    expected: dict[View, Tensor] = {}
    for view, preprocess in system.preprocess.items():
        photos = _inputs(images, preprocess)
        described = Described(system, view)
        try:
            with torch.inference_mode():
                expected[view] = torch.cat([described(part) for part in photos.split(_BATCH)])
        except SkyfixError:
            continue  # a view that the system does not know
        inputs[view] = photos
        if not expected[view].isfinite().all():
            raise SkyfixError(
                f"{system.name} gave descriptors that are not numbers. "
                "Its weights are damaged or its training diverged."
            )
    return inputs, expected


def _inputs(images: Sequence[Image.Image], preprocess: Preprocess) -> Tensor:
    return torch.stack([prepared(image, preprocess) for image in images])


def _parity(
    folder: Path,
    kind: Format,
    graphs: Mapping[View, str],
    inputs: Mapping[View, Tensor],
    expected: Mapping[View, Tensor],
) -> Parity:
    difference, cosine, images = 0.0, 1.0, 0
    for view, name in graphs.items():
        path = folder / name
        run = trusted_program(path) if kind == "torch-export" else open_graph(path, kind)
        wanted, images = expected[view].numpy(), len(inputs[view])
        found = np.concatenate([run(part.numpy()) for part in inputs[view].split(_BATCH)])
        difference = max(difference, float(np.abs(found - wanted).max()))
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
        cosine = min(cosine, float(((found * wanted).sum(axis=1) / lengths).min()))
    return Parity(difference, cosine, images)


def _identity(
    system: System, precision: Precision, parity: Parity, files: Mapping[str, str]
) -> str:
    """The system's own digest where descriptors compare with the system's, else one of the files.

    8 bits have one of their own however close they come on a few images.
    """
    own = identity(system)
    if precision != "int8" and parity.least_cosine >= SAME_COSINE:
        return own
    if precision == "fp32":
        raise SkyfixError(
            f"The exported graph of {system.name} gives other descriptors than the system (least "
            f"cosine {parity.least_cosine:.6f}), so nothing was written. Try another format."
        )
    parts = (own, *(f"{name} {digest}" for name, digest in sorted(files.items())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _read(folder: Path) -> list[Image.Image]:
    if not folder.is_dir():
        raise SkyfixError(f"No folder of photos at {folder}. Check the path.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < FEWEST_PHOTOS:
        raise SkyfixError(
            f"{folder} holds {len(files)} photos. Give a folder of {FEWEST_PHOTOS} or more."
        )
    return [read_image(files[at]) for at in _spread(len(files), min(len(files), MOST_PHOTOS))]


def _town() -> list[Image.Image]:
    """Parts of the made-up town, seen from above."""
    ground = build_town(seed=0, size_m=_TOWN_M).rgb
    corners = np.random.default_rng(0).integers(0, ground.shape[0] - _CROP_PX, (_CROPS, 2))
    return [
        Image.fromarray(ground[row : row + _CROP_PX, column : column + _CROP_PX])
        for row, column in corners
    ]


def _spread(number: int, chosen: int) -> np.ndarray:
    """So many indices below ``number``, evenly spaced."""
    return np.linspace(0, number - 1, chosen).round().astype(int)
