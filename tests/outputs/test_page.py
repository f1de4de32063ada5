"""The report page: self-contained, escaped, with text alternatives."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from skyfix.outputs.page import Page


class Elements(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_holds_everything_and_refers_to_nothing(tmp_path: Path) -> None:
    page = Page("Results <1>")
    page.heading("Part & whole")
    page.text("a < b")
    page.table(["name", "R@1"], [["sdpl", "85.2"], ["<script>", "0"]])
    page.picture(Image.new("RGB", (8, 6), "red"), 'red "square"')
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([0, 1])
    page.picture(figure, "a line")
    page.write(tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text()
    elements = Elements()
    elements.feed(source)
    names = [tag for tag, _ in elements.tags]
    assert "script" not in names
    assert "a < b" in elements.text
    assert names.count("tr") == 3
    pictures = [attributes for tag, attributes in elements.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ['red "square"', "a line"]
    for picture in pictures:
        data = base64.b64decode(str(picture["src"]).partition("base64,")[2])
        Image.open(io.BytesIO(data)).verify()
    assert not re.search(r'(src|href)="(?!data:)', source)
