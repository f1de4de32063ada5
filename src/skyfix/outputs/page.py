"""A report as one self-contained HTML file."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from skyfix.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: light-dark(#1b1f24, #e6e9ee);
  --paper: light-dark(#fff, #14171b); --soft: light-dark(#586270, #9aa5b1); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; background: #fff; }
.warning { border-left: 4px solid #d9822b; padding: .2rem .8rem; }
.notes { color: var(--soft); font-size: .9rem; padding-left: 1.2rem; }
figcaption { color: var(--soft); font-size: .9rem; } pre { overflow-x: auto; }
"""


class Page:
    """Collects sections in order and writes them as one file without outside references."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._blocks: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Start a section."""
        self._blocks.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._blocks.append(f"<p>{html.escape(text)}</p>")

    def subheading(self, text: str) -> None:
        """Start a part of a section."""
        self._blocks.append(f"<h3>{html.escape(text)}</h3>")

    def warning(self, text: str) -> None:
        """Add a paragraph that a reader must not miss."""
        self._blocks.append(f'<p class="warning">{html.escape(text)}</p>')

    def notes(self, lines: Sequence[str]) -> None:
        """Add remarks in small print, one a line."""
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._blocks.append(f'<ul class="notes">{items}</ul>')

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; the first column holds names."""
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._blocks.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def picture(self, picture: "Image.Image | Figure", caption: str) -> None:
        """Add a picture with its caption, which also serves as its text alternative."""
        data = io.BytesIO()
        if isinstance(picture, Image.Image):
            picture.save(data, "JPEG", quality=85)
            kind = "jpeg"
        else:
            picture.savefig(data, format="png", dpi=110, bbox_inches="tight")
            kind = "png"
        source = f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
        text = html.escape(caption, quote=True)
        self._blocks.append(
            f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        title = html.escape(self._title)
        write_text(
            path,
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{_STYLE}</style></head><body>{''.join(self._blocks)}</body></html>\n",
        )
