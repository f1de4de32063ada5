"""How the site is made of the repository's Markdown; `make docs`."""

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


def setup(app: Sphinx) -> None:
    """Fill the page of commands."""
    app.connect("source-read", _with_commands)
