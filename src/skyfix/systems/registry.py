"""Names of systems and how to make one."""

import importlib
import inspect
import pkgutil
from typing import Any, TypeVar

from skyfix import systems
from skyfix.errors import SkyfixError
from skyfix.systems.system import System

_classes: dict[str, type[System]] = {}
SystemClass = TypeVar("SystemClass", bound=type[System])


def register(cls: SystemClass) -> SystemClass:
    """Class decorator: make a system known by its ``name``."""
    _classes[cls.name] = cls
    return cls


def names() -> list[str]:
    """Registered names, sorted."""
    for module in pkgutil.iter_modules(systems.__path__):
        importlib.import_module(f"{systems.__name__}.{module.name}")
    return sorted(_classes)


def spelled(name: str) -> str:
    """A name as it is registered: ``skyfix-s`` is ``skyfix_s``."""
    return name.replace("-", "_")


def system_class(name: str) -> type[System]:
    """The class behind a name.

    Raises:
        SkyfixError: unknown name.
    """
    if spelled(name) not in names():
        raise SkyfixError(f"Unknown system {name!r}. Choose one of: {', '.join(names())}.")
    return _classes[spelled(name)]


def create(name: str, **options: Any) -> System:
    """Make a system with random weights.

    Args:
        name: a registered name, see ``names``.
        options: its constructor arguments, for example ``backbone``, ``places``, ``input_px``.

    Raises:
        SkyfixError: unknown name or option, or a value that does not fit.
    """
    cls = system_class(name)
    arguments = inspect.signature(cls).parameters
    defaults = {
        argument: one.default for argument, one in arguments.items() if one.default is not one.empty
    }
    for option, value in options.items():
        if option not in arguments:
            raise SkyfixError(
                f"{name} has no option {option!r}. Its options: {', '.join(arguments)}."
            )
        if option in defaults:
            _check_type(name, option, value, defaults[option])
    missing = [argument for argument in arguments if argument not in {**defaults, **options}]
    if missing:
        raise SkyfixError(f"{name} needs a value of {', '.join(missing)}. Give it as an option.")
    try:
        made = cls(**options)
    except ValueError as error:
        # What a layer refuses, such as a dropout above 1.
        raise SkyfixError(f"{name} cannot be made so: {error}. Correct its options.") from error
    made.options = {**defaults, **options}
    return made


def takes_places(name: str) -> bool:
    """Whether a system classifies places, so that their number must be known."""
    return "places" in inspect.signature(system_class(name)).parameters


def _check_type(name: str, option: str, value: Any, default: Any) -> None:
    wanted = type(default)
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        raise SkyfixError(f"{name}: {option} must be of type {wanted.__name__}, not {value!r}.")
