"""Several protocols in one run: what is asked, and the rows that come out."""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from skyfix.errors import SkyfixError
from skyfix.evaluation.choices import Direction
from skyfix.evaluation.conditions import conditions
from skyfix.evaluation.protocol import Extraction, Measurement, measure, views_of


def run_protocols(
    extraction: Extraction,
    protocols: Sequence[str],
    directions: Sequence[Direction],
    done: Callable[[Measurement], None] = lambda _: None,
) -> list[Measurement]:
    """Measure every condition of the protocols in every direction it makes sense for.

    Undisturbed descriptors are computed once for all of them.

    Args:
        extraction: embedder and data set.
        protocols: names, see ``conditions.PROTOCOLS``.
        directions: which view asks and which is searched.
        done: told each measurement as soon as it is there.

    Raises:
        SkyfixError: an unknown protocol or direction, or one that no direction suits.
    """
    asked = [
        (direction, condition)
        for protocol in dict.fromkeys(protocols)
        for condition in conditions(protocol)
        for direction in directions
        if condition.asking in (None, views_of(direction)[0])
    ]
    if not asked:
        raise SkyfixError(
            f"{', '.join(protocols)} makes no sense in the direction {', '.join(directions)}. "
            "Ask with drone images: drone2satellite."
        )
    found = []
    for direction, condition in asked:
        found.append(measure(extraction, direction, condition))
        done(found[-1])
    return found


def read_protocols(names: Iterable[str]) -> list[str]:
    """Names of protocols; one that ends in .toml is a file with ``protocols = [...]``.

    Raises:
        SkyfixError: a file that is missing or has another content, or an unknown name.
    """
    found: list[str] = []
    for name in names:
        found += _listed(Path(name)) if name.endswith(".toml") else [name]
    for name in found:
        conditions(name)
    return found


def _listed(path: Path) -> list[str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SkyfixError(f"Cannot read the protocols in {path}: {error}.") from error
    names = content.get("protocols")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SkyfixError(f'{path} lists no protocols. Write protocols = ["plain", "shift"].')
    return names
