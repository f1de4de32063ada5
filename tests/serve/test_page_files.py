"""What holds for the files of the map page, without a browser."""

import re
from importlib.resources import files

import pytest

PAGE = files("skyfix.serve") / "page"
SCRIPTS = sorted(one.name for one in PAGE.iterdir() if one.name.endswith(".js"))
OWN = ("index.html", "page.css", *SCRIPTS)
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(")


def _text(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _palette(style: str) -> str:
    return style[style.index(":root {") : style.index("}") + 1]


def test_the_page_looks_like_the_page_that_is_written_to_a_file() -> None:
    written = (files("skyfix.outputs") / "map_page.css").read_text(encoding="utf-8")
    assert _palette(_text("page.css")) == _palette(written)


def test_nothing_is_inline_that_the_policy_forbids() -> None:
    page = _text("index.html")
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []


@pytest.mark.parametrize("name", OWN)
def test_no_text_becomes_markup_and_nobody_else_is_asked(name: str) -> None:
    content = _text(name)
    assert MARKUP.findall(content) == []
    outside = set(re.findall(r"\w+://[^\s\"'`)]+", content))
    assert outside <= {"http://www.w3.org/2000/svg"}


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r'(?:src|href)="static/([^"]+)"', _text("index.html"))
    imported = {
        name for own in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', _text(own))
    }  # fmt: skip
    assert len(named) == 3
    assert imported | {"vendor/maplibre-gl-worker.mjs"} <= {
        *OWN, *(f"vendor/{one.name}" for one in (PAGE / "vendor").iterdir()),
    }  # fmt: skip
    assert all((PAGE / name).is_file() for name in named)


def test_the_map_comes_with_its_licence() -> None:
    licence = _text("vendor/maplibre-gl-LICENSE.txt")
    for name in ("vendor/maplibre-gl.mjs", "vendor/maplibre-gl-worker.mjs"):
        assert "v6.17.0/LICENSE.txt" in _text(name)[:300]
    assert "MapLibre contributors" in licence
    assert "Redistributions in binary form must reproduce" in licence
