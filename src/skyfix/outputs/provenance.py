"""What a report rests on: command, versions, device, weights and data."""

import hashlib
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from skyfix import __version__
from skyfix.datasets.contract import RetrievalSet
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.protocol import Extraction, Measurement, views_of
from skyfix.inference import Embedder
from skyfix.systems import training_of
from skyfix.views import View


def provenance_of(
    embedder: Embedder,
    extraction: Extraction,
    measured: Sequence[Measurement],
    *,
    run: Path | str,
    data: str,
    started: float,
) -> dict[str, Any]:
    """Everything that is needed to tell whether two reports compare, ready for JSON.

    Args:
        run: checkpoint folder, or the name of a system with built-in weights.
        data: data set as NAME:ROOT.
        started: when measuring began, by ``time.monotonic``.
    """
    system = embedder.system
    return {
        "command": shlex.join(["skyfix", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
        "system": system.name,
        "run": str(run),
        "identity": embedder.identity,
        "options": system.options,
        "input_px": {view: list(system.preprocess[view].input_px) for view in system.preprocess},
        "data": data,
        "listing": listing_digest(extraction.dataset, [found.direction for found in measured]),
        "device": _device(embedder.device),
        "precision": embedder.precision,
        "versions": {
            "skyfix": __version__,
            "torch": metadata.version("torch"),
            "timm": metadata.version("timm"),
            "python": platform.python_version(),
        },
        "training": training_of(run),
    }


def listing_digest(dataset: RetrievalSet, directions: Sequence[Direction]) -> str:
    """Digest of paths (below their common folder) and sizes of the queries and gallery images.

    Equal digests mean the same files as far as names and sizes tell.
    """
    sides = [
        paths
        for asking, searched in dict.fromkeys(views_of(direction) for direction in directions)
        for paths in (_paths(dataset, "query", asking), _paths(dataset, "gallery", searched))
    ]
    root = os.path.commonpath([path.parent for _, paths in sides for path in paths])
    digest = hashlib.sha256()
    for side, paths in sides:
        for path in paths:
            name = Path(os.path.relpath(path, root)).as_posix()
            size = path.stat().st_size if path.exists() else "absent"
            digest.update(f"{side} {name} {size}\n".encode())
    return digest.hexdigest()[:16]


def _paths(dataset: RetrievalSet, side: str, view: View) -> tuple[str, tuple[Path, ...]]:
    images = dataset.query(view) if side == "query" else dataset.gallery(view)
    return f"{side} {view}", images.paths


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    return f"{device.type}, threads: {torch.get_num_threads()}"
