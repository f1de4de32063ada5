"""What the Markdown files say of commands, files and names is so."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from command_lines import options, problem
from markdown_texts import FILES, ROOT, anchors, code, links

PICTURES = Path("docs/pictures")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROGRAM = re.compile(r"\b(?:benchmarks|docs|examples|recipes|tests)/[\w/.-]*\.(?:md|py|toml)\b")

every_file = pytest.mark.parametrize("file", FILES, ids=str)


@every_file
def test_links_lead_somewhere(file: Path) -> None:
    for link in links(file):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / file.parent / name).resolve() if name else ROOT / file
        assert target.exists(), f"{file} links to {link}"
        if anchor:
            assert anchor in anchors(target.relative_to(ROOT)), f"{file} links to {link}"


def test_every_picture_is_shown() -> None:
    shown = {(ROOT / file.parent / link).resolve() for file in FILES for link in links(file)}
    kept = set((ROOT / PICTURES).resolve().iterdir())
    assert kept
    assert kept <= shown, f"pictures that no text shows: {sorted(kept - shown)}"


@every_file
def test_commands_are_understood(file: Path) -> None:
    """Lines of blocks and tables wholly; running text may leave out what a command needs."""
    lines = [piece for piece in code(file) if re.match(r"skyfix( |$)", piece.text)]
    problems = [problem(piece.text, whole=piece.kind == "command") for piece in lines]
    assert not any(problems), "\n".join(filter(None, problems))


@every_file
def test_options_exist(file: Path) -> None:
    """Options that stand alone in running text belong to some command."""
    named = [found[0] for piece in code(file) if (found := re.match(r"--[a-z][a-z-]*", piece.text))]
    assert not set(named) - options()


@every_file
def test_programs_and_targets_exist(file: Path) -> None:
    text = (ROOT / file).read_text()
    missing = [name for name in PROGRAM.findall(text) if not (ROOT / name).exists()]
    assert not missing
    made = [found[1] for piece in code(file) if (found := re.match(r"make ([a-z-]+)", piece.text))]
    assert not set(made) - TARGETS


@every_file
def test_python_names_what_there_is(file: Path) -> None:
    for piece in code(file):
        if piece.kind == "python":
            for node in ast.walk(ast.parse(piece.text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skyfix"):
                    module = importlib.import_module(node.module or "")
                    missing = [one.name for one in node.names if not hasattr(module, one.name)]
                    assert not missing, f"{file}: {node.module} has no {missing}"


def test_the_checks_see_what_is_wrong() -> None:
    assert "Unknown option" in problem("skyfix locate a.jpg --galery g", whole=True)
    assert "requires an argument" in problem("skyfix locate a.jpg", whole=True)
    assert not problem("skyfix locate a.jpg", whole=False)
    assert "Unknown command" in problem("skyfix gallery add|removed gallery", whole=False)
    readme = list(code(Path("README.md")))
    assert {piece.kind for piece in readme} >= {"command", "span", "python"}
    assert sum(piece.text.startswith("skyfix ") for piece in readme) > 20
    assert "university-1652" in anchors(Path("docs/datasets.md"))
