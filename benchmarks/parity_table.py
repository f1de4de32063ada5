"""Runs every test against the authors' numbers and writes down how far ours are from theirs.

    python benchmarks/parity_table.py [--write]

Needs the optional data folder (SKYFIX_SHARED). ``--write`` replaces docs/parity.md and the table
of descriptor differences in the package. Exits with 1 if a test fails or a fixture is not read.
"""

import argparse
import csv
import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timing import machine

from skyfix import systems
from skyfix.files import write_text

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SKYFIX_SHARED", ROOT.parent / "shared"))
DESCRIPTORS = ROOT / "src/skyfix/systems/parity.csv"
AUTHORS_NUMBERS = {"golden", "load_golden"}

PREFACE = """# Parity with the authors' code

Made by `python benchmarks/parity_table.py --write` ({machine}). Every fixture holds numbers that
the authors' published code computed on the CPU from parameters and inputs which a fixed rule fills;
our tests fill ours by the same rule. Each line is one test of one fixture: the largest absolute
difference among all numbers it compares, and the largest part of the allowed difference that was
used (the tolerances are those that the fixtures' authors recommend; gradient norms and losses are
compared relatively, so their absolute differences may be above one).

{fixtures} fixture files, all read; {numbers} numbers compared.

## Without numbers by the authors

| what | tested against |
| --- | --- |
| `lcm` | the paper's description; layers that `instance` shares are covered above (`tests/systems/test_classifiers.py`) |
| `swin` with SwinV2-B, `sdpl` with SwinV2-B and EfficientNet-Lite0 | the equations of the partition with a literal twin, the contract of every system (`tests/layers/test_partition.py`, `tests/systems/test_swin.py`, `tests/systems/test_contract.py`) |
| `sdpl` in the paper's form | a literal twin that cuts and pads (`tests/layers/test_partition.py`) |
| `safa` and `cvft` with LPN's parts | the papers' equations (`tests/systems/test_ground_systems.py`) |

One number among the fixtures has no counterpart: `part_prediction`, the class that LPN's authors
log while training; skyfix logs losses only.

## Measured
"""  # noqa: E501


@dataclass
class Line:
    """What one test found about the fixtures it read."""

    fixtures: tuple[str, ...]
    test: str
    numbers: int = 0
    difference: float = 0.0
    used: float = 0.0


@dataclass
class Recorder:
    """Listens to the comparisons of those tests that use the authors' numbers."""

    lines: list[Line] = field(default_factory=list)
    descriptors: dict[str, float] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    _current: Line | None = None
    _recent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _module: str = ""
    _system: str = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [i for i in items if AUTHORS_NUMBERS & set(getattr(i, "fixturenames", ()))]

    def pytest_sessionstart(self) -> None:
        torch.testing.assert_close = self._listening(torch.testing.assert_close)  # type: ignore[assignment]
        np.testing.assert_allclose = self._listening(np.testing.assert_allclose, rtol=1e-7)
        np.testing.assert_array_equal = self._listening(np.testing.assert_array_equal)
        pytest.approx = self._approximately(pytest.approx)
        systems.load_author_checkpoint = self._naming(systems.load_author_checkpoint)
        sys.addaudithook(self._on_event)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.files, self._module, self._system = set(), item.path.name, ""
        self._current = Line((), f"{item.path.name}, {item.name}")
        result = yield
        # What a module's fixture has read serves the module's later tests, too.
        found = tuple(sorted(self.files)) or self._recent.get(self._module, ())
        self._recent[self._module] = self._current.fixtures = found
        if self._current.numbers:
            self.lines.append(self._current)
        self._current = None
        return result

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self._current is not None and "golden" in str(arguments[0]):
            path = Path(str(arguments[0]))
            if path.suffix in (".json", ".npz") and "dev" in path.parts:
                name = "/".join(path.parts[path.parts.index("dev") + 1 :])
                self.opened.add(name)
                if "keys" not in name:
                    self.files.add(name.rsplit(".", 1)[0])

    def _naming(self, load: Callable[..., Any]) -> Callable[..., Any]:
        def named(name: str, *arguments: Any, **options: Any) -> Any:
            self._system = name
            return load(name, *arguments, **options)

        return named

    def _listening(self, check: Callable[..., None], rtol: float = 0.0) -> Callable[..., None]:
        def listening(found: Any, expected: Any, *arguments: Any, **options: Any) -> None:
            allowed = options.get("atol") or 0.0, options.get("rtol", rtol) or 0.0
            self._note(found, expected, *allowed)
            check(found, expected, *arguments, **options)

        return listening

    def _approximately(self, approx: Callable[..., Any]) -> Callable[..., Any]:
        recorder = self

        def approximately(expected: Any, rel: Any = None, abs: Any = None) -> Any:  # noqa: A002
            plain = approx(expected, rel=rel, abs=abs)

            class Listening:
                def __eq__(self, found: object) -> bool:
                    recorder._note(found, expected, abs or 1e-12, 1e-6 if rel is None else rel)
                    return bool(plain == found)

                __hash__ = None  # type: ignore[assignment]

                def __repr__(self) -> str:
                    return repr(plain)

            return Listening()

        return approximately

    def _note(self, found: Any, expected: Any, atol: float, rtol: float) -> None:
        if self._current is None or isinstance(expected, (dict, str)):
            return
        ours, authors = _array(found), _array(expected)
        if (
            ours.shape != authors.shape
            and ours.size != authors.size
            and 1
            not in (
                ours.size,
                authors.size,
            )
        ):
            return
        off = np.abs(ours.reshape(-1) - authors.reshape(-1))
        allowed = atol + rtol * np.abs(authors.reshape(-1))
        line = self._current
        line.numbers += off.size
        line.difference = max(line.difference, float(off.max(initial=0)))
        line.used = max(line.used, float((off[allowed > 0] / allowed[allowed > 0]).max(initial=0)))
        if self._system and _are_descriptors(authors):
            worst = max(self.descriptors.get(self._system, 0.0), float(off.max()))
            self.descriptors[self._system] = worst


def _array(values: Any) -> np.ndarray:
    plain = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.asarray(plain, dtype=np.float64)


def _are_descriptors(values: np.ndarray) -> bool:
    """Rows of unit length, long enough to be no accident."""
    return (
        values.ndim == 2
        and values.shape[1] > 64
        and bool(np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-4))
    )


def table(lines: list[Line]) -> str:
    """Markdown, in the order of the fixtures."""
    rows = ["| fixture | test | numbers | largest difference | of the tolerance % |"]
    rows.append("| --- | --- | ---: | ---: | ---: |")
    for line in sorted(lines, key=lambda line: (line.fixtures, line.test)):
        cells = [", ".join(line.fixtures), f"`{line.test}`", f"{line.numbers}"]
        cells += [f"{line.difference:.1e}", f"{100 * line.used:.1f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Run the tests; 0 if all passed and read everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    recorder = Recorder()
    status = pytest.main(["-q", str(ROOT / "tests")], plugins=[recorder])
    golden = SHARED / "golden" / "dev"
    names = {path.relative_to(golden).as_posix() for path in golden.rglob("*") if path.is_file()}
    unread = sorted(name for name in names - recorder.opened if name.endswith((".json", ".npz")))
    numbers = sum(line.numbers for line in recorder.lines)
    text = PREFACE.format(machine=machine(), fixtures=len(names), numbers=f"{numbers:,}")
    text += "\n" + table(recorder.lines)
    print(text)
    for name in unread:
        print(f"read by no test: {name}")
    if status or unread:
        return 1
    if arguments.write:
        write_text(ROOT / "docs/parity.md", text)
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["system", "largest_descriptor_difference"])
        writer.writerows(
            [name, f"{worst:.1e}"] for name, worst in sorted(recorder.descriptors.items())
        )
        write_text(DESCRIPTORS, stream.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
