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
# Of the installed package, and of a checkout.
_RECIPE_FOLDERS = (Path(__file__).parents[1] / "recipes", Path(__file__).parents[3] / "recipes")


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


def recipe_file(recipe: str, data: str = "") -> Path:
    """The file of a recipe that is given by its path or by its name.

    A name such as ``sample4geo`` means the recipe for the data set where there is one of its own
    (``sample4geo-cvusa.toml``; of a choice of it ``game4loc-gta_uav-same.toml``).

    Args:
        recipe: path, or name of one of the project's own.
        data: data set as NAME:ROOT or NAME@CHOICE:ROOT.

    Raises:
        SkyfixError: neither a file nor a name.
    """
    if recipe.endswith(".toml"):
        return Path(recipe)
    name, _, choice = data.partition(":")[0].partition("@")
    for stem in (f"{recipe}-{name}-{choice}", f"{recipe}-{name}", recipe):
        for folder in _RECIPE_FOLDERS:
            if (folder / f"{stem}.toml").is_file():
                return folder / f"{stem}.toml"
    known = sorted({path.stem for folder in _RECIPE_FOLDERS for path in folder.glob("*.toml")})
    raise SkyfixError(f"No recipe {recipe!r}. Give a .toml file or one of: {', '.join(known)}.")


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
        raise SkyfixError(
            f"No recipe file at {path}. Name one of the project's own, such as sdpl."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SkyfixError(
            f"Cannot read the recipe {path}: {error}. Correct it, or name one of the project's "
            "own, such as sdpl."
        ) from error
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
