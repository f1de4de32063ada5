from pathlib import Path

import numpy as np
import pytest
import rasterio
from boards import Grid, checkerboard

from skyfix.cli import main
from skyfix.datasets.university1652 import University1652


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line on standard error of a command that exits with 2."""
    with pytest.raises(SystemExit) as exit_info:
        main(["world", *(str(argument) for argument in arguments)])
    lines = capsys.readouterr().err.strip().splitlines()
    assert exit_info.value.code == 2
    assert len(lines) == 1, lines
    return lines[0]


def test_a_town_is_written(tmp_path: Path) -> None:
    main(["world", "town", "--seed", "3", "--size-m", "200", "--gsd-m", "1", "--out",
          str(tmp_path / "town")])  # fmt: skip
    with rasterio.open(tmp_path / "town" / "map.tif") as imagery:
        assert imagery.crs.to_epsg() == 32631
        assert imagery.shape == (200, 200)
    with rasterio.open(tmp_path / "town" / "dsm.tif") as dsm:
        assert dsm.read(1).max() > 3


def test_a_map_becomes_a_data_set(tmp_path: Path) -> None:
    ortho = Grid(checkerboard(200), 1.0).write(tmp_path / "o.tif")
    dsm = Grid(np.full((1, 100, 100), 7, np.float32), 2.0).write(tmp_path / "d.tif")
    out = tmp_path / "set"
    main(["world", "render", "--ortho", str(ortho), "--dsm", str(dsm), "--layout",
          "university1652", "--place-m", "60", "--places", "2", "--test-share", "0.5",
          "--side-px", "16", "--sun", "200", "40", "--greenness", "-0.5", "--out",
          str(out)])  # fmt: skip
    data = University1652(out)
    assert len(data.train("drone")) == len(data.query("drone")) == 54


def test_a_flight_over_a_map_is_written(tmp_path: Path) -> None:
    ortho = Grid(checkerboard(300), 1.0).write(tmp_path / "o.tif")
    out = tmp_path / "flight"
    main(["world", "flight", "--ortho", str(ortho), "--photos", "1", "--seconds", "0.1",
          "--out", str(out)])  # fmt: skip
    assert {path.name for path in out.iterdir()} == {
        "map.tif", "dsm.tif", "photos", "flight.mp4", "flight.srt", "truth.csv"
    }  # fmt: skip


RENDER = ("render", "--layout", "university1652", "--out")


def test_missing_and_unfit_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    missing = complaint(capsys, *RENDER, out, "--ortho", tmp_path / "no.tif")
    assert "No such raster" in missing
    board = checkerboard(200)
    bare = Grid(board, 1.0, crs=None).write(tmp_path / "bare.tif")
    assert "No coordinate reference system" in complaint(capsys, *RENDER, out, "--ortho", bare)
    degrees = Grid(board, 1e-5, "EPSG:4326", (-8.36, 40.7)).write(tmp_path / "deg.tif")
    line = complaint(capsys, *RENDER, out, "--ortho", degrees)
    assert "is in degrees" in line and "EPSG:32629" in line
    empty = Grid(np.zeros((3, 200, 200), np.uint8), 1.0, nodata=0).write(tmp_path / "empty.tif")
    assert "only nodata" in complaint(capsys, *RENDER, out, "--ortho", empty)
    assert not out.exists()


def test_unfit_height_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ortho = Grid(checkerboard(200), 1.0).write(tmp_path / "o.tif")
    command = (*RENDER, tmp_path / "out", "--ortho", ortho, "--dsm")
    heights = np.ones((1, 200, 200), np.float32)
    half = Grid(heights[..., :100], 1.0).write(tmp_path / "half.tif")
    assert "covers 50 %" in complaint(capsys, *command, half)
    far = Grid(heights, 1.0, origin=(300_000.0, 5_100_000.0)).write(tmp_path / "far.tif")
    assert "does not touch" in complaint(capsys, *command, far)
    void = Grid(heights - 10_000, 1.0, nodata=-9999.0).write(tmp_path / "void.tif")
    assert "only nodata" in complaint(capsys, *command, void)
    assert "3 bands" in complaint(capsys, *command, ortho)
    assert "No such raster" in complaint(capsys, *command, tmp_path / "no.tif")


def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert "either a map" in complaint(capsys, *RENDER, out)
    assert "either a map" in complaint(capsys, *RENDER, out, "--ortho", "a.tif", "--town", 3)
    assert "Leave --dsm out" in complaint(capsys, *RENDER, out, "--dsm", "a.tif", "--town", 3)
    assert "haze" in complaint(capsys, *RENDER, out, "--town", 3, "--haze", 2)
    assert "places" in complaint(capsys, *RENDER, out, "--town", 3, "--places", 1)
    assert "cannot be flown" in complaint(
        capsys, "flight", "--town", 3, "--altitude-m", 1, "--out", out
    )
    assert "Cannot build a town" in complaint(capsys, "town", "--size-m", 10, "--out", out)
    assert "--layout" in complaint(capsys, "render", "--layout", "cvusa", "--out", out)


def test_a_map_too_small_for_a_flight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ortho = Grid(checkerboard(30, 10), 1.0).write(tmp_path / "o.tif")
    line = complaint(capsys, "flight", "--ortho", ortho, "--out", tmp_path / "out")
    assert "too small to fly over" in line
