"""The picture of what a gallery covers."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.outputs.coverage import coverage_figure, write_coverage


class Small:
    """An embedder without a network: 4 x 4 grey values."""

    dimensions, input_px, identity = 16, (32, 32), "5a11"

    def embed(self, images: Sequence[np.ndarray], view: str) -> np.ndarray:
        small = [cv2.resize(one, (4, 4), interpolation=cv2.INTER_AREA)[..., 0] for one in images]
        rows = np.array(small, np.float32).reshape(len(images), 16) + 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def save(self, folder: Path | str) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "system.json").write_text(json.dumps({"system": "small"}))


@pytest.fixture(scope="module")
def map_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 x 200 m in UTM; the western half red-free texture, the eastern half nodata."""
    pixels = np.maximum(texture(200, 200), 1)
    pixels[0] = 1
    pixels[:, :, 100:] = 0
    path = tmp_path_factory.mktemp("maps") / "map.tif"
    return write_map(path, pixels, pixel=1.0, nodata=0)


def picture(gallery: Gallery, panel: int = 0) -> np.ndarray:
    return np.asarray(coverage_figure(gallery).axes[panel].images[0].get_array())


def test_imagery_lies_in_its_place_and_what_was_left_out_is_red(
    map_path: Path, tmp_path: Path
) -> None:
    gallery = Gallery.build(map_path, tmp_path / "g", Small(), 20, 10)
    figure = coverage_figure(gallery)
    shown = picture(gallery)
    assert max(shown.shape[:2]) >= 1400
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    counts = gallery.info().counts
    assert f"{counts.skipped_nodata} left out: no imagery or featureless" in legend
    # West: the map itself, which has no red; the map's north edge is the picture's.
    with Image.open(map_path) as source:
        truth = np.asarray(source.crop((20, 20, 80, 180)).convert("RGB"))
    px_per_m = shown.shape[0] / 200
    left, right, top, bottom = (round(m * px_per_m) for m in (20, 80, 20, 180))
    drawn = cv2.resize(shown[top:bottom, left:right], (60, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(drawn.astype(float) - truth).mean() < 12
    assert drawn[..., 0].max() < 40
    # East: planned, without imagery.
    middle = shown[shown.shape[0] // 2, -5]
    assert middle[0] > middle[1] + 50


def test_each_size_has_a_panel_and_thumbnails_may_be_missing(
    map_path: Path, tmp_path: Path
) -> None:
    gallery = Gallery.build(map_path, tmp_path / "g", Small(), (20, 40), thumbnail_px=0)
    axes = coverage_figure(gallery).axes
    titles = [one.get_title() for one in axes]
    assert [title.split(" ", 1)[1] for title in titles] == [
        "tiles of 20 m every 5 m",
        "tiles of 40 m every 10 m",
    ]
    assert [int(title.split()[0].replace(",", "")) for title in titles] == [
        len(layer) for layer in gallery.layers
    ]


def test_pictures_and_pages_are_written(map_path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "map.tif"
    copy.write_bytes(map_path.read_bytes())
    gallery = Gallery.build(copy, tmp_path / "g", Small(), 20, 10)
    write_coverage(gallery, tmp_path / "out" / "c.png")
    with Image.open(tmp_path / "out" / "c.png") as written:
        assert min(written.size) > 500
    copy.unlink()
    write_coverage(gallery, tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text()
    assert "left out" not in page and str(copy) in page and "data:image/png" in page
    with pytest.raises(SkyfixError, match=r"\.png or \.html"):
        write_coverage(gallery, tmp_path / "c.jpg")


def test_the_antimeridian_runs_through_the_picture(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", texture(200, 200), "EPSG:4326", (179.9995, -16.0), 5e-6)
    gallery = Gallery.build(path, tmp_path / "g", Small(), 20, 10)
    figure = coverage_figure(gallery)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    # The map is 107 x 111 m: 9 columns and 10 rows of tiles, 100 x 110 m together.
    assert shown.shape[1] / shown.shape[0] == pytest.approx(100 / 110, rel=0.02)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert any("E" in one for one in labels) and any("W" in one for one in labels)
