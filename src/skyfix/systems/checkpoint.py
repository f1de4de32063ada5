"""Checkpoint folders: weights, arguments and preprocessing, together."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path, read_json, write_json
from skyfix.systems.preprocess import Preprocess
from skyfix.systems.registry import create, names, spelled, system_class
from skyfix.systems.system import System

FORMAT = 1
DESCRIPTION_FILE, WEIGHTS_FILE = "system.json", "model.safetensors"
EXPORT = "export"
"""Key of a description that makes its folder an exported system, see ``inference.artefact``."""

BUILT_IN = ("imagenet", "skyfix_s")
_SHIPPED = Path(__file__).parent / "weights"


def save(system: System, folder: Path | str, provenance: dict[str, Any] | None = None) -> None:
    """Write ``folder/model.safetensors`` and ``folder/system.json``.

    Args:
        provenance: how the weights came about, kept as it is.

    Raises:
        SkyfixError: the folder cannot be written.
    """
    folder = Path(folder)
    tensors = {name: tensor.contiguous() for name, tensor in system.state_dict().items()}
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise SkyfixError(
                f"Cannot write {folder / WEIGHTS_FILE}: {error}. Free space or choose another "
                "folder."
            ) from error
    write_json(folder / DESCRIPTION_FILE, {**description(system), "provenance": provenance or {}})


def load(folder_or_name: Path | str) -> System:
    """Read a checkpoint folder, or take a registered name that has built-in weights.

    The system comes in evaluation mode.

    Raises:
        SkyfixError: neither a folder nor such a name; damaged, incomplete or foreign content.
    """
    folder = Path(folder_or_name)
    if folder.is_dir():
        return _load_folder(folder).eval()
    name = str(folder_or_name)
    if spelled(name) in BUILT_IN and (_SHIPPED / spelled(name)).is_dir():
        return _load_folder(_SHIPPED / spelled(name)).eval()
    if name == "imagenet":
        system = create(name)
        system.load_backbone(name)
        return system.eval()
    if name in names():
        raise SkyfixError(
            f"{name} has no built-in weights. Train it with `skyfix train` and give the run's "
            f"folder; systems with built-in weights: {', '.join(BUILT_IN)}."
        )
    raise SkyfixError(
        f"No checkpoint folder at {name}, nor a system of that name. "
        f"Systems with built-in weights: {', '.join(BUILT_IN)}."
    )


def training_of(folder_or_name: Path | str) -> dict[str, Any]:
    """How the weights of a checkpoint folder came about; empty for a name.

    Raises:
        SkyfixError: not a checkpoint folder, or a damaged description.
    """
    if not Path(folder_or_name).is_dir():
        return {}
    path = Path(folder_or_name) / DESCRIPTION_FILE
    described = read_json(path, "checkpoint description")
    found = described.get("provenance", {}) if isinstance(described, dict) else None
    if not isinstance(found, dict):
        raise SkyfixError(f"Damaged checkpoint description {path}. Train again.")
    return found


def identity(system: System) -> str:
    """Digest of weights, arguments and preprocessing: equal digests give equal descriptors."""
    digest = hashlib.sha256(json.dumps(description(system), sort_keys=True).encode())
    for name, tensor in sorted(system.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def description(system: System) -> dict[str, Any]:
    """Name, arguments and preprocessing, as a checkpoint folder says them."""
    return {
        "format": FORMAT,
        "system": system.name,
        "options": system.options,
        "preprocess": {view: asdict(entry) for view, entry in system.preprocess.items()},
        "descriptor_dim": system.descriptor_dim,
    }


def _load_folder(folder: Path) -> System:
    if not (folder / DESCRIPTION_FILE).is_file():
        raise SkyfixError(
            f"Not a checkpoint folder: {folder} has no {DESCRIPTION_FILE}. "
            "Give the folder that `skyfix train --out` wrote."
        )
    described = read_json(folder / DESCRIPTION_FILE, "checkpoint description")
    try:
        if EXPORT in described:
            raise SkyfixError(
                f"{folder} is an exported system, which has no weights to train or export again. "
                "Give the checkpoint folder that it was exported from."
            )
        if described["format"] != FORMAT:
            raise SkyfixError(
                f"{folder} has checkpoint format {described['format']}, this skyfix reads {FORMAT}."
            )
        system_class(described["system"])
        system = create(described["system"], **described["options"])
        system.preprocess = {
            view: Preprocess.from_json(described["preprocess"][view]) for view in system.preprocess
        }
    except (KeyError, TypeError) as error:
        raise SkyfixError(
            f"Damaged checkpoint description {folder / DESCRIPTION_FILE}: {error!r}."
        ) from error
    system.load_state_dict(_read_weights(folder / WEIGHTS_FILE, system))
    return system


def _read_weights(path: Path, system: System) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise SkyfixError(
            f"Incomplete checkpoint: no {path}. Train again or copy the whole folder."
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SkyfixError(f"Damaged or truncated weights {path}: {error}.") from error
    wanted = {name: tensor.shape for name, tensor in system.state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    if wanted != found:
        differing = sorted(set(wanted.items()) ^ set(found.items()))
        raise SkyfixError(
            f"{path} does not hold the weights of {system.name} as its {DESCRIPTION_FILE} says "
            f"(first difference: {differing[0][0]}). The two files do not belong together."
        )
    return state
