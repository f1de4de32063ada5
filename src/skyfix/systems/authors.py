"""Reading checkpoints that a system's authors saved."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.layers.backbone import read_state
from skyfix.systems.registry import create
from skyfix.systems.system import System


def load_author_checkpoint(name: str, path: Path | str, **options: Any) -> System:
    """Make a system from the weights that its authors' code wrote.

    Args:
        name: registered name.
        path: state dict (``.pth``) in the authors' naming, loaded without running any code in it;
            for a TensorFlow system an ``.npz`` of its variables under their names, without
            ``:0``.
        options: constructor arguments; ``places`` must be the file's number of classes.

    Returns:
        The system in evaluation mode.

    Raises:
        SkyfixError: unreadable, of another system, or incomplete.
    """
    path = Path(path)
    system = create(name, **options)
    ours = system.state_dict()
    # Numbers still to come: a stack of parts is complete only when the last part is.
    missing = {
        key: tensor.numel()
        for key, tensor in ours.items()
        if key not in system.own_tensors and not key.endswith("num_batches_tracked")
    }
    for key, tensor in _read(path).items():
        target = system.author_key(key)
        if target is None or target[0] not in missing:
            continue
        _copy(tensor, ours[target[0]], target[1], f"{path}: {key}")
        missing[target[0]] -= tensor.numel()
    incomplete = [key for key, count in missing.items() if count > 0]
    if incomplete:
        raise SkyfixError(
            f"{path} is not a checkpoint of {name}: {len(incomplete)} tensors are missing or "
            f"incomplete (first: {min(incomplete)}). Check the system's name and options."
        )
    return system.eval()


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".npz":
        return read_state(path)
    if not path.is_file():
        raise SkyfixError(f"No weight file at {path}. Check the path.")
    try:
        with np.load(path, allow_pickle=False) as variables:
            return {key: _from_tensorflow(variables[key]) for key in variables.files}
    except Exception as error:
        # numpy and zipfile raise half a dozen unrelated types on damaged files.
        raise SkyfixError(
            f"Cannot load {path} as plain arrays: {error} Save the variables with numpy.savez."
        ) from error


def _from_tensorflow(variable: np.ndarray) -> Tensor:
    """Weights come with their outputs last there, with their outputs first here."""
    tensor = torch.from_numpy(variable)
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1)
    return tensor.T if tensor.ndim == 2 else tensor


def _copy(source: Tensor, target: Tensor, part: int | None, where: str) -> None:
    """Copy a tensor, or one part's tensor into its place in the stack of all parts."""
    parts = target.numel() // max(1, source.numel())
    if part is not None and part < parts and target.numel() == parts * source.numel():
        target = target.view(parts, *source.shape)[part]
    if source.shape != target.shape:
        raise SkyfixError(
            f"{where} has shape {tuple(source.shape)}, expected {tuple(target.shape)}. "
            "Check the system's name and options."
        )
    target.copy_(source)
