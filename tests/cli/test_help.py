"""What the command line says of itself."""

import re
from functools import reduce
from pathlib import Path

import pytest
from command_lines import commands, problem
from cyclopts import App

from skyfix.cli import app, main

FIRST = ["demo", "gallery", "locate", "track", "evaluate", "train"]


@pytest.mark.parametrize("command", [*commands(), "gallery", "world"])
def test_every_help_has_an_example_that_is_understood(command: str) -> None:
    """Asked of the source of the page: on a terminal its lines are broken anywhere."""
    page = reduce(App.__getitem__, command.split(), app).help
    text = " ".join(page.split())
    shown = re.findall(r"`(skyfix [^`]*)`", text)
    examples = re.findall(rf"`(skyfix {command}[^`]*)`", text.partition("Example")[2])
    assert examples
    assert not [found for line in examples if (found := problem(line, whole=True))]
    # Elsewhere commands may be named without all that they need.
    assert not [found for line in shown if (found := problem(line, whole=False))]


@pytest.mark.parametrize("command", commands())
def test_every_help_page_is_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([*command.split(), "--help"])
    assert f"Usage: skyfix {command}" in capsys.readouterr().out


def test_the_first_page_begins_with_what_is_needed_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([])
    first, more = capsys.readouterr().out.split("More")
    assert re.findall(r"^│ (\S+)  ", first, re.MULTILINE) == FIRST
    listed = set(re.findall(r"^│ (\S+)  ", more, re.MULTILINE))
    assert listed | {*FIRST} >= {command.split()[0] for command in commands()}
    assert "skyfix COMMAND --help" in more


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("trian x", "train"),
        ("gallery buld map.tif", "build"),
        ("locate a.jpg --galery x", "--gallery"),
        ("evaluate x --data y --direction bth", "both"),
    ],
)
def test_a_slip_is_told_the_near_word(
    words: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words.split())
    assert re.search(rf'Did you mean "?{near}"?\?', capsys.readouterr().err)


def test_completion_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "fish" / "skyfix.fish"
    main(["--install-completion", "--shell", "fish", "--output", str(script)])
    assert str(script) in capsys.readouterr().out.replace("\n", "")
    text = script.read_text()
    assert "calibrate" in text
    assert "telemetry-offset-s" in text
