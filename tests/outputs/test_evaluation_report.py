"""The report of an evaluation, read as a person and as a program would."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from skyfix import systems
from skyfix.cli import main
from skyfix.datasets.registry import generate, open_dataset
from skyfix.errors import SkyfixError
from skyfix.evaluation.protocol import Extraction, measure
from skyfix.inference import Embedder
from skyfix.outputs.evaluation_report import write_report
from skyfix.outputs.provenance import listing_digest


class Elements(HTMLParser):
    """Tags with their attributes, tables row by row, headings, and all text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] == "h2":
            self.headings.append(data)

    @property
    def pictures(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]


def report_of(folder: Path, run: str, data: str, *options: str) -> Elements:
    main(["evaluate", run, "--data", data, "--report", str(folder), "--device", "cpu", *options])
    return Elements((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("university")
    return f"university1652:{generate('university1652', root, places=2)}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, university: str) -> tuple[Path, Elements]:
    folder = tmp_path_factory.mktemp("report")
    options = ["--direction", "both", "--input-px", "64", "--protocol", "rotation",
               "--protocol", "weather", "--protocol", "multi-query"]  # fmt: skip
    return folder, report_of(folder, "imagenet", university, *options)


def test_the_page_refers_to_nothing_outside(made: tuple[Path, Elements]) -> None:
    folder, page = made
    source = (folder / "report.html").read_text(encoding="utf-8")
    references = [
        value for _, attributes in page.tags for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "poster", "data")
    ]  # fmt: skip
    assert references
    assert all(str(value).startswith(("data:image/", "#")) for value in references)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import", source)


def test_every_picture_is_whole_and_has_a_text_alternative(made: tuple[Path, Elements]) -> None:
    _, page = made
    assert len(page.pictures) > 50
    for picture in page.pictures:
        assert str(picture["alt"]).strip()
        Image.open(io.BytesIO(base64.b64decode(str(picture["src"]).partition(",")[2]))).verify()


def test_sections_come_in_order(made: tuple[Path, Elements]) -> None:
    _, page = made
    assert page.headings == [
        "Figures", "Robustness", "Recall over K", "Best matches", "Failures",
        "Where the system looks", "Provenance",
    ]  # fmt: skip


def test_the_table_holds_the_figures_of_the_json(made: tuple[Path, Elements]) -> None:
    folder, _ = made
    rows = list(csv.DictReader((folder / "figures.csv").open(encoding="utf-8")))
    measurements = json.loads((folder / "figures.json").read_text())["measurements"]
    assert len(measurements) == 2 * (1 + 12 + 10) + 2
    assert len(rows) == 2 * len(measurements)
    asked = ("protocol", "condition", "direction")
    by_key = {tuple(row[name] for name in (*asked, "rule")): row for row in rows}
    for found in measurements:
        for rule in ("keep", "drop"):
            row = by_key[(*(found[name] for name in asked), rule)]
            assert row["value"] == ("" if found["value"] is None else str(found["value"]))
            for name, value in found[rule].items():
                if name != "distractors":
                    assert float(row[name]) == value


def test_the_page_shows_the_measured_figures(made: tuple[Path, Elements], university: str) -> None:
    _, page = made
    embedder = Embedder("imagenet", device="cpu")
    embedder.system.with_input_px(64, 64)
    found = measure(Extraction(embedder, open_dataset(university)), "satellite2drone")
    for rule in ("keep", "drop"):
        scores = found.places[rule].to_json()
        row = re.search(rf"satellite2drone, {rule}([\d.]+)", page.text)
        names = ("R@1", "R@5", "R@10", "R@1%", "R@1% (N//100)", "R@1% (N//100+1)", "AP")
        assert row
        assert row[1].startswith("".join(f"{scores[name]:.2f}" for name in names))
    assert "instead of 37,855 queries" in page.text
    assert "No figures of imagenet on this data set are published." in page.text


def test_a_trained_run_shows_parts_published_rows_and_its_origin(
    tmp_path: Path, university: str
) -> None:
    system = systems.create("lpn", backbone="tf_efficientnet_lite0", places=2, input_px=128)
    origin = {"selected_by": "test", "seed": 7, "recipe": {"optim": {"lr": 0.01}}}
    systems.save(system, tmp_path / "run", origin)
    page = report_of(tmp_path / "report", str(tmp_path / "run"), university)
    assert "chosen by its figures on these test images" in page.text
    assert "recipe.optim.lr" in page.text
    assert "LPN TCSVT" in page.text
    captions = [str(picture["alt"]) for picture in page.pictures]
    for ring in ("ring 1", "ring 2", "ring 3", "ring 4"):
        assert ring in captions
        assert any(caption.startswith(f"{ring}, cosine ") for caption in captions)
    provenance = json.loads((tmp_path / "report" / "figures.json").read_text())["provenance"]
    assert provenance["identity"] == systems.identity(systems.load(tmp_path / "run"))
    assert provenance["training"] == origin


def test_names_are_escaped_and_unreadable_images_listed(tmp_path: Path) -> None:
    name = "<b>&'mill\""
    for view, count in (("drone", 2), ("satellite", 1)):
        for place in (name, "other"):
            folder = tmp_path / "data" / view / place
            folder.mkdir(parents=True)
            for number in range(count):
                shade = 40 * (number + 2 * (place == name) + 3 * (view == "drone"))
                Image.new("RGB", (64, 64), (shade, 90, 255 - shade)).save(folder / f"{number}.png")
    (tmp_path / "data" / "drone" / "other" / "1.png").write_bytes(b"no picture")
    data = f"folder:{tmp_path / 'data'}"
    page = report_of(tmp_path / "report", "imagenet", data, "--input-px", "64")
    assert name in page.text
    assert "b" not in {tag for tag, _ in page.tags}
    assert "Images left out" in page.headings
    assert str(Path("drone", "other", "1.png")) in page.text
    rows = list(csv.DictReader((tmp_path / "report" / "figures.csv").open(encoding="utf-8")))
    assert {(row["queries"], row["unreadable"]) for row in rows} == {("3", "1")}


def test_linked_data_has_figures_of_its_own(tmp_path: Path) -> None:
    data = f"vigor@same:{generate('vigor', tmp_path / 'data', places=2)}"
    options = ["--direction", "ground2satellite", "--input-px", "64"]
    page = report_of(tmp_path / "report", "imagenet", data, *options)
    assert "hit rate [%]" in page.text
    assert "semi-positives" in page.text
    assert "SDM@1/degrees" in page.text
    found = json.loads((tmp_path / "report" / "figures.json").read_text())["measurements"][0]
    (row,) = csv.DictReader((tmp_path / "report" / "figures.csv").open(encoding="utf-8"))
    assert row["rule"] == "links"
    for name, value in {**found["links"], **found["distances"]}.items():
        assert float(row[name]) == value


def test_an_unwritable_folder_is_refused_before_anything_is_embedded(
    tmp_path: Path, university: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def embedded(*_: object) -> None:
        raise AssertionError("embedding has started")

    monkeypatch.setattr(Embedder, "embed_files", embedded)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as stopped:
        report_of(tmp_path / "file" / "report", "imagenet", university)
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "Cannot write" in lines[0]


def test_a_report_needs_the_undisturbed_figures(tmp_path: Path, university: str) -> None:
    embedder = Embedder("imagenet", device="cpu")
    extraction = Extraction(embedder, open_dataset(university))
    with pytest.raises(SkyfixError, match="Measure the protocol plain too"):
        write_report(tmp_path, embedder, extraction, [], {})


def test_the_digest_of_the_data_follows_names_and_sizes(tmp_path: Path) -> None:
    roots = [generate("university1652", tmp_path / name, places=2) for name in ("a", "b")]
    datasets = [open_dataset(f"university1652:{root}") for root in roots]
    first, second = (listing_digest(dataset, ["drone2satellite"]) for dataset in datasets)
    assert first == second
    assert listing_digest(datasets[0], ["satellite2drone"]) != first
    photo = datasets[1].query("drone").paths[0]
    photo.write_bytes(photo.read_bytes() + b"\0")
    assert listing_digest(datasets[1], ["drone2satellite"]) != first


def test_reports_need_no_maps_and_no_gallery() -> None:
    listing = (
        "import skyfix.outputs.evaluation_report, skyfix.outputs.provenance, sys; "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    assert not {"lance", "pyarrow", "pyproj", "rasterio"} & set(done.stdout.split())
