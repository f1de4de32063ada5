"""The public names and their signatures are those that `public_api.txt` lists.

A change here is a change for everyone who uses skyfix: say it in the changelog, then write the
list anew with `python tests/test_public_api.py`.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import skyfix

LIST = Path(__file__).with_name("public_api.txt")
# What the documentation names beside the packages' own lists.
MODULES = ("skyfix.errors", "skyfix.geo.camera")
COMMAND = "python tests/test_public_api.py"


def public_lines() -> list[str]:
    """One line for each public name, and one for each public method and attribute of a class."""
    packages = [one.name for one in pkgutil.iter_modules(skyfix.__path__, "skyfix.") if one.ispkg]
    lines = ["skyfix.__version__"]
    for name in (*packages, *MODULES):
        module = importlib.import_module(name)
        for public in _names(module):
            lines += _described(f"{name}.{public}", getattr(module, public))
    return lines


def _names(module: ModuleType) -> list[str]:
    """A package's ``__all__``; of a listed module what it defines itself."""
    if module.__name__ not in MODULES:
        return sorted(getattr(module, "__all__", ()))
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    )


def _described(path: str, value: object) -> Iterator[str]:
    if not callable(value):
        yield path
        return
    yield f"{path}{_signature(value)}"
    if inspect.isclass(value):
        # Only what the project's own classes define: libraries' base classes change by themselves.
        own = [one for one in value.__mro__ if one.__module__.startswith("skyfix")]
        members = {name: found for one in reversed(own) for name, found in vars(one).items()}
        for name in sorted(members):
            if not name.startswith("_"):
                member = getattr(value, name)
                yield f"{path}.{name}{_signature(member) if callable(member) else ''}"


def _signature(value: object) -> str:
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    # Names, order and defaults are what callers depend on; how types are spelled is not.
    parameters = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def test_public_names_and_signatures_are_as_listed() -> None:
    listed, found = set(LIST.read_text().splitlines()), set(public_lines())
    gone = "".join(f"\n- {line}" for line in sorted(listed - found))
    new = "".join(f"\n+ {line}" for line in sorted(found - listed))
    assert listed == found, (
        f"The public interface is another than {LIST.name} says:{gone}{new}\n"
        f"If that is meant, say it in CHANGELOG.md and run: {COMMAND}"
    )


def test_the_list_has_what_the_readme_uses() -> None:
    lines = LIST.read_text()
    for name in ("localize.locate(photo, gallery", "gallery.Gallery.open(", "geo.camera.Pose("):
        assert f"skyfix.{name}" in lines


if __name__ == "__main__":
    LIST.write_text("\n".join(public_lines()) + "\n")
