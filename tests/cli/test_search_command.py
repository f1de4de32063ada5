"""`skyfix search`: the tiles most like photos."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasters import texture, write_map

from skyfix import systems
from skyfix.cli import main
from skyfix.gallery import Gallery
from skyfix.geo.ground import distance_m

pytest.importorskip("rasterio")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    folder = tmp_path_factory.mktemp("search")
    systems.save(systems.create("imagenet", input_px=64), folder / "checkpoint")
    source = write_map(folder / "map.tif", texture(500, 500, seed=4))
    arguments = ["gallery", "build", str(source), "--out", str(folder / "gallery")]
    main([*arguments, "--system", str(folder / "checkpoint"), "--tile-m", "80", "--stride-m", "40"])
    return Gallery.open(folder / "gallery")


@pytest.fixture
def photos(gallery: Gallery, tmp_path: Path) -> Path:
    """Tiles' own pictures, as photos."""
    for row in (0, 7, len(gallery) - 1):
        gallery.thumbnail(row).save(tmp_path / f"{row:03}.png")
    return tmp_path


def names_in(photos: Path) -> list[str]:
    return sorted(path.name for path in photos.glob("*.png"))


def search(photos: Path, gallery: Gallery, out: Path, *more: str) -> None:
    main(["search", str(photos), "--gallery", str(gallery.path), "--out", str(out), *more])


def test_each_photo_finds_its_tile_first(
    photos: Path, gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search(photos, gallery, tmp_path / "out" / "found.json", "--k", "5")
    found = json.loads((tmp_path / "out" / "found.json").read_text())
    assert [Path(one["photo"]).name for one in found] == sorted(
        p.name for p in photos.glob("*.png")
    )
    for one in found:
        row = int(Path(one["photo"]).stem)
        cosines = [tile["cosine"] for tile in one["tiles"]]
        assert one["tiles"][0]["tile"] == gallery.tiles.id[row] and not one["partial"]
        assert cosines == sorted(cosines, reverse=True) and len(cosines) == 5
        assert one["tiles"][0]["lon"] == gallery.tiles.lon[row]
    assert found[0]["tiles"][0]["tile"] in capsys.readouterr().out


def test_a_circle_holds_all_tiles_and_a_damaged_photo_is_left_out(
    photos: Path, gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff no more")
    lon, lat = float(gallery.tiles.lon[7]), float(gallery.tiles.lat[7])
    out = tmp_path / "out" / "found.csv"
    search(photos, gallery, out, "--near", str(lon), str(lat), "60")
    rows = list(csv.DictReader(out.open()))
    assert {Path(row["photo"]).name for row in rows} == set(names_in(photos))
    far = distance_m(lon, lat, *np.array([[float(r["lon"]), float(r["lat"])] for r in rows]).T)
    assert float(np.max(far)) <= 60
    assert "Left out: " in capsys.readouterr().out


def test_what_cannot_be_done_is_one_line(
    gallery: Gallery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff no more")
    for arguments, said in (
        ((photo, "--out", tmp_path / "found.xlsx"), "Tiles are written as .csv or .json"),
        ((photo, "--shards", "3"), "--shards needs --ray."),
        ((tmp_path / "bad.jpg",), "bad.jpg"),
        ((tmp_path / "none.jpg",), "No such photo"),
        ((photo, "--ray", "127.0.0.1:1"), "No Ray cluster at 127.0.0.1:1"),
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["search", *map(str, arguments), "--gallery", str(gallery.path)])
        assert exit_.value.code == 2
        assert said in " ".join(capsys.readouterr().err.split())
