"""`skyfix gallery` from build to map; map tiles, regions and chosen bands."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bucket_server import bucket
from PIL import Image
from pyramids import cut_tiles, encoded, write_folder, write_pmtiles
from rasters import texture, write_map

from skyfix import systems
from skyfix.cli import main
from skyfix.gallery import Gallery
from skyfix.gallery.storage import storage_of
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


def test_reduced(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_map(tmp_path / "m.tif", texture(300, 300), pixel=1.0)
    out = tmp_path / "g"
    run(path, out, checkpoint, "--dims", 32)
    built = " ".join(capsys.readouterr().out.split())
    kept = json.loads((out / "gallery.json").read_text())["contents"]["counts"][0]["kept"]
    shown = f"32 of 1280 dimensions; of {kept // 10} tiles that they were not fitted to"
    assert f"Descriptors: {shown}" in built and f"of {kept - kept // 10} other tiles" in built
    main(["gallery", "info", str(out)])
    assert shown[:20] in " ".join(capsys.readouterr().out.split())
    main(["gallery", "verify", str(out)])
    assert "is sound" in capsys.readouterr().out
    for dims, because in ((33, "begun with dims 32, asked is 33"), (2000, "Give 1 to 1279")):
        target = out if dims == 33 else tmp_path / "other"
        assert because in complaint(capsys, path, target, checkpoint, "--dims", dims)


def test_in_a_bucket(
    tmp_path: Path,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    def said(*arguments: object) -> str:
        main(["gallery", *map(str, arguments)])
        return " ".join(capsys.readouterr().out.split())

    maps = [
        write_map(tmp_path / f"{n}.tif", texture(150, 150, seed=n), origin=(5e5 + 200 * n, 5e6))
        for n in (0, 1)
    ]
    with bucket() as storage:
        out = f"{storage}/maps/town"
        run(maps[0], out, checkpoint)
        tiles = len(Gallery.open(out))
        assert f"{tiles} tiles in {out}" in " ".join(capsys.readouterr().out.split())
        assert f"has {2 * tiles} tiles" in said("add", out, maps[1], "--device", "cpu")
        assert "1.tif" in said("info", out)
        assert f"{2 * tiles} tiles read" in said("verify", out)
        said("map", out, "--out", tmp_path / "map.png")
        assert (tmp_path / "map.png").exists()
        with storage_of(out).sole_writer():
            with pytest.raises(SystemExit, match="2"):
                said("remove", out, "0.tif")
            assert "Another process is building" in capsys.readouterr().err
        assert f"has {tiles} tiles" in said("remove", out, "0.tif")
    assert not Path("s3:").exists()


def test_two_at_once(
    tiles: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "g"
    with storage_of(out).sole_writer():
        assert f"Another process is building {out}" in complaint(capsys, tiles, out, checkpoint)
