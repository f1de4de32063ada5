"""The site that is made of the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import commands
from markdown_texts import ROOT, code

INDEX = Path("docs/index.md")
LIST = ROOT / "tests" / "public_api.txt"
LOADED = re.compile(
    r"""<(?:script|img|link|source|iframe)\b[^>]*?\b(?:src|href)=["'](?P<from>[^"']+)"""
)


def in_navigation() -> set[Path]:
    """Pages that the navigation names."""
    lists = [piece.text for piece in code(INDEX) if piece.kind == "{toctree}"]
    names = re.findall(r"^(?:.+<)?([\w./]+)>?$", "\n".join(lists), re.MULTILINE)
    return {(ROOT / "docs" / f"{name}.md").resolve() for name in names}


def test_the_navigation_has_every_page() -> None:
    pages = set((ROOT / "docs").glob("*.md")) - {ROOT / INDEX}
    beside = {ROOT / name for name in ("SECURITY.md", "LICENSES.md", "CHANGELOG.md")}
    assert pages | beside <= in_navigation()
    assert all(page.is_file() for page in in_navigation())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with every warning an error."""
    pytest.importorskip("sphinx", reason="sphinx is not installed: skyfix[docs]")
    folder = tmp_path_factory.mktemp("site")
    recipe = re.search(r"sphinx-build (.*) -d \S+ \. site$", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    program = Path(sys.executable).with_name("sphinx-build")
    command = [program, *recipe[1].split(), "-d", folder / "trees", ".", folder / "site"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.mark.full
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loaded = [found["from"] for found in LOADED.finditer(page.read_text())]
        for address in loaded:
            assert "//" not in address, f"{page} loads {address}"
            if not address.startswith(("#", "data:")):
                name = re.split(r"[?#]", address)[0]
                assert (page.parent / name).exists(), f"{page} loads {address}"
    styles = "".join(style.read_text() for style in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(?:https?:)?//", styles)
    assert "@import" not in styles


@pytest.mark.full
def test_every_command_and_public_name_is_explained(site: Path) -> None:
    page = (site / "docs" / "cli.html").read_text()
    for command in commands():
        assert f"skyfix-{command.replace(' ', '-')}" in page, command
    assert "sphinx-build" not in page
    page = (site / "docs" / "api.html").read_text()
    anchors = set(re.findall(r'id="(skyfix[\w.]+)"', page))
    fields = set(re.findall(r"<strong>([\w,]+)</strong>", page))
    names = [
        found[0] for line in LIST.read_text().splitlines() if (found := re.match(r"[\w.]+", line))
    ]
    assert len(names) > 100
    known = {field for joined in fields for field in joined.split(",")}
    for name in names:
        if name not in ("skyfix.__version__", *anchors):
            assert name.rpartition(".")[2] in known, f"{name} is not explained"
