"""Training configurations: a TOML file, changed value by value."""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyfix.errors import SkyfixError
from skyfix.systems.recipe import Recipe
from skyfix.systems.registry import system_class

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TrainConfig:
    """What to train and how.

    Attributes:
        system: registered name.
        options: constructor arguments of the system, without ``places`` (the data decide it).
        recipe: the system's recipe, with the changes asked for.
    """

    system: str
    options: dict[str, Any]
    recipe: Recipe

    def to_json(self) -> dict[str, Any]:
        """Plain values, as a run folder keeps them."""
        return asdict(self)


def read_config(path: Path | str, settings: Iterable[str] = ()) -> TrainConfig:
    """Read a recipe file such as ``recipes/sdpl.toml``.

    Its table ``[system]`` holds the name and constructor arguments; ``[optim]``, ``[schedule]``,
    ``[augment]`` and ``[sampler]`` change the paper's recipe.

    Args:
        settings: changes on top, each ``section.name=value``.

    Raises:
        SkyfixError: missing or malformed file; unknown or unfit setting.
    """
    path = Path(path)
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SkyfixError(f"No recipe file at {path}. The project's own are in recipes/.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SkyfixError(f"Cannot read the recipe {path}: {error}.") from error
    for setting in settings:
        _change(sections, setting)
    return make_config(sections, str(path))


def make_config(sections: Sections, source: str) -> TrainConfig:
    """A configuration from tables, see ``read_config``; ``source`` names them in errors."""
    tables = dict(sections)
    system = tables.pop("system", None)
    if not isinstance(system, dict) or not isinstance(system.get("name"), str):
        raise SkyfixError(f'{source} names no system. Add a table [system] with name = "sdpl".')
    cls = system_class(system["name"])
    if not cls.trainable:
        raise SkyfixError(f"{cls.name} is not trained. Choose another system, for example sdpl.")
    recipe = cls.paper_recipe
    for section, values in tables.items():
        if not isinstance(values, dict):
            raise SkyfixError(f"{source}: {section!r} stands outside a table such as [optim].")
        recipe = recipe.replaced(section, values)
    options = {key: value for key, value in system.items() if key != "name"}
    if "places" in options:
        raise SkyfixError(f"{source}: 'places' follows from the data. Remove it from [system].")
    return TrainConfig(cls.name, options, recipe)


def parsed_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``name=value`` texts as values; what is not a TOML value is text.

    Raises:
        SkyfixError: a text without an equals sign.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not (equals and name.strip()):
            raise SkyfixError(f"Not a setting: {setting!r}. Write name=value, as places=701.")
        values[name.strip()] = _value(text.strip())
    return values


def _change(sections: Sections, setting: str) -> None:
    key, equals, text = setting.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        raise SkyfixError(
            f"Not a setting: {setting!r}. Write section.name=value, as optim.lr=0.01."
        )
    sections.setdefault(section, {})[name] = _value(text.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
