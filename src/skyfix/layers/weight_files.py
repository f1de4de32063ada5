"""Reading files of weights without running anything that is in them."""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skyfix.errors import SkyfixError

_WRAPPERS = ("state_dict", "model")


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file, or of one that ``torch.save`` wrote.

    Raises:
        SkyfixError: missing, damaged, or holding more than tensors.
    """
    _require(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            # torch warns of pickles that it then refuses, or reads.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch and safetensors raise half a dozen unrelated types on damaged files.
        raise SkyfixError(
            f"Cannot load {path} as plain tensors: {_cause(path, error)}. "
            "Give a .safetensors file or a state dict saved by torch.save."
        ) from error
    return _tensors(state, path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file, as float32.

    Raises:
        SkyfixError: missing, damaged, or holding more than arrays of numbers.
    """
    _require(path)
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key].astype(np.float32) for key in arrays.files}
    except Exception as error:
        # numpy and zipfile raise half a dozen unrelated types on damaged files.
        raise SkyfixError(
            f"Cannot load {path} as plain arrays: {_cause(path, error)}. "
            "Save the variables with numpy.savez."
        ) from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise SkyfixError(f"No weight file at {path}. Check the path.")


def _cause(path: Path, error: Exception) -> str:
    """Why a file cannot be read; the libraries' own texts advise to run its code."""
    if isinstance(error, PermissionError):
        return "there is no permission to read it"
    if path.stat().st_size == 0:
        return "it is empty"
    if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it asks for {named[1]}, and code in a weight file is never run"
    if "Object arrays" in str(error):
        return "it holds Python objects, and code in a weight file is never run"
    return "it is damaged, cut short or of another kind"


def _tensors(state: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise SkyfixError(
            f"{path} holds no state dict (names and tensors). Save model.state_dict() with "
            "torch.save."
        )
    return state
