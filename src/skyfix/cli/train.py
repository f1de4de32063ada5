"""`skyfix train`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich import print as show

from skyfix.cli.numbers import AtLeastOne, Count


def train(
    recipe: str,
    *,
    data: str,
    out: Path,
    settings: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    weights: str = "imagenet",
    resume: bool = False,
    device: str = "auto",
    seed: Count = 0,
    save_every: AtLeastOne = 100,
    tensorboard: bool = False,
) -> None:
    """Train a system and write its checkpoint folder.

    Example: `skyfix train sdpl --data university1652:ROOT --out runs/sdpl
    --set system.backbone=tf_efficientnet_lite0 --set system.input_px=128`

    Several processes: `torchrun --nproc-per-node 2 -m skyfix train ...`

    A tenth of the training places is kept apart to choose the checkpoint by; papers train on all
    places and take the last state: `--set validation.select=last`.

    Parameters
    ----------
    recipe
        Name of one of the project's recipes, such as sdpl, or a TOML file.
    data
        Data set as NAME:ROOT, for example university1652:data/University-1652.
    out
        Run folder to write.
    settings
        Change one value of the recipe, as optim.lr=0.001; may be given several times.
    weights
        Where the backbone starts from: imagenet, none, or a weight file (.pth, .safetensors).
    resume
        Go on with the run in the run folder; the result is that of an unbroken run.
    device
        auto, cpu or cuda.
    seed
        Decides initial weights, order and augmentation.
    save_every
        Steps between saved states.
    tensorboard
        Log for TensorBoard as well (needs skyfix[tensorboard]).
    """
    from skyfix.datasets.registry import open_dataset
    from skyfix.training.config import read_config, recipe_file
    from skyfix.training.loop import train as run

    config = read_config(recipe_file(recipe, data), settings)
    result = run(
        config,
        open_dataset(data),
        out,
        weights=weights,
        resume=resume,
        device=device,
        seed=seed,
        save_every=save_every,
        tensorboard=tensorboard,
    )
    for problem in result.unreadable:
        show(f"[yellow]left out:[/] {problem}")
    show(f"Trained {config.system} for {result.steps} steps; checkpoint in {result.folder}")
