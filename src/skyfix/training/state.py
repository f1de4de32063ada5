"""What a run keeps on disk, so that a killed one goes on as if nothing had happened."""

import json
from pathlib import Path
from typing import Any

import torch

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path, read_json, write_json

FOLDER = "training"
_STATE, _CONFIG = "state.pt", "config.json"


def saved_state(run: Path, config: dict[str, Any], resume: bool) -> dict[str, Any] | None:
    """The saved state of a run folder if there is one to go on from.

    Raises:
        SkyfixError: the folder holds other files, or a run and ``resume`` is off, or a run of
            another configuration, or a damaged state.
    """
    folder = run / FOLDER
    if not (folder / _CONFIG).exists():
        _check_free(run)
        return None
    if not resume:
        raise SkyfixError(
            f"{run} already holds a training run. Add --resume to go on with it, or choose "
            "another folder with --out."
        )
    _same_config(read_json(folder / _CONFIG, "run configuration"), config, run)
    if not (folder / _STATE).exists():
        return None
    try:
        return torch.load(folder / _STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises half a dozen unrelated types on damaged files.
        raise SkyfixError(f"Damaged training state {folder / _STATE}. Train anew.") from error


def save_state(run: Path, config: dict[str, Any], state: dict[str, Any]) -> None:
    """Replace the saved state in one step; the first time also write down what is running."""
    if not (run / FOLDER / _CONFIG).exists():
        write_json(run / FOLDER / _CONFIG, config)
    with atomic_path(run / FOLDER / _STATE) as temporary:
        torch.save(state, temporary)


def _check_free(run: Path) -> None:
    others = sorted(path.name for path in run.iterdir()) if run.is_dir() else []
    if others and others != [FOLDER]:
        raise SkyfixError(
            f"{run} holds {others[0]} and is no training run. Choose a new or an empty folder with "
            "--out."
        )


def _same_config(saved: dict[str, Any], config: dict[str, Any], run: Path) -> None:
    # Through JSON, as the saved one went: it knows lists only, no tuples.
    asked = json.loads(json.dumps(config))
    differing = [key for key in asked if saved.get(key) != asked[key]]
    if differing:
        raise SkyfixError(
            f"{run} was begun with other settings ({', '.join(differing)}). Repeat its command, "
            "or choose another folder with --out."
        )
