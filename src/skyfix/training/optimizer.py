"""Optimizers and memory, as a recipe asks for them."""

import warnings
from typing import Any

import torch

from skyfix.errors import SkyfixError
from skyfix.systems.recipe import Recipe
from skyfix.systems.system import System


def rate_scale(recipe: Recipe) -> float:
    """What the rates are multiplied by for a batch other than the one they belong to."""
    if not recipe.optim.batch_of_lr:
        return 1.0
    return recipe.sampler.batch_size * recipe.optim.accumulate / recipe.optim.batch_of_lr


def forget_inner_maps(system: System) -> None:
    """Let backbones compute their inner maps again on the way back.

    Raises:
        SkyfixError: a backbone that cannot.
    """
    modules: list[Any] = list(system.modules())
    able = [module for module in modules if hasattr(module, "set_grad_checkpointing")]
    if not able:
        raise SkyfixError(
            f"The backbone of {system.name} knows no gradient checkpointing. Leave out "
            "optim.checkpointing."
        )
    for module in able:
        module.set_grad_checkpointing(True)


def compile_objective(system: System) -> None:
    """Let torch compile a training step's forward and backward passes when it first runs."""
    # torch tells what its compiler could do better, of code that is not the user's.
    warnings.filterwarnings("ignore", module=r"torch\._(dynamo|inductor)")
    system.compile(dynamic=False)


def make_optimizer(system: System) -> torch.optim.Optimizer:
    """The recipe's optimizer over the system's parameter groups."""
    optim = system.recipe.optim
    groups = [group for group in system.parameter_groups() if group["params"]]
    if optim.kind == "sgd":
        return torch.optim.SGD(
            groups,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
            nesterov=optim.nesterov and optim.momentum > 0,
        )
    kind = torch.optim.Adam if optim.kind == "adam" else torch.optim.AdamW
    return kind(groups, weight_decay=optim.weight_decay)
