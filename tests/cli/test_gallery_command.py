"""`skyfix gallery` from build to map; map tiles, regions and chosen bands."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyramids import cut_tiles, encoded, write_folder, write_pmtiles
from rasters import texture, write_map

from skyfix import systems
from skyfix.cli import main
from skyfix.geo.maps import open_map

ZOOM, FIRST = 19, (139_772, 215_520)
POINT = {"type": "Point", "coordinates": [-84.02, 31.1]}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    systems.save(systems.create("imagenet", input_px=64), folder)
    return folder


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    pixels = np.moveaxis(texture(512, 512), 0, 2)
    return write_folder(tmp_path / "tiles", cut_tiles(pixels, ZOOM, FIRST))


def run(source: Path, out: Path, checkpoint: Path, *options: object) -> None:
    sizes = ["--tile-m", "40", "--stride-m", "20"]
    command = ["gallery", "build", source, "--out", out, "--system", checkpoint, *sizes, *options]
    main([str(part) for part in command])


def square(path: Path, source: Path, side_px: float) -> Path:
    with open_map(source) as raster:
        lon, lat = raster.geo.lonlat(
            np.array([0, side_px, side_px, 0, 0]), np.array([0, 0, side_px, side_px, 0])
        )
    ring = np.stack([lon, lat], axis=1).tolist()
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def test_a_folder_of_tiles_within_a_region(
    tiles: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    region, out = square(tmp_path / "area.geojson", tiles, 300), tmp_path / "g"
    run(tiles, out, checkpoint, "--roi", region)
    told = " ".join(capsys.readouterr().out.split())
    (counts,) = json.loads((out / "gallery.json").read_text())["contents"]["counts"]
    assert f"{counts['kept']} tiles in" in told
    assert f"{counts['outside_region']} outside the region" in told
    assert 0 < counts["kept"] < counts["outside_region"]
    run(tiles, out, checkpoint, "--roi", region)
    assert "already complete" in " ".join(capsys.readouterr().out.split())


def test_chosen_bands_are_shown(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_map(tmp_path / "m.tif", texture(200, 200, 4), photometric="MINISBLACK")
    run(path, tmp_path / "g", checkpoint, "--bands", "4,3,2")
    main(["gallery", "info", str(tmp_path / "g")])
    assert "(bands 4, 3, 2)" in " ".join(capsys.readouterr().out.split())


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the command prints on standard error while it exits with 2."""
    with pytest.raises(SystemExit) as exit_info:
        run(*arguments)
    lines = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def test_what_cannot_be_built_ends_in_one_line(
    tiles: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "g"
    vector = write_pmtiles(tmp_path / "streets.pmtiles", {(ZOOM, *FIRST): b"\x1a\x05roads"})
    broken = tmp_path / "broken.mbtiles"
    broken.write_bytes(b"SQLite format 3\0" + bytes(200))
    small = {(ZOOM, *FIRST): encoded(np.zeros((100, 100, 3), np.uint8))}
    odd = write_folder(tmp_path / "odd", small)
    point, nowhere = tmp_path / "point.json", tmp_path / "nan.json"
    point.write_text(json.dumps(POINT))
    nowhere.write_text('{"type": "Polygon", "coordinates": [[[1, 1], [NaN, 1], [2, 2], [1, 1]]]}')
    (tmp_path / "empty").mkdir()
    for source, options, because in (
        (vector, (), "vector tiles"),
        (broken, (), "MBTiles"),
        (odd, (), "100 x 100 px, expected 256 x 256 or 512 x 512"),
        (tmp_path / "empty", (), "no map tiles"),
        (tmp_path / ("x" * 300), (), "name too long"),
        (tiles, ("--bands", "4,3,2"), "no bands can be chosen"),
        (tiles, ("--bands", "red"), "are no numbers"),
        (tiles, ("--roi", tmp_path / "none.json"), "No region"),
        (tiles, ("--roi", point), "holds Point"),
        (tiles, ("--roi", nowhere), "not on Earth"),
    ):
        assert because in complaint(capsys, source, out, checkpoint, *options)
    assert not out.exists()


def test_a_gallery_s_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> str:
        main(["gallery", *map(str, arguments)])
        return " ".join(capsys.readouterr().out.split())

    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["gallery", *map(str, arguments)])
        said = capsys.readouterr()
        assert stopped.value.code == 2 and said.err.count("\n") == 1, said.err
        return said.out + said.err

    systems.save(systems.create("imagenet", input_px=64), tmp_path / "system")
    west = write_map(tmp_path / "west.tif", texture(300, 300), pixel=1.0)
    east = write_map(
        tmp_path / "east.tif", texture(300, 300, seed=1), origin=(500_300, 5e6), pixel=1.0
    )
    out = tmp_path / "g"
    sizes = ["--tile-m", 100, "--tile-m", 200, "--stride-m", 100, "--stride-m", 100]
    built = run("build", west, "--out", out, "--system", tmp_path / "system", *sizes)
    assert built.startswith("13 tiles in")
    assert "has 26 tiles" in run("add", out, east, "--device", "cpu")
    assert "already" in run("add", out, east, "--device", "cpu")
    facts = run("info", out)
    assert "100 m, 100 m" in facts and "200 m, 100 m" in facts
    assert "26 tiles read, 0 warnings" in run("verify", out)
    run("map", out, "--out", tmp_path / "map.png")
    assert Image.open(tmp_path / "map.png").width > 500
    assert "has 13 tiles" in run("remove", out, "west.tif")
    assert "no source west.tif" in refused("remove", out, "west.tif")
    assert "No source given" in refused("remove", out)
    shutil.rmtree(out / "system")
    assert "is damaged (1 findings)" in refused("verify", out)
