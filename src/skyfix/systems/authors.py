"""Reading checkpoints that a system's authors saved."""

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skyfix.errors import SkyfixError
from skyfix.layers.weight_files import read_arrays, read_state
from skyfix.systems.registry import create
from skyfix.systems.system import System

_SHOWN = 3


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
    found = _read(path)
    for key, tensor in found.items():
        target = system.author_key(key)
        if target is None or target[0] not in missing:
            continue
        _copy(tensor, ours[target[0]], target[1], f"{path}: {key}")
        missing[target[0]] -= tensor.numel()
    incomplete = [key for key, count in missing.items() if count > 0]
    if incomplete:
        raise SkyfixError(
            f"{path} is not a checkpoint of {name}: {len(incomplete)} of {len(missing)} tensors "
            f"are missing or incomplete ({_listed(incomplete)}); the file holds "
            f"{_listed(found) or 'none'}. Check the system's name and options."
        )
    return system.eval()


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".npz":
        return read_state(path)
    return {key: _from_tensorflow(variable) for key, variable in read_arrays(path).items()}


def _from_tensorflow(variable: np.ndarray) -> Tensor:
    """Weights come with their outputs last there, with their outputs first here."""
    tensor = torch.from_numpy(variable)
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1)
    return tensor.T if tensor.ndim == 2 else tensor


def _copy(source: Tensor, target: Tensor, part: int | None, where: str) -> None:
    """Copy a tensor, or one part's tensor into its place in the stack of all parts."""
    if part is not None:
        stack = _stack(target, source)
        if part >= len(stack):
            raise SkyfixError(
                f"{where} belongs to part {part + 1}, but there are {len(stack)}. "
                "Check the system's name and options."
            )
        target = stack[part]
    if source.shape != target.shape:
        raise SkyfixError(
            f"{where} has shape {tuple(source.shape)}, expected {tuple(target.shape)}. "
            "Check the system's name and options, such as places."
        )
    target.copy_(source)


def _stack(target: Tensor, source: Tensor) -> Tensor:
    """The parts ``(K, ...)`` of a tensor; some keep them side by side in one axis."""
    if target.ndim > source.ndim or target.numel() % max(1, source.numel()):
        return target
    return target.view(-1, *source.shape)


def _listed(keys: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = list(itertools.islice(keys, _SHOWN))
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return f"{', '.join(shown)}{more}"
