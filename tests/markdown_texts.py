"""The project's Markdown files, taken apart: code, links, pictures, anchors."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "src/**/*.md")
    for path in ROOT.glob(pattern)
)


@dataclass(frozen=True)
class Code:
    """A piece of code: a line or a whole block.

    Attributes:
        text: one shell command (joined where it is continued), one span, or a block of a language.
        kind: "command" from a block without language or from a table, "span" from running text,
            else the language of the block.
    """

    text: str
    kind: str


def tokens(file: Path) -> list[Token]:
    """Tokens of a file, the pieces of running text in their place."""
    parsed = _parsed(file)
    return [piece for token in parsed for piece in (token, *(token.children or ()))]


def code(file: Path) -> Iterator[Code]:
    """Every piece of code of a file."""
    in_table = False
    for token in tokens(file):
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        elif token.type == "code_inline":
            yield Code(token.content.replace("\n", " "), "command" if in_table else "span")
        elif token.type == "fence" and token.info:
            yield Code(token.content, token.info)
        elif token.type in ("fence", "code_block"):
            lines = re.sub(r"\\\n\s*", "", token.content).splitlines()
            yield from (Code(line.strip(), "command") for line in lines)


def links(file: Path) -> list[str]:
    """Where the links and pictures of a file point to."""
    found = (token.attrGet("href") or token.attrGet("src") for token in tokens(file))
    return [str(target) for target in found if target is not None]


def anchors(file: Path) -> set[str]:
    """Names of a file's headings, spelled as GitHub does in its addresses."""
    parsed = _parsed(file)
    titles = [
        "".join(piece.content for piece in following.children or ())
        for token, following in itertools.pairwise(parsed)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def _parsed(file: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse((ROOT / file).read_text())
