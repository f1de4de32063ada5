"""The map page: everything inside, everything escaped, everything in its place."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasters import texture, write_map
from sample_fixes import flight, located, lost, posed, square
from thumbnails import Thumbnails

from skyfix.gallery import Gallery
from skyfix.geo.raster import Raster
from skyfix.localize.fix import Candidate
from skyfix.outputs.map_page import write_map_page
from skyfix.outputs.overview import area_of, picture_of

TILE_M = 40.0


class Elements(HTMLParser):
    """Tags with their attributes, and the text of every script."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1][0] == "script" and self.scripts:
            self.scripts[-1] += data


def page(fixes: list, path: Path, gallery: Gallery | None = None) -> tuple[Elements, dict]:
    write_map_page(fixes, path, gallery)
    found = Elements(path.read_text())
    return found, json.loads(found.scripts[0])


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A map of 200 x 200 m around 15 degrees east, 45.15 north, in tiles of 40 m."""
    folder = tmp_path_factory.mktemp("map_page")
    pixels = texture(400, 400, seed=2)
    source = write_map(folder / "map.tif", pixels, origin=(499_900.0, 5_000_100.0))
    return Gallery.build(source, folder / "gallery", Thumbnails(), TILE_M, 20.0)


def around(gallery: Gallery, rows: tuple[int, ...] = (0, 40)) -> list:
    """Fixes at the middles of tiles, with those as candidates."""
    tiles = gallery.tiles
    return [
        located(
            f"{row}.jpg",
            float(tiles.lon[row]),
            float(tiles.lat[row]),
            candidates=(Candidate(float(tiles.lon[row]), float(tiles.lat[row]), 5.0,
                                  str(tiles.id[row])),),
        )
        for row in rows
    ]  # fmt: skip


def test_nothing_comes_from_outside_and_names_stay_text(tmp_path: Path) -> None:
    evil = '</script><script>alert("x")</script><img src=x onerror=alert(1)>.jpg'
    found, content = page([located(evil), lost(evil)], tmp_path / "page.html")
    assert len(found.scripts) == 2
    assert "img" not in [tag for tag, _ in found.tags]
    assert content["fixes"][0]["name"] == Path(evil).name
    source = (tmp_path / "page.html").read_text()
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', source)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML", source)
    (policy,) = [
        attributes["content"]
        for tag, attributes in found.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in str(policy)


def test_fixes_stand_in_metres(tmp_path: Path) -> None:
    fixes = [located(lon=15.0, lat=45.0), posed(lon=15.001, lat=45.002)]
    _, content = page([*fixes, lost()], tmp_path / "page.html")
    first, second, none = content["fixes"]
    # A thousandth of a degree at 45 degrees: 78.8 m east, 111.1 m north (WGS84 series).
    assert second["x"] - first["x"] == pytest.approx(78.8, abs=0.1)
    assert second["y"] - first["y"] == pytest.approx(-222.3, abs=0.1)
    assert second["camera"][0] - second["x"] == pytest.approx(39.4, abs=0.1)
    assert len(second["footprint"]) == 4
    assert first["accuracy_95_m"] == 30.25
    assert none["x"] is None
    assert none["reason"].startswith("No place")
    x, y, width, height = content["box"]
    for fix in (first, second):
        assert x < fix["x"] - 12.5 < fix["x"] + 12.5 < x + width
        assert y < fix["y"] < y + height


def test_a_track_has_a_slider_and_single_photos_have_none(tmp_path: Path) -> None:
    found, content = page(flight(5, missing=2), tmp_path / "track.html")
    assert content["track"] == [[0, 1], [3, 4]]
    assert content["order"] == [0, 1, 2, 3, 4]
    (slider,) = [attributes for _, attributes in found.tags if attributes.get("type") == "range"]
    assert slider["max"] == "4"
    assert slider["aria-label"]
    found, content = page([located(), posed()], tmp_path / "page.html")
    assert content["track"] == []
    assert not [attributes for _, attributes in found.tags if attributes.get("type") == "range"]


def test_controls_have_names_and_only_known_layers_are_offered(tmp_path: Path) -> None:
    found, _ = page([located()], tmp_path / "page.html")
    for tag, attributes in found.tags:
        if tag == "button":
            assert attributes["aria-label"]
    boxes = [
        attributes["value"]
        for tag, attributes in found.tags
        if tag == "input" and attributes["type"] == "checkbox"
    ]
    assert boxes == ["circles", "candidates"]


def test_the_picture_is_the_map(tmp_path: Path, gallery: Gallery) -> None:
    fixes = around(gallery)
    _, content = page(fixes, tmp_path / "page.html", gallery)
    drawn = content["picture"]
    data = base64.b64decode(drawn["source"].partition("base64,")[2])
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    x, y, width, height = content["box"]
    assert [drawn[name] for name in ("x", "y", "width", "height")] == [x, y, width, height]
    gsd_m = width / picture.width
    assert gsd_m == pytest.approx(TILE_M / 128, rel=0.02)
    # Around a fix the picture shows what the map shows there.
    with Raster(gallery.sources[0].path) as raster:
        for fix, shown in zip(fixes, content["fixes"], strict=True):
            column, row = map(float, raster.geo.pixel(fix.lon, fix.lat))
            truth, _ = raster.read(column - 20, row - 20, 40, 40, (64, 64))
            left, top = ((shown[axis] - low) / gsd_m - 32 for axis, low in (("x", x), ("y", y)))
            cut = picture.crop((round(left), round(top), round(left) + 64, round(top) + 64))
            cell = np.asarray(cut)
            assert (cell[..., 3] == 255).all()
            assert np.abs(cell[..., :3].astype(float) - truth).mean() < 8
    # The whole map is covered, and nothing beyond it.
    share = (np.asarray(picture)[..., 3] > 127).mean()
    assert share == pytest.approx(covered(content["box"], gallery), rel=0.06)


def covered(box: list[float], gallery: Gallery) -> float:
    """Share of the box that the map's 200 x 200 m fill."""
    area = area_of(around(gallery), gallery)
    corners = area.metres(gallery.tiles.lon, gallery.tiles.lat)
    low, high = corners.min(axis=0) - TILE_M / 2, corners.max(axis=0) + TILE_M / 2
    x, y, width, height = box
    inside = np.minimum(high, (x + width, y + height)) - np.maximum(low, (x, y))
    return float(inside.prod() / (width * height))


def test_pictures_of_the_best_tiles_and_the_photo(tmp_path: Path, gallery: Gallery) -> None:
    (fix,) = around(gallery, (7,))
    Image.new("RGB", (1200, 800), "red").save(tmp_path / "7.jpg")
    shown = located(str(tmp_path / "7.jpg"), fix.lon, fix.lat, candidates=fix.candidates)
    _, content = page([shown], tmp_path / "page.html", gallery)
    assert list(content["tiles"]) == [str(gallery.tiles.id[7])]
    data = base64.b64decode(content["fixes"][0]["picture"].partition("base64,")[2])
    assert Image.open(io.BytesIO(data)).size == (480, 320)


def test_fixes_elsewhere_have_no_picture(gallery: Gallery) -> None:
    away = [located(lon=-70.0, lat=10.0, footprint=square(-70.0, 10.0))]
    assert picture_of(area_of(away, gallery), gallery) is None


def test_pages_without_any_position(tmp_path: Path, gallery: Gallery) -> None:
    alone = lost("x.jpg", candidates=())
    _, content = page([alone], tmp_path / "page.html")
    assert content["picture"] is None
    assert content["first"] == 0
    _, content = page([alone], tmp_path / "page.html", gallery)
    assert content["box"][2] > 200


def test_fixes_across_the_antimeridian_lie_side_by_side(tmp_path: Path) -> None:
    fixes = [located(lon=179.9995), located(lon=-179.9995)]
    _, content = page(fixes, tmp_path / "page.html")
    east, west = (fix["x"] for fix in content["fixes"])
    assert west - east == pytest.approx(78.8, abs=0.1)
