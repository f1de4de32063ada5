"""Batch norms folded into the convolutions before them: the same descriptors, faster."""

from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from skyfix.systems.system import System

MOST_DIFFERENT = 1e-4
"""A folded network whose descriptors differ by more in any number is not used."""


def has_batch_norms(system: nn.Module) -> bool:
    """Whether there is anything to fold."""
    return any(isinstance(module, nn.BatchNorm2d) for module in system.modules())


def folded(system: System, describe: Callable[[System], Tensor]) -> System:
    """A copy of a system in evaluation mode whose batch norms are part of its convolutions.

    Which convolution feeds which batch norm is seen in one run, so any network can be folded; what
    is not of that form stays as it is.

    Args:
        system: left as it is.
        describe: descriptors of a few images by the given system; they tell whether the copy
            does the same.

    Returns:
        The copy, or ``system`` itself if the copy's descriptors are not the same.
    """
    copy = deepcopy(system)
    pairs, expected = _watched(copy, describe)
    for convolution, norm in pairs.items():
        _fold(copy, convolution, norm)
    is_same = torch.allclose(describe(copy), expected, rtol=0, atol=MOST_DIFFERENT)
    return copy if is_same else system


def _watched(system: System, describe: Callable[[System], Tensor]) -> tuple[dict[str, str], Tensor]:
    """Names of convolutions and of the batch norms that take their output, and the descriptors."""
    made_by: dict[int, tuple[str, Tensor]] = {}
    fed: dict[str, set[str]] = {}

    def made(name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            # The output is kept, or its place in memory could be another's.
            made_by[id(output)] = (name, output)

        return note

    def taken(name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            source, _ = made_by.get(id(inputs[0]), ("", None))
            fed.setdefault(name, set()).add(source)

        return note

    with ExitStack() as hooks:
        for name, module in system.named_modules():
            if isinstance(module, nn.Conv2d):
                hooks.enter_context(module.register_forward_hook(made(name)))
            elif isinstance(module, nn.BatchNorm2d):
                hooks.enter_context(module.register_forward_pre_hook(taken(name)))
        expected = describe(system)
    sources = [source for fed_by in fed.values() for source in fed_by]
    pairs = {
        next(iter(fed_by)): norm
        for norm, fed_by in fed.items()
        if len(fed_by) == 1 and sources.count(next(iter(fed_by))) == 1
    }
    pairs.pop("", None)
    return pairs, expected


def _fold(system: System, convolution: str, norm: str) -> None:
    first, second = system.get_submodule(convolution), system.get_submodule(norm)
    rest = _after(second)
    if not isinstance(first, nn.Conv2d) or not isinstance(second, nn.BatchNorm2d) or rest is None:
        return
    if second.running_mean is None or second.running_var is None:
        return
    first.weight, first.bias = fuse_conv_bn_weights(
        first.weight, first.bias, second.running_mean, second.running_var, second.eps,
        second.weight, second.bias,
    )  # fmt: skip
    system.set_submodule(norm, rest)


def _after(norm: nn.Module) -> nn.Module | None:
    """What a batch norm does besides normalizing; None for a kind that is not known."""
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    if hasattr(norm, "drop") and hasattr(norm, "act"):
        return nn.Sequential(norm.get_submodule("drop"), norm.get_submodule("act"))
    return None
