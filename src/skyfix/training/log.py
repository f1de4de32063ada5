"""What a run writes down of itself: one JSON line a step, curves, and TensorBoard on request."""

import json
from pathlib import Path
from typing import Any

from skyfix.errors import SkyfixError
from skyfix.files import atomic_path, write_text

LOG_FILE, CURVES_FILE = "log.jsonl", "curves.png"
_NOT_TERMS = ("step", "epoch", "lr")


class Log:
    """``log.jsonl`` of a run, cut back to the saved step when it goes on.

    Lines of steps hold ``step, epoch, lr`` and the loss terms; lines of looks at what is held out
    hold ``step`` and ``recall@1`` (percent).

    Args:
        folder: of the log.
        first_step: lines of later steps are dropped.
        tensorboard: write the same figures for TensorBoard as well.

    Raises:
        SkyfixError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, first_step: int, tensorboard: bool = False) -> None:
        self._folder = folder
        self._rows = [row for row in read_log(folder) if row["step"] <= first_step]
        self._written = 0
        self._board = _board(folder / "tensorboard", first_step) if tensorboard else None

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Remember figures of a step; ``write`` keeps them."""
        self._rows.append({"step": step, **{name: _short(x) for name, x in figures.items()}})
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def write(self) -> None:
        """Write what is new; the first time also drop what was cut back."""
        lines = "".join(json.dumps(row) + "\n" for row in self._rows[self._written :])
        if self._written:
            with (self._folder / LOG_FILE).open("a", encoding="utf-8") as stream:
                stream.write(lines)
        elif lines:
            write_text(self._folder / LOG_FILE, lines)
        self._written = len(self._rows)

    def draw(self) -> None:
        """Draw loss terms, learning rate and validation over the steps as ``curves.png``."""
        from matplotlib.figure import Figure

        steps = [row for row in self._rows if "lr" in row]
        looks = [row for row in self._rows if "recall@1" in row]
        if not steps:
            return
        figure = Figure(figsize=(8, 3 * (2 + bool(looks))), layout="constrained")
        axes = figure.subplots(2 + bool(looks), sharex=True)
        for name in [name for name in steps[0] if name not in _NOT_TERMS]:
            values = [row.get(name, float("nan")) for row in steps]
            axes[0].plot([row["step"] for row in steps], values, label=name, linewidth=1)
        axes[0].set_ylabel("loss")
        axes[0].legend()
        axes[1].plot([row["step"] for row in steps], [row["lr"] for row in steps])
        axes[1].set_ylabel("learning rate")
        if looks:
            shown = [row["recall@1"] for row in looks]
            axes[2].plot([row["step"] for row in looks], shown, marker="o")
            axes[2].set_ylabel("validation R@1 (%)")
        axes[-1].set_xlabel("step")
        with atomic_path(self._folder / CURVES_FILE) as temporary:
            figure.savefig(temporary, format="png", dpi=110)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Rows of a log; a last line that was cut off in the middle is left out."""
    path = folder / LOG_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _short(value: float) -> float:
    return float(f"{value:.8g}")


def _board(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SkyfixError(
            "TensorBoard is not installed. Add it with pip install skyfix[tensorboard]."
        ) from error
    return SummaryWriter(str(folder), purge_step=first_step + 1)
