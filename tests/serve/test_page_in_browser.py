"""The map page in a real browser on the real service, with photos of a made-up town.

Longer than other files, as all tests share one browser, one flight and one service.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import FAINT, OVERLAPS, started_browser
from PIL import Image, ImageChops
from service_process import Running, free_port, wait_ready

from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m
from skyfix.inference import Embedder
from skyfix.world.flight import FlightSize, write_flight
from skyfix.world.scene import Scene

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = pytest.mark.slow

KEY = "a-key-for-the-page"
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}
FLIGHT = FlightSize(
    photos=3, seconds=6.0, fps=2, photo_px=(480, 360), video_px=(320, 240), altitude_m=80.0,
    seed=1, has_heights=False,
)  # fmt: skip
WAIT_MS = 120_000
WITHIN_M = 5.0


@dataclass(frozen=True)
class Flown:
    """A flight's folder and the truth of its photos by name."""

    folder: Path
    truth: dict[str, dict[str, str]]

    def photo(self, number: int) -> Path:
        return self.folder / "photos" / f"photo_{number:03}.jpg"

    def off_m(self, number: int, place: dict[str, float], what: str = "") -> float:
        truth = self.truth[f"photos/photo_{number:03}.jpg"]
        lon, lat = float(truth[f"{what}lon"]), float(truth[f"{what}lat"])
        return float(distance_m(place["lon"], place["lat"], lon, lat))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # First of all, so that nothing is rendered where there is no browser.
    with started_browser() as started:
        yield started


@pytest.fixture(scope="module")
def flown(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Flown:
    folder = write_flight(Scene.of_town(12, 400.0, 0.5), tmp_path_factory.mktemp("town"), FLIGHT)
    with (folder / "truth.csv").open() as stream:
        return Flown(folder, {row["file"]: row for row in csv.DictReader(stream)})


@pytest.fixture(scope="module")
def address(flown: Flown, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    gallery = folder / "town"
    Gallery.build(flown.folder / "map.tif", gallery, Embedder("skyfix_s"), 100.0, 50.0)
    port, log = free_port(), folder / "service.log"
    command = [sys.executable, "-m", "skyfix", "serve", "--gallery", str(gallery)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | {"SKYFIX_API_KEY": KEY},
            stdout=stream,
            stderr=stream,
        )
    running = Running(process, f"http://127.0.0.1:{port}", folder)
    try:
        wait_ready(running, log)
        yield running.url
    finally:
        running.stop()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Any]:
    """Opens the page; at the end nothing may have failed, nor been asked of anybody else."""
    contexts, complaints, asked = [], [], []

    def opened(size: dict[str, int] = DESKTOP, key: str = KEY, script: str = "", **options: Any):
        context = browser.new_context(viewport=size, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if _is_bad(line) else None)
        page.on("request", lambda request: asked.append(request.url))
        if key:
            page.add_init_script(f"sessionStorage.setItem('skyfix-key', '{key}')")
        if script:
            page.add_init_script(script)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked
    assert {
        url for url in asked if not url.startswith((address, f"blob:{address}", "data:"))
    } == set()


def _is_bad(line: Any) -> bool:
    # The browser notes each answer of 4xx itself; what the page makes of it is tested.
    return line.type == "error" and "Failed to load resource" not in line.text


def _add(page: Any, *paths: Path) -> None:
    page.set_input_files("#files", [str(path) for path in paths])


def _item(page: Any, name: str) -> Any:
    return page.locator("#list button", has=page.locator("b", has_text=name))


def _locate(page: Any, path: Path, words: str = r"^68 % within ") -> None:
    _add(page, path)
    expect(_item(page, path.name).locator("span")).to_have_text(re.compile(words), timeout=WAIT_MS)


def _place(page: Any, kind: str) -> dict[str, float]:
    pin = page.locator(f".pin.{kind}").first
    pin.wait_for()
    return {name: float(pin.get_attribute(f"data-{name}")) for name in ("lon", "lat")}


def _on_screen(page: Any, kind: str) -> np.ndarray:
    box = page.locator(f".pin.{kind}").first.bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def _px_per_metre(page: Any) -> float:
    number, unit = page.locator("#length").inner_text().split()
    length_m = float(number) * (1000 if unit == "km" else 1)
    return page.locator("#bar").bounding_box()["width"] / length_m


def _map_picture(page: Any) -> Image.Image:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    return Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB")


def _saved(page: Any, kind: str) -> str:
    with page.expect_download() as download:
        page.click(f"[data-format={kind}]")
    assert download.value.suggested_filename == f"fixes.{kind}"
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_a_photo_appears_where_it_was_taken(open_page: Any, flown: Flown) -> None:
    page = open_page()
    _locate(page, flown.photo(1))
    assert flown.off_m(1, _place(page, "found"), "ground_") < WITHIN_M
    assert flown.off_m(1, _place(page, "eye")) < WITHIN_M
    # On the screen as well: pins and scale bar agree with the coordinates.
    apart_px = np.linalg.norm(_on_screen(page, "found") - _on_screen(page, "tag"))
    found, tag = _place(page, "found"), _place(page, "tag")
    apart_m = float(distance_m(found["lon"], found["lat"], tag["lon"], tag["lat"]))
    assert apart_px / _px_per_metre(page) == pytest.approx(apart_m, rel=0.05)
    stated = page.locator("#distance").inner_text()
    assert float(stated.split()[0]) == pytest.approx(flown.off_m(1, _place(page, "eye")), abs=0.15)
    # The photo, and the best tile with the photo's ground around the fix.
    widths = page.locator(".pair img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert len(widths) == 2
    assert min(widths) > 0
    frame = page.locator(".framed .outline").get_attribute("points").split()
    corners = np.array([[float(part) for part in point.split(",")] for point in frame])
    spot = page.locator(".framed .spot").evaluate("one => [one.style.left, one.style.top]")
    centre = np.array([float(part.rstrip("%")) / 100 for part in spot])
    assert len(corners) == 4
    assert (corners.min(axis=0) < centre).all()
    assert (centre < corners.max(axis=0)).all()
    tiles = page.locator(".tiles button span").all_inner_texts()
    assert len(tiles) == page.locator(".candidate").count() == 5
    assert all(re.fullmatch(r"\d\. \d+\.\d sd", words) for words in tiles)


def test_the_imagery_and_the_similarity_are_drawn_and_can_be_left_out(
    open_page: Any, flown: Flown
) -> None:
    page = open_page()
    bare = np.asarray(_map_picture(page).crop((250, 250, 650, 550)), float)
    # Streets and roofs, not the one colour of an empty map.
    assert bare.std() > 15
    _locate(page, flown.photo(3))
    low, high = (
        float(page.locator(f"#{name}").inner_text().split()[0]) for name in ("low", "high")
    )
    assert low < 0 < high
    best = page.locator(".tiles button span").first.inner_text()
    assert high == pytest.approx(float(best.split()[1]), abs=0.1)
    page.click("#fit")
    coloured = _map_picture(page)
    page.uncheck(".layers [value=heat]")
    plain = _map_picture(page)
    share = np.asarray(ImageChops.difference(coloured, plain)).any(axis=2).mean()
    assert share > 0.1
    assert not page.locator("#legend").is_visible()
    page.check(".layers [value=heat]")
    assert page.locator("#legend").is_visible()


def test_saved_files_hold_the_fixes(open_page: Any, flown: Flown) -> None:
    page = open_page()
    _locate(page, flown.photo(2))
    feature = json.loads(_saved(page, "geojson"))["features"][0]
    lon, lat = feature["geometry"]["coordinates"][:2]
    assert flown.off_m(2, {"lon": lon, "lat": lat}, "ground_") < WITHIN_M
    assert ET.fromstring(_saved(page, "kml")).tag.endswith("kml")
    assert ET.fromstring(_saved(page, "gpx")).tag.endswith("gpx")
    assert len(list(csv.DictReader(io.StringIO(_saved(page, "csv"))))) == 1


def test_the_camera_is_read_from_tags_and_can_be_changed(open_page: Any, flown: Flown) -> None:
    page = open_page()
    _locate(page, flown.photo(3))
    truth = flown.truth["photos/photo_003.jpg"]
    for name in ("heading_deg", "pitch_deg", "altitude_m", "field_of_view_deg"):
        read = float(page.locator(f"#pose [name={name}]").input_value())
        assert read == pytest.approx(float(truth[name.replace("field_of_view", "hfov")]), abs=0.02)
    page.fill("#pose [name=roll_deg]", "")
    page.fill("#pose [name=altitude_m]", "85")
    with page.expect_response(lambda answer: answer.url.endswith("/v1/fixes")) as answered:
        page.click("#again")
    known = answered.value.json()["known"]
    assert known["roll_deg"] is None
    assert known["altitude_m"] == 85
    assert known["heading_deg"] == pytest.approx(float(truth["heading_deg"]), abs=0.02)


def test_a_search_near_a_point_stays_there(open_page: Any, flown: Flown) -> None:
    page = open_page()
    page.click("#near summary")
    page.fill("#near-lon", "2.1")
    _locate(page, flown.photo(3), "give its longitude, latitude and a radius")
    page.click("#near-view")
    assert float(page.input_value("#near-radius")) > 50
    # A circle that the photo is not in.
    truth = flown.truth["photos/photo_003.jpg"]
    west, south = float(truth["ground_lon"]) - 0.0016, float(truth["ground_lat"]) - 0.0005
    page.fill("#near-lon", str(west))
    page.fill("#near-lat", str(south))
    page.fill("#near-radius", "100")
    with page.expect_response(lambda answer: answer.url.endswith("/v1/fixes")) as answered:
        page.click("#again")
    tiles = answered.value.json()["candidates"]
    assert tiles
    assert all(distance_m(one["lon"], one["lat"], west, south) < 101 for one in tiles)


def test_a_photo_of_nothing_is_not_located_and_says_why(open_page: Any, tmp_path: Path) -> None:
    page = open_page()
    pixels = np.random.default_rng(0).integers(0, 255, (360, 480, 3), np.uint8)
    noise = tmp_path / "noise.jpg"
    Image.fromarray(pixels).save(noise)
    _locate(page, noise, r"^Not located\. \w+")
    assert page.locator("#shown .why").inner_text().startswith("Not located.")
    assert "noise.jpg: Not located" in page.locator("#status").inner_text()
    assert page.locator(".pin.found").count() == 0
    assert page.locator("#ground").count() == 0


def test_what_is_dropped_but_is_no_photo_is_refused_in_words(open_page: Any) -> None:
    page = open_page()
    dropped = page.evaluate_handle(
        """() => {
          const carried = new DataTransfer();
          for (const name of ["text.jpg", "notes.txt"]) carried.items.add(new File(["no"], name));
          return carried;
        }"""
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#shown .why")).to_contain_text("Send a JPEG, PNG, WebP or TIFF file.")
    expect(_item(page, "text.jpg").locator(".reason")).to_contain_text("Send a JPEG")
    expect(page.locator("#alert")).to_have_text(re.compile("^1 file left out"))


def test_names_of_files_are_shown_as_text(open_page: Any, flown: Flown) -> None:
    page = open_page()
    name = "<img src=x onerror=document.title='hit'>.jpg"
    content = flown.photo(1).read_bytes()
    page.set_input_files("#files", [{"name": name, "mimeType": "image/jpeg", "buffer": content}])
    page.wait_for_selector("#list .reason, #list span:has-text('within')")
    assert page.locator("#shown h2").inner_text() == name
    assert page.locator("img[src=x]").count() == 0
    assert "skyfix" in page.title()


def test_a_flight_has_a_time_line(open_page: Any, flown: Flown) -> None:
    page = open_page()
    _add(page, flown.folder / "flight.mp4", flown.folder / "flight.srt")
    expect(page.locator("#telemetry-name")).to_have_text("Goes with the video: flight.srt")
    page.fill("#every", "2")
    page.click("#fly")
    said = page.locator("#status")
    expect(said).to_have_text(
        re.compile(r"flight\.mp4: \d+ of \d+ frames located"), timeout=WAIT_MS
    )
    frames = int(page.locator("#moment").get_attribute("max")) + 1
    assert frames == 3
    assert re.search(r"median \d", page.locator("#error").inner_text())
    assert page.locator("#plot .error").count() >= 1
    page.locator("#moment").fill("0")
    expect(page.locator("#clock")).to_have_text("0:00.0")
    page.click("#play")
    expect(page.locator("#clock")).not_to_have_text("0:00.0")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play", timeout=WAIT_MS)
    assert page.locator("#moment").input_value() == str(frames - 1)
    seen = page.locator(".pair video")
    assert seen.evaluate("one => one.error") is None
    points = ET.fromstring(_saved(page, "gpx")).findall(".//{*}trkpt")
    assert len(points) == int(page.locator("#error").inner_text().split()[0])
    page.fill("#every", "0.5")
    page.click("#fly")
    page.click("#stop")
    expect(said).to_have_text(re.compile(r"frames?, stopped"), timeout=WAIT_MS)
    assert 1 <= int(page.locator("#moment").get_attribute("max")) + 1 < 12


def test_a_key_is_asked_for(open_page: Any, flown: Flown) -> None:
    page = open_page(key="")
    page.wait_for_selector("#ask[open]")
    page.fill("#key", "not the key")
    page.keyboard.press("Enter")
    expect(page.locator("#ask-why")).to_have_text("The key is not the right one.")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#about")).to_contain_text("49 tiles of 100 m")
    assert not page.locator("#ask").is_visible()


def test_files_are_chosen_with_the_keyboard(open_page: Any, flown: Flown) -> None:
    page = open_page()
    # Choosers are caught from the first listener on, which the browser must have heard of before.
    page.on("filechooser", lambda _: None)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    outline = page.locator("label.button").first.evaluate(
        "one => getComputedStyle(one).outlineStyle"
    )
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(flown.photo(1)))
    assert _item(page, "photo_001.jpg").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_all_of_it_legibly(open_page: Any, flown: Flown, scheme: str) -> None:
    page = open_page(PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page.click("#near summary")
    _locate(page, flown.photo(1))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(OVERLAPS) == []
    texts = page.evaluate(FAINT)
    assert texts["texts"] > 30
    assert texts["faint"] == []


def test_the_page_lists_positions_without_webgl(open_page: Any, flown: Flown) -> None:
    script = """const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind === "webgl2" ? null : get.call(this, kind, ...more); };"""
    page = open_page(script=script)
    _locate(page, flown.photo(3))
    assert page.locator("#nomap").is_visible()
    assert page.locator("#ground").is_visible()
