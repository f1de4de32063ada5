"""A report as one self-contained HTML file."""

import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from skyfix.files import write_text
from skyfix.outputs.cells import NEAR, RIGHT, WRONG, data_uri, encoded, is_upright

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Literal["plain", "right", "near", "wrong"]
_CONTENTS_FROM = 3
_FRAMES = f"""
.right img {{ outline-color: {RIGHT}; }} .wrong img {{ outline-color: {WRONG}; }}
.near img {{ outline-color: {NEAR}; }}
"""
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: light-dark(#1b1f24, #e6e9ee);
  --paper: light-dark(#fff, #14171b); --soft: light-dark(#586270, #9aa5b1);
  --link: light-dark(#0a58ca, #8ab4f8); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 66rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
a { color: var(--link); } nav a { display: inline-block; margin-right: 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  overflow-wrap: normal; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.words { text-align: left; min-width: 9rem; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; background: #fff; }
figcaption, .notes { color: var(--soft); font-size: .9rem; } .notes { padding-left: 1.2rem; }
.warning { border-left: 4px solid #d9822b; padding: .2rem .8rem; }
.cells { display: grid; gap: .6rem; margin-top: .4rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, max(var(--least), 13%)), 1fr)); }
.cells figure { margin: 0; } .cells img { display: block; width: 100%; }
.cells figcaption { line-height: 1.3; margin-top: .3rem; }
.right img, .near img, .wrong img { outline: 4px solid; outline-offset: -4px; }
.near img, .wrong img { outline-style: dashed; }
.wide { grid-column: span 2; } .widest { grid-column: 1 / -1; } .widest img { width: auto; }
"""


@dataclass(frozen=True)
class Shown:
    """One picture of a row.

    Attributes:
        picture: what is shown.
        caption: stands below it and serves as its text alternative.
        frame: what it is framed as; a dashed frame is a wrong one.
    """

    picture: "Image.Image | Figure"
    caption: str
    frame: Frame = "plain"


class Page:
    """Collects sections in order and writes them as one file without outside references."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._sections: list[str] = []
        self._blocks: list[str] = []

    def heading(self, text: str) -> None:
        """Start a section; pages with several get a list of them at the top."""
        self._sections.append(text)
        self._blocks.append(f'<h2 id="s{len(self._sections)}">{html.escape(text)}</h2>')

    def subheading(self, text: str) -> None:
        """Start a part of a section."""
        self._blocks.append(f"<h3>{html.escape(text)}</h3>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._blocks.append(f"<p>{html.escape(text)}</p>")

    def warning(self, text: str) -> None:
        """Add a paragraph that a reader must not miss."""
        self._blocks.append(f'<p class="warning">{html.escape(text)}</p>')

    def notes(self, lines: Iterable[str]) -> None:
        """Add remarks in small print, one a line."""
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._blocks.append(f'<ul class="notes">{items}</ul>')

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        words: Sequence[str] = (),
    ) -> None:
        """Add a table; the first column holds names.

        Args:
            words: names of further columns that hold words instead of numbers.
        """
        kinds = [' class="words"' if name in words else "" for name in header]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(cell)}</th>'
            for kind, cell in zip(kinds, header, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(
                f"<td{kind}>{html.escape(cell)}</td>"
                for kind, cell in zip(kinds, row, strict=True)
            )
            + "</tr>"
            for row in rows
        )  # fmt: skip
        self._blocks.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def picture(self, picture: "Image.Image | Figure", caption: str) -> None:
        """Add a picture with its caption, which also serves as its text alternative."""
        self._blocks.append(_figure(Shown(picture, caption)))

    def row(self, pictures: Iterable[Shown], caption: str, least_rem: float = 7) -> None:
        """Add pictures side by side, as many in a line as there is room for.

        Args:
            caption: of all of them together.
            least_rem: width below which a picture goes to the next line.
        """
        cells = "".join(_figure(shown) for shown in pictures)
        self._blocks.append(
            f"<figure><figcaption>{html.escape(caption)}</figcaption>"
            f'<div class="cells" style="--least: {least_rem:g}rem">{cells}</div></figure>'
        )

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        title = html.escape(self._title)
        write_text(
            path,
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{_STYLE}{_FRAMES}</style></head><body><h1>{title}</h1>{self._contents()}"
            f"{''.join(self._blocks)}</body></html>\n",
        )

    def _contents(self) -> str:
        if len(self._sections) < _CONTENTS_FROM:
            return ""
        links = "".join(
            f'<a href="#s{number}">{html.escape(text)}</a>'
            for number, text in enumerate(self._sections, start=1)
        )
        return f"<nav>{links}</nav>"


def _figure(shown: Shown) -> str:
    kinds: list[str] = [] if shown.frame == "plain" else [shown.frame]
    if isinstance(shown.picture, Image.Image):
        source = data_uri(shown.picture)
        if not is_upright(shown.picture):
            kinds.append("wide" if shown.picture.width < 3 * shown.picture.height else "widest")
    else:
        data = io.BytesIO()
        shown.picture.savefig(data, format="png", dpi=110, bbox_inches="tight")
        source = encoded(data.getvalue(), "png")
    text = html.escape(shown.caption, quote=True)
    named = f' class="{" ".join(kinds)}"' if kinds else ""
    return (
        f'<figure{named}><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'
    )
