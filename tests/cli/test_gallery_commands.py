"""`skyfix gallery` from build to map, through the command line."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from rasters import texture, write_map

from skyfix import systems
from skyfix.cli import main


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
