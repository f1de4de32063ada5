"""How the site is made of the repository's Markdown; `make docs`."""

import re

from sphinx.application import Sphinx

from skyfix import __version__
from skyfix.cli import app as commands

project, release = "skyfix", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "src/skyfix/**/README.md"]
exclude_patterns = ["README.md", ".venv", "site", "build", "runs", "demo"]
# A name that several modules pass on, such as SkyfixError, has several targets.
suppress_warnings = ["ref.python"]
myst_heading_anchors = 4
autodoc_default_options = {"members": True, "imported-members": True}
napoleon_use_ivar = True
html_theme = "furo"
html_show_copyright = False
html_extra_path = ["index.html"]


def _with_commands(app: Sphinx, name: str, source: list[str]) -> None:
    if name == "docs/cli":
        source[0] += "\n" + commands.generate_docs(output_format="markdown", heading_level=2)


def _with_joined_names(
    app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]
) -> None:
    # Of "lon, lat: ..." Sphinx would take the first word for a type.
    lines[:] = [re.sub(r"^:(ivar|param) (\w+(?:, \w+)+):", _without_spaces, line) for line in lines]


def _without_spaces(field: re.Match[str]) -> str:
    return f":{field[1]} {field[2].replace(' ', '')}:"


def setup(app: Sphinx) -> None:
    """Fill the page of commands, and name each of the values that are explained together."""
    app.connect("source-read", _with_commands)
    # After napoleon, which makes fields of the sections.
    app.connect("autodoc-process-docstring", _with_joined_names, priority=600)
